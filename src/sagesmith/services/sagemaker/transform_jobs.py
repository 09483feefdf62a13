"""Batch transform jobs: what is asked for. What becomes of it is the reconciler's (`transform`).

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateTransformJob.html
"""

from dataclasses import replace

from sagesmith.jsonpath import JsonPath, PathInvalid
from sagesmith.services.sagemaker.engine import Call, Kind, Unbuilt, Wording
from sagesmith.services.sagemaker.job_components import track
from sagesmith.services.sagemaker.jobs.base import IN_PROGRESS, STOPPING, beginning, job_lifecycle
from sagesmith.services.sagemaker.models import MODEL, first_to_serve, is_direct, is_multi_model, several
from sagesmith.store import Document
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ResourceInUse, ValidationException

TASK_PREFIX = "transform-"
MAX_PAYLOAD_MB = 100
DEFAULT_PAYLOAD_MB = 6
_CSV, _JSON = "CSV", "JSON"
_FORMATS = {"text/csv": _CSV, "application/json": _JSON, "application/jsonlines": _JSON}


def _check(params: Params) -> None:
    source, output = params["TransformInput"]["DataSource"]["S3DataSource"], params["TransformOutput"]
    for member, uri in (("S3Uri", source["S3Uri"]), ("S3OutputPath", output["S3OutputPath"])):
        if not uri.startswith("s3://"):
            raise ValidationException(f"{member} must begin with s3://: {uri}")
    if source["S3DataType"] == "AugmentedManifestFile":
        raise ValidationException("S3DataType AugmentedManifestFile is not supported by transform jobs.")
    _check_payload(params)
    _check_processing(params)


def _check_payload(params: Params) -> None:
    payload = params.get("MaxPayloadInMB")
    if payload is not None and payload > MAX_PAYLOAD_MB:
        raise ValidationException(f"MaxPayloadInMB cannot be greater than {MAX_PAYLOAD_MB} MB: {payload}.")
    concurrent = params.get("MaxConcurrentTransforms") or 0
    product = concurrent * (DEFAULT_PAYLOAD_MB if payload is None else payload)
    if product > MAX_PAYLOAD_MB:
        raise ValidationException(
            f"MaxConcurrentTransforms * MaxPayloadInMB cannot exceed {MAX_PAYLOAD_MB} MB: it is {product} MB."
        )


def _check_processing(params: Params) -> None:
    """DataProcessing fits formats and splitting; a filter that is not understood is refused before anything runs."""
    processing = params.get("DataProcessing") or {}
    for member in ("InputFilter", "OutputFilter"):
        try:
            JsonPath.parse(processing.get(member) or "$")
        except PathInvalid as error:
            raise ValidationException(f"{member} is not a supported JSONPath expression: {error}") from error
    joins = processing.get("JoinSource") == "Input"
    filters = processing.get("InputFilter", "$") not in ("", "$")
    given, wanted = (params["TransformInput"].get("ContentType"), params["TransformOutput"].get("Accept"))
    if (joins or filters) and _format(given) is None:
        raise ValidationException(
            f"DataProcessing needs a ContentType that is one of {', '.join(_FORMATS)}: {given or 'none is given'}."
        )
    if joins and wanted and _format(wanted) != _format(given):
        raise ValidationException(
            f"JoinSource Input needs ContentType and Accept of the same format: {given} and {wanted} are not."
        )
    takes_apart = joins or filters or processing.get("OutputFilter", "$") not in ("", "$") or _identifies(params)
    if takes_apart and params.get("MaxPayloadInMB") == 0 and params.get("BatchStrategy") != "SingleRecord":
        raise ValidationException("MaxPayloadInMB 0 sends objects as a stream, which DataProcessing cannot take apart.")


def _identifies(params: Params) -> bool:
    return bool((params.get("DataCaptureConfig") or {}).get("GenerateInferenceId"))


def _format(content_type: str | None) -> str | None:
    return _FORMATS.get((content_type or "").partition(";")[0].strip().lower())


def _initial(call: Call, params: Params) -> Params:
    model = MODEL.find(call.tx, call.context, params["ModelName"]).body
    container = first_to_serve(model)
    if is_multi_model(container):
        raise ValidationException(
            f"Batch transform does not support multi-model containers: {params['ModelName']} has Mode MultiModel."
        )
    if is_direct(model):
        raise ValidationException(
            f"Batch transform sends data through all containers of a model: {params['ModelName']} has the "
            "InferenceExecutionConfig Mode Direct."
        )
    served = {
        "container": container,
        **several(model),
        "role": model.get("ExecutionRoleArn"),
        "network_isolation": bool(model.get("EnableNetworkIsolation")),
    }
    return {
        "TransformInput": {"CompressionType": "None", "SplitType": "None", **params["TransformInput"]},
        "TransformOutput": {"AssembleWith": "None", "KmsKeyId": "", **params["TransformOutput"]},
        "DataProcessing": {
            "InputFilter": "$",
            "OutputFilter": "$",
            "JoinSource": "None",
            **(params.get("DataProcessing") or {}),
        },
        "_model": served,
        **beginning(TASK_PREFIX),
    }


def _stop(call: Call, document: Document, params: Params) -> Document:
    return replace(document, status=STOPPING)


TRANSFORM_JOB = Kind(
    noun="TransformJob",
    starts_as=IN_PROGRESS,
    lifecycle=job_lifecycle("TransformJob"),
    check=_check,
    initial=_initial,
    on_create=track,
    refers={"ModelName": MODEL},
    changes={"StopTransformJob": _stop},
    missing=Wording(ValidationException, "Could not find requested job with name: {name}"),
    duplicate=Wording(
        ResourceInUse,
        "Job name must be unique within an AWS account and region, and a job with this name already exists ({arn})",
    ),
    unbuilt=(
        Unbuilt(
            "TransformInput.DataSource.S3DataSource.S3DataType",
            "Batches of conversations are",
            frozenset({"Converse"}),
        ),
    ),
    without_effect={
        "TransformResources.VolumeKmsKeyId": "disks are not encrypted by Sagesmith",
        "TransformResources.TransformAmiVersion": "there are no machine images",
    },
)
