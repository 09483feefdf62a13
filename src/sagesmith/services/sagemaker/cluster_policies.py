"""What governs the tasks of a HyperPod cluster: its policy, of which there is one, and the compute that teams may use.

Both are versioned: an update names the version that it was made for, and earlier ones can still be described. Clusters
are not built, so that a ClusterArn need not name one, and nothing schedules by what is kept here.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateClusterSchedulerConfig.html,
…/API_UpdateClusterSchedulerConfig.html, …/API_SchedulerConfig.html, …/API_CreateComputeQuota.html,
…/API_ComputeQuotaConfig.html, …/API_ComputeQuotaTarget.html, …/API_ResourceSharingConfig.html
"""

from dataclasses import replace

from sagesmith.services.sagemaker.engine import DOES_NOT_EXIST, Call, Kind, Lifecycle, created, new_id, updated, view_of
from sagesmith.store import AlreadyExists, Document
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ConflictException, ResourceNotFound, ValidationException

_PAST = "_shown"
_NOT_SCHEDULED = "there are no clusters yet that would schedule tasks by it"


def _claim(call: Call, owner: Kind, cluster: str, member: str, value: str) -> None:
    """Take what only one policy or quota of a cluster may have, so that of two at once the second is refused."""
    kind, key = _claimed(owner, cluster, member, value)
    try:
        call.tx.create(Document(kind, call.context.region, key, "", "", {}))
    except AlreadyExists as error:
        said = f"with {member} {value} " if value else ""
        raise ConflictException(f"{owner.noun} {said}already exists for cluster {cluster}.") from error


def _release(call: Call, owner: Kind, cluster: str, member: str, value: str) -> None:
    kind, key = _claimed(owner, cluster, member, value)
    call.tx.delete(kind, call.context.region, key)


def _claimed(owner: Kind, cluster: str, member: str, value: str) -> tuple[str, str]:
    """The kind and the key of the document that one alone can have made."""
    return f"{owner.id}-{member.lower()}", f"{cluster}/{value}".lower()


def _next_version(call: Call, kind: Kind, past: Kind, document: Document, params: Params) -> Document:
    """The document with what an update changes, as its next version; the present one is kept.

    Raises:
        ConflictException: the update was made for another version than the present one.
    """
    number = f"{kind.noun}Version"
    present, target = document.body[number], params["TargetVersion"]
    if target != present:
        raise ConflictException(
            f"TargetVersion {target} does not match the current version {present} of {kind.noun} {document.name}."
        )
    created(call, past, {f"{kind.noun}Id": document.key, number: present, _PAST: view_of(kind).describe(document)})
    changes = {member: value for member, value in params.items() if member != "TargetVersion"}
    changed = updated(kind, document, changes)
    return replace(changed, status="Updated", body={**changed.body, number: present + 1})


def _version(call: Call, kind: Kind, past: Kind, document: Document, params: Params) -> Params:
    """What Describe shows of the version that is asked for."""
    number = f"{kind.noun}Version"
    asked = params.get(number)
    if asked in (None, document.body[number]):
        return {}
    found = past.seek(call.tx, call.context, document.key, str(asked))
    if found is None:
        raise ResourceNotFound(f"{kind.noun} '{document.arn}' has no version {asked}.")
    # Members that only later versions have become None, which is not shown.
    return {member: found.body[_PAST].get(member) for member in view_of(kind).members}


def _past(kind: Kind) -> Kind:
    """The kind of the versions that a policy or quota had before the present one."""
    return Kind(
        noun=f"{kind.noun}Version",
        identity=(f"{kind.noun}Id", f"{kind.noun}Version"),
        parent=kind,
        cascades=True,
        missing=DOES_NOT_EXIST,
    )


def _scheduler_config(config: Params) -> Params:
    names = [each["Name"] for each in config.get("PriorityClasses") or ()]
    if len({*names}) < len(names):
        raise ValidationException("The names of PriorityClasses must be unique.")
    return {"FairShare": "Enabled", **config}


def _new_config(call: Call, params: Params) -> Params:
    _claim(call, CLUSTER_SCHEDULER_CONFIG, params["ClusterArn"], "Cluster", "")
    return {
        "ClusterSchedulerConfigId": new_id(),
        "ClusterSchedulerConfigVersion": 1,
        "SchedulerConfig": _scheduler_config(params["SchedulerConfig"]),
    }


