"""Model package groups: under which versions of a model are registered, and who may see them.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateModelPackageGroup.html; of the wording
https://github.com/aws-cloudformation/aws-cloudformation-resource-providers-sagemaker
"""

from dataclasses import replace

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import Call, Kind, Unbuilt, Wording, reading, writing
from sagesmith.services.sagemaker.resource_policies import POLICY, check_policy
from sagesmith.store import Document
from sagesmith.wire.context import Handler, Params
from sagesmith.wire.errors import ConflictException, ValidationException

_GROUP_OF_POLICY_MISSING = Wording(ValidationException, "Cannot find Model Package Group: {arn}")
_POLICY_MISSING = Wording(ValidationException, "Cannot find resource policy for: {arn}")

MODEL_PACKAGE_GROUP = Kind(
    noun="ModelPackageGroup",
    rests_as="Completed",
    ascending=True,
    unbuilt=(Unbuilt("ManagedConfiguration.ManagedStorageType", "Managed storage of model packages is"),),
    missing=Wording(ValidationException, "ModelPackageGroup {arn} does not exist."),
    duplicate=Wording(ValidationException, "Model Package Group already exists: {arn}"),
    occupied=Wording(ConflictException, "Model Package Group cannot be deleted as it is not empty: {arn}"),
    search="ModelPackageGroup",
)


def operations(home: Home) -> dict[str, Handler]:
    """The resource policy of a group: text that is kept for its readers."""
    return {
        "PutModelPackageGroupPolicy": writing(home, _put_policy, check_policy),
        "GetModelPackageGroupPolicy": reading(home, _get_policy),
        "DeleteModelPackageGroupPolicy": writing(home, _delete_policy),
    }


def _group(call: Call, params: Params) -> Document:
    """The group; these operations word it otherwise if there is none."""
    name = params["ModelPackageGroupName"]
    group = MODEL_PACKAGE_GROUP.seek(call.tx, call.context, name)
    if group is None:
        arn = MODEL_PACKAGE_GROUP.arn(call.context, name)
        raise MODEL_PACKAGE_GROUP.error(_GROUP_OF_POLICY_MISSING, arn, name)
    return group


def _with_policy(call: Call, params: Params) -> Document:
    group = _group(call, params)
    if POLICY not in group.body:
        raise MODEL_PACKAGE_GROUP.error(_POLICY_MISSING, group.arn, group.name)
    return group


def _put_policy(call: Call, params: Params) -> Params:
    group = _group(call, params)
    call.tx.update(replace(group, body={**group.body, POLICY: params["ResourcePolicy"]}))
    return {"ModelPackageGroupArn": group.arn}


def _get_policy(call: Call, params: Params) -> Params:
    return {"ResourcePolicy": _with_policy(call, params).body[POLICY]}


def _delete_policy(call: Call, params: Params) -> Params:
    group = _with_policy(call, params)
    call.tx.update(replace(group, body={member: value for member, value in group.body.items() if member != POLICY}))
    return {}
