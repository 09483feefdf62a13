"""What a training job runs on: how many hosts, of which types, in which groups.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceConfig.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/train-heterogeneous-cluster.html
"""

from collections.abc import Sequence

from sagesmith.compute.base import InstanceGroup
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException


def check_resources(params: Params) -> None:
    """Refuse hosts that cannot be.

    Raises:
        ValidationException: types or counts are missing or contradict each other, or a channel is for a group that
            is not there.
    """
    resources = params["ResourceConfig"]
    for member in ("SelectedInstanceType", "SelectedInstanceCount"):
        if member in resources:
            raise ValidationException(f"{member} is what DescribeTrainingJob answers: it cannot be asked for.")
    groups = resources.get("InstanceGroups") or []
    if groups:
        if resources.get("InstanceType") or resources.get("InstanceCount"):
            raise ValidationException(
                "ResourceConfig has InstanceGroups: it cannot also have an InstanceType or InstanceCount."
            )
        _check_groups(groups)
    elif not resources.get("InstanceType"):
        raise ValidationException("ResourceConfig needs an InstanceType.")
    elif resources.get("InstanceCount", 1) < 1:
        raise ValidationException("ResourceConfig needs an InstanceCount of at least 1.")
    names = {each["InstanceGroupName"] for each in groups}
    for channel in params.get("InputDataConfig") or ():
        wanted = (channel["DataSource"].get("S3DataSource") or {}).get("InstanceGroupNames") or []
        if missing := sorted(set(wanted) - names):
            raise ValidationException(
                f"Channel {channel['ChannelName']} is for the instance group {missing[0]}, which ResourceConfig does "
                "not have."
            )


def _check_groups(groups: Sequence[Params]) -> None:
    names: set[str] = set()
    for group in groups:
        name = group["InstanceGroupName"]
        if name in names:
            raise ValidationException(f"Instance group names must be unique within a training job: {name}.")
        if group["InstanceCount"] < 1:
            raise ValidationException(f"Instance group {name} needs an InstanceCount of at least 1.")
        names.add(name)


def instance_groups(body: Params) -> list[InstanceGroup]:
    """The groups of a job's hosts, numbered through; none if it has no groups."""
    groups: list[InstanceGroup] = []
    first = 1
    for group in body["ResourceConfig"].get("InstanceGroups") or ():
        numbers = range(first, first + group["InstanceCount"])
        groups.append(
            InstanceGroup(group["InstanceGroupName"], group["InstanceType"], [f"algo-{each}" for each in numbers])
        )
        first += group["InstanceCount"]
    return groups


def hosts(body: Params) -> int:
    """How many hosts a job has."""
    resources = body.get("ResourceConfig") or {}
    groups = resources.get("InstanceGroups")
    return sum(each["InstanceCount"] for each in groups) if groups else int(resources.get("InstanceCount") or 1)


def hosts_of(groups: Sequence[InstanceGroup], names: Sequence[str] | None) -> list[str]:
    """The hosts of some groups; empty, which stands for all, if none are named."""
    return [host for group in groups if group.name in (names or ()) for host in group.hosts]


def retained(body: Params) -> bool:
    """Whether a job that has ended still has its hosts, as a warm pool."""
    return bool((body.get("WarmPoolStatus") or {}).get("Status") == "Available")