def _update_config(call: Call, document: Document, params: Params) -> Document:
    config = params.get("SchedulerConfig")
    if config is not None:
        params = {**params, "SchedulerConfig": _scheduler_config(config)}
    return _next_version(call, CLUSTER_SCHEDULER_CONFIG, PAST_SCHEDULER_CONFIG, document, params)


def _delete_config(call: Call, document: Document) -> None:
    _release(call, CLUSTER_SCHEDULER_CONFIG, document.body["ClusterArn"], "Cluster", "")


_LIFECYCLE = Lifecycle({"Created": frozenset({"Updated"}), "Updated": frozenset()})

CLUSTER_SCHEDULER_CONFIG: Kind = Kind(
    noun="ClusterSchedulerConfig",
    lifecycle=_LIFECYCLE,
    initial=_new_config,
    rests_as="Created",
    without_effect={"SchedulerConfig": _NOT_SCHEDULED},
    lookup=lambda call, document, params: _version(
        call, CLUSTER_SCHEDULER_CONFIG, PAST_SCHEDULER_CONFIG, document, params
    ),
    changes={"UpdateClusterSchedulerConfig": _update_config},
    on_delete=_delete_config,
    missing=DOES_NOT_EXIST,
)

PAST_SCHEDULER_CONFIG: Kind = _past(CLUSTER_SCHEDULER_CONFIG)


def _quota(given: Params) -> Params:
    """The members of a quota that are given, with AWS's defaults."""
    filled: Params = {}
    config, target = given.get("ComputeQuotaConfig"), given.get("ComputeQuotaTarget")
    if config is not None:
        filled["ComputeQuotaConfig"] = {"PreemptTeamTasks": "LowerPriority", **config}
        sharing = config.get("ResourceSharingConfig")
        if sharing and sharing["Strategy"] == "LendAndBorrow":
            filled["ComputeQuotaConfig"]["ResourceSharingConfig"] = {"BorrowLimit": 50, **sharing}
    if target is not None:
        filled["ComputeQuotaTarget"] = {"FairShareWeight": 0, **target}
    return filled


def _new_quota(call: Call, params: Params) -> Params:
    cluster = params["ClusterArn"]
    _claim(call, COMPUTE_QUOTA, cluster, "Name", params["Name"])
    _claim(call, COMPUTE_QUOTA, cluster, "TeamName", params["ComputeQuotaTarget"]["TeamName"])
    return {"ComputeQuotaId": new_id(), "ComputeQuotaVersion": 1, **_quota(params)}


def _update_quota(call: Call, document: Document, params: Params) -> Document:
    cluster, team = document.body["ClusterArn"], document.body["ComputeQuotaTarget"]["TeamName"]
    changed = _next_version(call, COMPUTE_QUOTA, PAST_COMPUTE_QUOTA, document, {**params, **_quota(params)})
    new_team = changed.body["ComputeQuotaTarget"]["TeamName"]
    if new_team != team:
        _claim(call, COMPUTE_QUOTA, cluster, "TeamName", new_team)
        _release(call, COMPUTE_QUOTA, cluster, "TeamName", team)
    return changed


def _delete_quota(call: Call, document: Document) -> None:
    cluster = document.body["ClusterArn"]
    _release(call, COMPUTE_QUOTA, cluster, "Name", document.name)
    _release(call, COMPUTE_QUOTA, cluster, "TeamName", document.body["ComputeQuotaTarget"]["TeamName"])


COMPUTE_QUOTA: Kind = Kind(
    noun="ComputeQuota",
    lifecycle=_LIFECYCLE,
    initial=_new_quota,
    rests_as="Created",
    defaults={"ActivationState": "Enabled"},
    without_effect={
        "ComputeQuotaConfig": _NOT_SCHEDULED,
        "ComputeQuotaTarget.FairShareWeight": _NOT_SCHEDULED,
        "ActivationState": _NOT_SCHEDULED,
    },
    lookup=lambda call, document, params: _version(call, COMPUTE_QUOTA, PAST_COMPUTE_QUOTA, document, params),
    sorts={"ClusterArn": "name"},
    changes={"UpdateComputeQuota": _update_quota},
    on_delete=_delete_quota,
    missing=DOES_NOT_EXIST,
)

PAST_COMPUTE_QUOTA: Kind = _past(COMPUTE_QUOTA)
