"""The driver's way to Ray: placement groups and actors by name. Every call may block, and is safe to repeat."""

import contextlib
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

import sagesmith
from sagesmith.compute.ray.host import Host, Progress, Sizes
from sagesmith.compute.ray.placing import Bundle, Node
from sagesmith.compute.ray.records import Seen
from sagesmith.compute.ray.tunnel import Way
from sagesmith.config import RayStrategy

CALLS_AT_ONCE = 8
"""Of one host: a call that waits for news must not hold up one that ends the task."""

_RESERVED = "CREATED"


class ClusterFailed(Exception):
    """Ray does not do what it was asked; the message is for people."""


class HostGone(Exception):
    """The actor is dead, and its process with it if its node lives."""


class HostAway(Exception):
    """The actor does not answer at present."""


@dataclass(frozen=True, slots=True)
class HostHandle:
    """The node's end of a task, from afar."""

    actor: Any

    async def listen(self, gang: str, way: Way) -> str:
        return str(await _result(self.actor.listen.remote(gang, way)))

    async def start(self, spec_json: str, ca_bundle: bytes | None, way: Way | None, peers: Mapping[str, str]) -> None:
        await _result(self.actor.start.remote(spec_json, ca_bundle, way, dict(peers)))

    async def machine(self) -> str:
        return str(await _result(self.actor.machine.remote()))

    async def stop(self) -> None:
        await _result(self.actor.stop.remote())

    async def kill(self) -> None:
        await _result(self.actor.kill.remote())

    async def forget(self) -> None:
        await _result(self.actor.forget.remote())

    async def follow(self, have: Sizes, known: Seen | None, wait_seconds: float) -> Progress:
        progress: Progress = await _result(self.actor.follow.remote(have, known, wait_seconds))
        return progress


async def _result(reference: Awaitable[Any]) -> Any:
    """A call's result.

    Raises:
        HostGone, HostAway: the actor cannot be asked.
        ClusterFailed: what it was asked for failed on its node.
    """
    from ray import exceptions

    try:
        return await reference
    except exceptions.ActorUnavailableError as error:
        raise HostAway(_first_line(error)) from error
    except exceptions.RayActorError as error:
        raise HostGone(_first_line(error)) from error
    except exceptions.RayTaskError as error:
        raise ClusterFailed(_last_line(error)) from error
    except exceptions.RayError as error:
        # An answer that was lost on its way, such as one whose node died before it was fetched: asked for again.
        raise HostAway(_first_line(error)) from error


