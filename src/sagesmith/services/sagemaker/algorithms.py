"""Algorithms: how to train, and how to infer with what was trained, under a name.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateAlgorithm.html; that one which is not there
is a ResourceNotFound, which the model does not say, from what Terraform waits for
(https://github.com/hashicorp/terraform-provider-aws, internal/service/sagemaker/algorithm.go)
"""

from sagesmith.services.sagemaker.engine import Call, Kind, Unbuilt, Wording
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ResourceNotFound, ValidationException


def _check(params: Params) -> None:
    names: set[str] = set()
    for each in params["TrainingSpecification"].get("SupportedHyperParameters") or ():
        name = each["Name"]
        if name in names:
            raise ValidationException(f"The names of SupportedHyperParameters must be unique: {name}.")
        if each.get("IsRequired") and each.get("DefaultValue") is not None:
            raise ValidationException(f"Hyperparameter {name} cannot be required: it has a DefaultValue.")
        names.add(name)


def _initial(call: Call, params: Params) -> Params:
    """Nothing was validated or scanned, because nothing of that sort can be asked for."""
    return {"AlgorithmStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []}}


ALGORITHM = Kind(
    noun="Algorithm",
    rests_as="Completed",
    defaults={"CertifyForMarketplace": False},
    check=_check,
    initial=_initial,
    unbuilt=(
        Unbuilt("ValidationSpecification", "Validation of algorithms is"),
        Unbuilt("CertifyForMarketplace", "Certification for AWS Marketplace is"),
    ),
    ascending=True,
    missing=Wording(ResourceNotFound, "Algorithm {arn} does not exist."),
    duplicate=Wording(ValidationException, "Algorithm already exists: {arn}"),
)
