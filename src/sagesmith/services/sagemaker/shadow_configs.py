"""The endpoint configurations of an inference experiment: during it, after it, and the one that was there before."""

from collections.abc import Mapping

from sagesmith.services.sagemaker.endpoint_configs import ENDPOINT_CONFIG
from sagesmith.services.sagemaker.engine import Call, created
from sagesmith.services.sagemaker.inference_experiments import ENDING, FORMER
from sagesmith.store import Document
from sagesmith.wire.context import Params

CONFIGS = "_configs"
"""The member that has the names of those that were made for the experiment."""
_LONGEST_PREFIX = 40


def test_config(call: Call, document: Document, endpoint: Document) -> tuple[str, bool]:
    """A configuration with the production variant and its shadow."""
    mode = document.body["ShadowModeConfig"]
    variants = {each["VariantName"]: each for each in document.body["ModelVariants"]}
    shadows = [
        (variants[each["ShadowModelVariantName"]], each["SamplingPercentage"]) for each in mode["ShadowModelVariants"]
    ]
    return _made_config(call, document, [variants[mode["SourceModelVariantName"]]], shadows), False


def final_config(call: Call, document: Document, endpoint: Document) -> tuple[str, bool]:
    """A configuration with the variants that are to be left."""
    left = document.body[ENDING]["variants"]
    samples = {
        each["ShadowModelVariantName"]: each["SamplingPercentage"]
        for each in document.body["ShadowModeConfig"]["ShadowModelVariants"]
    }
    shadows = [(each, samples[each["VariantName"]]) for each in left["shadow"]]
    return _made_config(call, document, left["production"], shadows, captures=False), False


def former_config(call: Call, document: Document, endpoint: Document) -> tuple[str, bool]:
    """The configuration that the endpoint had, made again if it was deleted meanwhile."""
    former = document.body[FORMER]
    if ENDPOINT_CONFIG.seek(call.tx, call.context, former["config"]) is None:
        created(call, ENDPOINT_CONFIG, dict(former["body"]))
    return str(former["config"]), True


def _made_config(
    call: Call, document: Document, production: list[Params], shadows: list[tuple[Params, int]], captures: bool = True
) -> str:
    """Store an endpoint configuration as the former one, with other variants, and return its name."""
    former = document.body[FORMER]["body"]
    known = {
        each["VariantName"]: each
        for members in ("ProductionVariants", "ShadowProductionVariants")
        for each in former.get(members) or ()
    }
    number = len(document.body.get(CONFIGS, ())) + 1
    name = f"{document.name[:_LONGEST_PREFIX].rstrip('-')}-{document.body['_id']}-{number}"
    request: Params = {
        **former,
        "EndpointConfigName": name,
        "ProductionVariants": [_variant(each, 1.0, known) for each in production],
        "ShadowProductionVariants": [_variant(each, sample / 100, known) for each, sample in shadows],
    }
    if not shadows:
        del request["ShadowProductionVariants"]
    if captures and (storage := document.body.get("DataStorageConfig")):
        request["DataCaptureConfig"] = _capture(storage)
    ENDPOINT_CONFIG.check(request)
    created(call, ENDPOINT_CONFIG, request)
    return name


def _variant(wanted: Params, weight: float, known: Mapping[str, Params]) -> Params:
    """A variant of an endpoint configuration: one of the same name as before keeps what the experiment cannot say."""
    infrastructure = wanted["InfrastructureConfig"]["RealTimeInferenceConfig"]
    return {
        **known.get(wanted["VariantName"], {}),
        "VariantName": wanted["VariantName"],
        "ModelName": wanted["ModelName"],
        "InstanceType": infrastructure["InstanceType"],
        "InitialInstanceCount": infrastructure["InstanceCount"],
        "InitialVariantWeight": weight,
    }


def _capture(storage: Params) -> Params:
    """The DataCaptureConfig that keeps all requests and answers where an experiment wants them."""
    capture: Params = {
        "EnableCapture": True,
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": storage["Destination"],
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    }
    if key := storage.get("KmsKey"):
        capture["KmsKeyId"] = key
    if types := storage.get("ContentType"):
        capture["CaptureContentTypeHeader"] = types
    return capture
