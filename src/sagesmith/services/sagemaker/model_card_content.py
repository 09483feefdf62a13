"""What a model card says: JSON by AWS's schema, of a card of its own or of the card in a model package.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/model-cards.html#model-cards-json-schema,
https://docs.aws.amazon.com/sagemaker/latest/dg/model-registry-details.html#model-card-schema and, for the details of
model packages, which the first does not show,
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-sagemaker-modelcard.html.
Of arrays AWS's schema names limits by words that JSON Schema's draft 7 does not have. The upper ones are kept here; the
lower ones are not, because SDK v2 sends empty `source_algorithms`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sagesmith.wire.errors import AwsError, ValidationException

Check = Callable[[Any, str], None]
"""Looks at the value at a JSON pointer, and raises what is wrong with it."""


def check_card(content: str) -> None:
    """Make sure that a model card's content follows the schema.

    Raises:
        ValidationException: it is no JSON, or something in it is not as the schema has it.
    """
    _CARD(_parsed(content), "#")


def check_package_card(content: str) -> None:
    """As `check_card`, of the card of a model package, which says less."""
    _PACKAGE_CARD(_parsed(content), "#")


def metadata_of(content: str) -> str:
    """The content less everything but what identifies the model and says how risky it is: IncludedData MetadataOnly."""
    said = json.loads(content)
    kept = {
        section: {member: said[section][member] for member in members if member in said.get(section, {})}
        for section, members in _METADATA.items()
    }
    return json.dumps({section: members for section, members in kept.items() if members})


def _parsed(content: str) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise _invalid("#", f"is no JSON: {error}") from error


def _invalid(pointer: str, why: str) -> AwsError:
    return ValidationException(f"Invalid model card content: {pointer} {why}.")


def _text(most: int | None = None, least: int = 0) -> Check:
    def check(value: Any, pointer: str) -> None:
        if not isinstance(value, str):
            raise _invalid(pointer, "must be a string")
        if most is not None and len(value) > most:
            raise _invalid(pointer, f"must have at most {most} characters, and has {len(value)}")
        if len(value) < least:
            raise _invalid(pointer, f"must have at least {least} characters")

    return check


def _number(least: float | None = None) -> Check:
    def check(value: Any, pointer: str) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise _invalid(pointer, "must be a number")
        if least is not None and value < least:
            raise _invalid(pointer, f"must be at least {least}")

    return check


def _one_of(*values: str) -> Check:
    def check(value: Any, pointer: str) -> None:
        if value not in values:
            raise _invalid(pointer, f"must be one of {', '.join(values)}")

    return check


def _array(of: Check, most: int | None = None, least: int = 0) -> Check:
    def check(value: Any, pointer: str) -> None:
        if not isinstance(value, list):
            raise _invalid(pointer, "must be an array")
        if (most is not None and len(value) > most) or len(value) < least:
            limit = f"at most {most}" if most is not None and len(value) > most else f"at least {least}"
            raise _invalid(pointer, f"must have {limit} elements, and has {len(value)}")
        for index, element in enumerate(value):
            of(element, f"{pointer}/{index}")

    return check


def _map(of: Check) -> Check:
    def check(value: Any, pointer: str) -> None:
        for member, each in _members(value, pointer).items():
            of(each, f"{pointer}/{member}")

    return check


def _object(members: Mapping[str, Check], required: Sequence[str] = (), closed: bool = True) -> Check:
    def check(value: Any, pointer: str) -> None:
        present = _members(value, pointer)
        for member in required:
            if member not in present:
                raise _invalid(pointer, f"must have {member}")
        for member, each in present.items():
            if member in members:
                members[member](each, f"{pointer}/{member}")
            elif closed:
                raise _invalid(f"{pointer}/{member}", "is not permitted")

    return check


def _members(value: Any, pointer: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _invalid(pointer, "must be an object")
    return value


def _anything(value: Any, pointer: str) -> None:
    """The schema names what may be in it without requiring anything of it."""


def _scalar(value: Any, pointer: str) -> None:
    if isinstance(value, str):
        return _text(63)(value, pointer)
    if not isinstance(value, bool | int | float):
        raise _invalid(pointer, "must be a number, a string or a boolean")
    return None


def _metric(value: Any, pointer: str) -> None:
    """A metric of an evaluation; its type says what its value looks like."""
    kind = _members(value, pointer).get("type")
    _one_of(*_METRICS)(kind, f"{pointer}/type")
    _METRICS[str(kind)](value, pointer)


def _metric_of(value: Check, x_axis: Check, y_axis: Check) -> Check:
    members = {
        "name": _text(least=1),
        "notes": _text(1024),
        "type": _text(),
        "value": value,
        "x_axis_name": x_axis,
        "y_axis_name": y_axis,
    }
    return _object(members, required=("name", "type", "value"))


_AXIS = _text(63)
_AXES = _array(_AXIS)
_SIMPLE = _metric_of(_scalar, _AXIS, _AXIS)
_METRICS: Mapping[str, Check] = {
    "number": _SIMPLE,
    "string": _SIMPLE,
    "boolean": _SIMPLE,
    "linear_graph": _metric_of(_array(_array(_number(), most=2, least=2), least=1), _AXIS, _AXIS),
    "bar_chart": _metric_of(_array(_number(), least=1), _AXES, _AXIS),
    "matrix": _metric_of(_array(_array(_number(), most=20, least=1), most=20, least=1), _AXES, _AXES),
}
_PLACES = _array(_text(1024), most=15)
_IMAGES = _object({"container_image": _PLACES})
_TRAINING_METRICS = _array(
    _object({"name": _text(least=1), "notes": _text(1024), "value": _number()}, required=("name", "value")), most=50
)
_HYPER_PARAMETERS = _array(
    _object({"name": _text(least=1), "value": _text(least=1)}, required=("name", "value")), most=100
)

_INTENDED_USES = _object(
    {
        "purpose_of_model": _text(2048),
        "intended_uses": _text(2048),
        "factors_affecting_model_efficiency": _text(2048),
        "risk_rating": _one_of("High", "Medium", "Low", "Unknown"),
        "explanations_for_risk_rating": _text(2048),
    }
)
_BUSINESS_DETAILS = _object(
    {"business_problem": _text(2048), "business_stakeholders": _text(2048), "line_of_business": _text(2048)}
)
_TRAINING_DETAILS = _object(
    {
        "objective_function": _anything,
        "training_observations": _text(1024),
        "training_job_details": _object(
            {
                "training_arn": _text(1024),
                "training_datasets": _PLACES,
                "training_environment": _IMAGES,
                "training_metrics": _TRAINING_METRICS,
                "user_provided_training_metrics": _TRAINING_METRICS,
                "hyper_parameters": _HYPER_PARAMETERS,
                "user_provided_hyper_parameters": _HYPER_PARAMETERS,
            }
        ),
    }
)
_EVALUATION_DETAILS = _array(
    _object(
        {
            "name": _text(least=1),
            "evaluation_observation": _text(2096),
            "evaluation_job_arn": _text(256),
            "datasets": _array(_text(1024), most=10),
            "metadata": _map(_text(1024)),
            "metric_groups": _array(
                _object(
                    {"name": _text(least=1), "metric_data": _array(_metric)},
                    required=("name", "metric_data"),
                    closed=False,
                )
            ),
        },
        required=("name",),
    )
)
_ADDITIONAL_INFORMATION = _object(
    {
        "ethical_considerations": _text(2048),
        "caveats_and_recommendations": _text(2048),
        "custom_details": _map(_text(1024)),
    }
)
_MODEL_OVERVIEW = _object(
    {
        "model_description": _text(1024),
        "model_owner": _text(1024),
        "model_creator": _text(1024),
        "problem_type": _text(),
        "algorithm_type": _text(1024),
        "model_id": _text(1024),
        "model_artifact": _PLACES,
        "model_name": _text(1024),
        "model_version": _number(least=1),
        "inference_environment": _IMAGES,
    }
)
_MODEL_PACKAGE_DETAILS = _object(
    {
        "model_package_description": _text(1024),
        "model_package_arn": _text(2048, least=1),
        "created_by": _object({"user_profile_name": _text(63)}),
        "model_package_status": _one_of("Pending", "InProgress", "Completed", "Failed", "Deleting"),
        "model_approval_status": _one_of("Approved", "Rejected", "PendingManualApproval"),
        "approval_description": _text(1024),
        "model_package_group_name": _text(63, least=1),
        "model_package_name": _text(63, least=1),
        "model_package_version": _number(least=1),
        "domain": _text(),
        "task": _text(),
        "source_algorithms": _array(
            _object({"algorithm_name": _text(170), "model_data_url": _text(1024)}, required=("algorithm_name",)),
            most=1,
        ),
        "inference_specification": _object(
            {
                "containers": _array(
                    _object(
                        {"model_data_url": _text(1024), "image": _text(255), "nearest_model_name": _text()},
                        required=("image",),
                    ),
                    most=15,
                )
            },
            required=("containers",),
        ),
    }
)

_SECTIONS = {
    "intended_uses": _INTENDED_USES,
    "business_details": _BUSINESS_DETAILS,
    "training_details": _TRAINING_DETAILS,
    "evaluation_details": _EVALUATION_DETAILS,
    "additional_information": _ADDITIONAL_INFORMATION,
}
_CARD = _object(
    {"model_overview": _MODEL_OVERVIEW, "model_package_details": _MODEL_PACKAGE_DETAILS, **_SECTIONS},
)
_PACKAGE_CARD = _object(
    {"model_overview": _object({"model_creator": _text(1024), "model_artifact": _PLACES}), **_SECTIONS},
)
_METADATA = {
    "model_overview": ("model_id", "model_name"),
    "intended_uses": ("risk_rating",),
    "model_package_details": ("model_package_group_name", "model_package_arn"),
}
