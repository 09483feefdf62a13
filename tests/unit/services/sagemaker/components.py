"""Endpoints of inference components in a world of a test's own."""

from typing import Any

from sagesmith.routes import VariantRoute, read_routes
from tests.unit.services.sagemaker.world import ROLE, Task, World, model, variant, without

KIND = "inference-component"
M5_LARGE_MB = 8192


def hosting(name: str = "AllTraffic", **changes: Any) -> dict[str, Any]:
    """A variant whose instances (2 vCPUs and 8 GiB each) hold inference components."""
    return without(variant("", name, **changes), "ModelName")


def host(world: World, *variants: dict[str, Any]) -> None:
    """The endpoint `Ep`, in service, and the model `M`."""
    world.call("CreateModel", **model("M"))
    world.call(
        "CreateEndpointConfig",
        EndpointConfigName="C",
        ExecutionRoleArn=ROLE,
        ProductionVariants=list(variants) or [hosting()],
    )
    world.call("CreateEndpoint", EndpointName="Ep", EndpointConfigName="C")
    world.turn()


def specification(cpus: float = 1.0, memory_mb: int = 1024, **changes: Any) -> dict[str, Any]:
    requirements = {"NumberOfCpuCoresRequired": cpus, "MinMemoryRequiredInMb": memory_mb}
    return {"ModelName": "M", "ComputeResourceRequirements": requirements, **changes}


def create(world: World, name: str = "ic", copies: int = 1, variant_name: str = "AllTraffic", **asks: Any) -> None:
    world.call(
        "CreateInferenceComponent",
        InferenceComponentName=name,
        EndpointName="Ep",
        VariantName=variant_name,
        Specification=specification(**asks),
        RuntimeConfig={"CopyCount": copies},
    )
    world.turn()


def scale(world: World, copies: int, name: str = "ic") -> None:
    world.call(
        "UpdateInferenceComponentRuntimeConfig",
        InferenceComponentName=name,
        DesiredRuntimeConfig={"CopyCount": copies},
    )
    world.turn()


def serve(world: World) -> list[Task]:
    """Let every copy that does not yet, serve."""
    for task in world.backend.present.values():
        if not task.events:
            task.say("Serving")
    world.turn(2)
    return list(world.backend.present.values())


def describe(world: World, name: str = "ic") -> dict[str, Any]:
    return world.call("DescribeInferenceComponent", InferenceComponentName=name)


def copies(world: World, name: str = "ic") -> tuple[int, int]:
    """How many copies a component has and is to have."""
    shown = describe(world, name)["RuntimeConfig"]
    return shown["CurrentCopyCount"], shown["DesiredCopyCount"]


def instances(world: World) -> int:
    (shown,) = world.call("DescribeEndpoint", EndpointName="Ep")["ProductionVariants"]
    return int(shown["CurrentInstanceCount"])


def hosts(world: World, name: str = "ic") -> list[int | None]:
    """Where the copies of a component are."""
    return [each["host"] for each in world.stored(KIND, name).body["_instances"] if each["retire_at"] is None]


def route(world: World, name: str = "ic") -> VariantRoute | None:
    found = read_routes(world.platform.dir.routes_file)["us-east-1"]["ep"].components
    assert found is not None
    return found.get(name)