@dataclass(frozen=True, slots=True)
class Cluster:
    """A Ray cluster, as one platform uses it.

    Args:
        namespace: of all its names.
        tasks_dir: given to hosts, see there.
        lease_seconds: how long an agent goes on without a word of the cluster.
        runtime_env: Ray's runtime environment for the hosts; empty: what is installed on the nodes.
    """

    namespace: str
    tasks_dir: str | None
    lease_seconds: float
    runtime_env: Mapping[str, Any]

    def connect(self, address: str) -> None:
        """Raises `ClusterFailed`."""
        import ray

        try:
            ray.init(
                address=address,
                namespace=self.namespace,
                log_to_driver=False,
                configure_logging=False,
                logging_level="error",
            )
        except Exception as error:
            raise ClusterFailed(f"the Ray cluster at {address} cannot be used: {_first_line(error)}") from error

    def nodes(self) -> list[Node]:
        """The living nodes that have CPUs."""
        import ray

        found = []
        for each in ray.nodes():
            resources = each["Resources"]
            if each["Alive"] and resources.get("CPU"):
                found.append(
                    Node(each["NodeID"], resources["CPU"], resources.get("memory", 0.0), resources.get("GPU", 0.0))
                )
        return found

    def lives(self, node: str) -> bool:
        """Whether a node is one of the living."""
        import ray

        return any(each["NodeID"] == node and each["Alive"] for each in ray.nodes())

    def reserve(self, gang: str, bundles: list[Bundle], strategy: RayStrategy) -> None:
        """Ask for a gang's placement group, unless it is there."""
        from ray.util.placement_group import placement_group

        if self._group(gang) is None:
            placement_group(_nonempty(bundles), strategy=strategy, name=self._group_name(gang), lifetime="detached")

    def is_reserved(self, gang: str) -> bool:
        """Whether all of a gang's reservation has its place."""
        import ray

        try:
            return _state(ray.util.get_placement_group(self._group_name(gang))) == _RESERVED
        except ValueError:
            return False

    def reserved(self) -> set[str]:
        """The gangs of which all of the reservation has its place: one question for all of them."""
        return {gang for gang, state in self._states() if state == _RESERVED}

    def release(self, gang: str) -> None:
        from ray.util.placement_group import remove_placement_group

        group = self._group(gang)
        if group is not None:
            remove_placement_group(group)

    def host(self, task_id: str) -> HostHandle | None:
        """A task's actor, None if there is none (any more)."""
        import ray

        try:
            return HostHandle(ray.get_actor(task_id, namespace=self.namespace))
        except ValueError:
            return None

    def make_host(self, task_id: str, gang: str, index: int) -> HostHandle:
        """A task's actor in its place of the gang's group, with all that was reserved there; made unless it is there.

        Raises:
            HostGone: the group is gone.
        """
        import ray
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        group = self._group(gang)
        if group is None:
            raise HostGone("the placement group is gone")
        reserved: Bundle = group.bundle_specs[index]
        options: dict[str, Any] = {
            "name": task_id,
            "namespace": self.namespace,
            "lifetime": "detached",
            "get_if_exists": True,
            "max_restarts": 0,
            "max_concurrency": CALLS_AT_ONCE,
            "num_cpus": reserved.get("CPU", 0),
            "num_gpus": reserved.get("GPU", 0),
            "memory": reserved.get("memory"),
            "scheduling_strategy": PlacementGroupSchedulingStrategy(group, index),
        }
        if self.runtime_env:
            options["runtime_env"] = dict(self.runtime_env)
        made = ray.remote(Host).options(**options)
        return HostHandle(made.remote(task_id, sagesmith.__version__, self.tasks_dir, self.lease_seconds))

    def end_host(self, task_id: str) -> None:
        """End a task's actor; its agent, if it has one still, ends with it."""
        import ray

        handle = self.host(task_id)
        if handle is not None:
            ray.kill(handle.actor, no_restart=True)

    def hosts(self) -> list[str]:
        """The ids of all tasks that have an actor."""
        import ray

        return [str(name) for name in ray.util.list_named_actors()]

    def groups(self) -> list[str]:
        """The gangs that have a placement group."""
        return [gang for gang, state in self._states() if state != "REMOVED"]

    def _states(self) -> list[tuple[str, str]]:
        """The gangs that have, or had, a placement group, and its state."""
        from ray.util.placement_group import placement_group_table

        table: Mapping[str, Mapping[str, Any]] = placement_group_table()
        own = self._group_name("")
        found = [(str(each["name"]), str(each["state"])) for each in table.values()]
        return [(name.removeprefix(own), state) for name, state in found if name.startswith(own)]

    def _group(self, gang: str) -> Any:
        import ray

        with contextlib.suppress(ValueError):
            group = ray.util.get_placement_group(self._group_name(gang))
            if _state(group) != "REMOVED":
                return group
        return None

    def _group_name(self, gang: str) -> str:
        """Lists of groups are of all namespaces."""
        return f"{self.namespace}/{gang}"


def _state(group: Any) -> str | None:
    from ray.util.placement_group import placement_group_table

    state: str | None = placement_group_table(group).get("state")
    return state


def _nonempty(bundles: list[Bundle]) -> list[Bundle]:
    """Ray takes no bundle of nothing: the least that it can count stands for one."""
    return [bundle or {"CPU": 0.0001} for bundle in bundles]


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _last_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
