"""Human review: the templates of workers' pages, and flow definitions, which say who reviews what with which page.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHumanTaskUi.html,
…/API_RenderUiTemplate.html, …/API_CreateFlowDefinition.html, …/API_HumanLoopConfig.html; of the wording
https://github.com/data-science-on-aws/data-science-on-aws/issues/37
"""

import json
from hashlib import sha256

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import DOES_NOT_EXIST, NAME_IN_USE, Call, Kind, reading
from sagesmith.services.sagemaker.human_task_templates import rendered
from sagesmith.services.sagemaker.presigned import EXPIRES_SECONDS, presigned_url
from sagesmith.services.sagemaker.workteams import WORKTEAM
from sagesmith.store import Document
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import ValidationException

_TEMPLATE = "_template"
_LOOP_DEFAULTS = {"TaskTimeLimitInSeconds": 3600, "TaskAvailabilityLifetimeInSeconds": 864_000}


def _template(call: Call, params: Params) -> Params:
    """The template is kept, and its digest is shown."""
    content = params["UiTemplate"]["Content"]
    return {"UiTemplate": {"ContentSha256": sha256(content.encode()).hexdigest()}, _TEMPLATE: content}


HUMAN_TASK_UI = Kind(
    noun="HumanTaskUi",
    initial=_template,
    rests_as="Active",
    missing=DOES_NOT_EXIST,
    duplicate=NAME_IN_USE,
)


def _check_flow(params: Params) -> None:
    """The conditions under which a prediction is reviewed are a JSON object in a string."""
    activation = params.get("HumanLoopActivationConfig")
    if activation is None:
        return
    if "HumanLoopRequestSource" not in params:
        raise ValidationException("HumanLoopActivationConfig requires a HumanLoopRequestSource.")
    conditions = activation["HumanLoopActivationConditionsConfig"]["HumanLoopActivationConditions"]
    if not _is_object(conditions):
        raise ValidationException("HumanLoopActivationConditions must be a valid JSON object.")


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _loop(call: Call, params: Params) -> Params:
    config = params.get("HumanLoopConfig")
    if config is None:
        return {}
    for noun, kind in (("Workteam", WORKTEAM), ("HumanTaskUi", HUMAN_TASK_UI)):
        if kind.seek(call.tx, call.context, config[f"{noun}Arn"]) is None:
            raise ValidationException(
                f"The specified {noun} '{config[f'{noun}Arn']}' does not exist or you do not have access to it."
            )
    return {"HumanLoopConfig": {**_LOOP_DEFAULTS, **config}}


FLOW_DEFINITION = Kind(
    noun="FlowDefinition",
    check=_check_flow,
    initial=_loop,
    rests_as="Active",
    holds={"HumanLoopConfig.WorkteamArn": WORKTEAM},
    without_effect={
        "HumanLoopConfig.PublicWorkforceTaskPrice": "nobody of Mechanical Turk is asked, and nobody is paid",
        "OutputConfig.KmsKeyId": "there are no human loops yet, which would write reviews",
    },
    missing=DOES_NOT_EXIST,
    duplicate=NAME_IN_USE,
)


def operations(home: Home) -> dict[str, Handler]:
    """RenderUiTemplate shows what workers would see."""
    return {"RenderUiTemplate": reading(home, _render)}


def _render(call: Call, params: Params) -> Params:
    given, arn = params.get("UiTemplate"), params.get("HumanTaskUiArn")
    if bool(given) == bool(arn):
        raise ValidationException("Exactly one of UiTemplate and HumanTaskUiArn must be specified.")
    if not _is_object(params["Task"]["Input"]):
        raise ValidationException("Task.Input must be a valid JSON object.")
    template = given["Content"] if given else _of(HUMAN_TASK_UI.find(call.tx, call.context, str(arn)))
    credentials = call.home.keyring.mint(params["RoleArn"], "RenderUiTemplate", EXPIRES_SECONDS)

    def readable(bucket: str, key: str) -> str:
        return presigned_url(call.home, call.context, bucket, key, credentials)

    content, errors = rendered(template, json.loads(params["Task"]["Input"]), readable)
    return {
        "RenderedContent": content,
        "Errors": [{"Code": error.code, "Message": error.message} for error in errors],
    }


def _of(ui: Document) -> str:
    return str(ui.body[_TEMPLATE])
