"""Models, endpoint configurations, endpoints."""

from hypothesis import strategies as st

from tests.conformance.facts import Facts
from tests.conformance.model import Params


def _one_source(params: Params) -> Params:
    """Model data have one source, and are an archive that is one object, or files below a prefix."""
    container = params["PrimaryContainer"]
    if source := container.get("ModelDataSource", {}).get("S3DataSource"):
        container.pop("ModelDataUrl", None)
        source["CompressionType"] = "Gzip" if source["S3DataType"] == "S3Object" else "None"
    return params


_OWN_IMAGE = "an Image is given, and a model package has its own"

MODEL = Facts(
    "Model",
    mend=_one_source,
    exceptions={
        "DescribeModel.Containers: missing list": "a model of a PrimaryContainer has none; SDK v2 looks for them"
    },
    always=frozenset({"PrimaryContainer", "PrimaryContainer.Image"}),
    values={"PrimaryContainer.ImageConfig.RepositoryAccessMode": "Vpc"},
    without={
        "Containers": "PrimaryContainer is given, and only one of the two may be",
        "PrimaryContainer.ModelPackageName": _OWN_IMAGE,
        "PrimaryContainer.InferenceSpecificationName": _OWN_IMAGE,
    },
)

_SERVERLESS = st.integers(1, 6).map(
    lambda gigabytes: {"MemorySizeInMB": gigabytes * 1024, "MaxConcurrency": 9, "ProvisionedConcurrency": gigabytes}
)


def _consistent(params: Params) -> Params:
    """Members of a configuration that rule each other out, and those that need each other."""
    if "AsyncInferenceConfig" in params:
        params.pop("ShadowProductionVariants", None)
        for variant in params["ProductionVariants"]:
            variant.pop("ServerlessConfig", None)
    shadows = params.get("ShadowProductionVariants")
    if shadows:
        params["ProductionVariants"], params["ShadowProductionVariants"] = params["ProductionVariants"][:1], shadows[:1]
    variants = [*params["ProductionVariants"], *params.get("ShadowProductionVariants", ())]
    for variant in variants:
        if scaling := variant.get("ManagedInstanceScaling"):
            scaling |= {"MinInstanceCount": 1, "MaxInstanceCount": 1_000_000_000}
        routing = variant.get("RoutingConfig", {})
        if "PrefixAwareRoutingConfig" in routing or routing.get("RoutingStrategy") == "PREFIX_AWARE":
            variant["RoutingConfig"] = {
                "RoutingStrategy": "PREFIX_AWARE",
                "PrefixAwareRoutingConfig": {"PrefixLength": 1024},
            }
    if "AsyncInferenceConfig" in params or any("ServerlessConfig" in each for each in variants):
        params.pop("CrossRegionTrafficConfig", None)
    if clarify := params.get("ExplainerConfig", {}).get("ClarifyExplainerConfig"):
        baseline = clarify["ShapConfig"]["ShapBaselineConfig"]
        if len(baseline.keys() & {"ShapBaseline", "ShapBaselineUri"}) != 1:
            baseline.pop("ShapBaselineUri", None)
            baseline["ShapBaseline"] = "1,2"
    return params


ENDPOINT_CONFIG = Facts(
    "EndpointConfig",
    mend=_consistent,
    always=frozenset(
        f"ProductionVariants[].{member}" for member in ("ModelName", "InstanceType", "InitialInstanceCount")
    ),
    values={
        "ProductionVariants[].InitialVariantWeight": st.integers(1, 8).map(lambda eighths: eighths / 8),
        "ShadowProductionVariants[].VariantName": "shadow",
        "ProductionVariants[].ServerlessConfig": _SERVERLESS,
        "ExplainerConfig.ClarifyExplainerConfig.InferenceConfig.FeatureTypes": ["text", "numerical"],
        "ShadowProductionVariants[].ServerlessConfig": _SERVERLESS,
    },
)


def _one_deployment(params: Params) -> Params:
    """A deployment is blue/green or rolling, its steps are of the size that their type wants, and it has time."""
    deployment = params.get("DeploymentConfig", {})
    if blue_green := deployment.get("BlueGreenUpdatePolicy"):
        deployment.pop("RollingUpdatePolicy", None)
        blue_green["MaximumExecutionTimeoutInSeconds"] = 28_800
        routing = blue_green["TrafficRoutingConfiguration"]
        for kind, member in (("CANARY", "CanarySize"), ("LINEAR", "LinearStepSize")):
            routing.pop(member, None)
            if routing["Type"] == kind:
                routing[member] = {"Type": "CAPACITY_PERCENT", "Value": 30}
    if rolling := deployment.get("RollingUpdatePolicy"):
        rolling["MaximumExecutionTimeoutInSeconds"] = 28_800
    return params


def _same_weights(known: Params) -> list[Params] | None:
    return [
        {"VariantName": each["VariantName"], "DesiredWeight": 1.0} for each in known.get("ProductionVariants", ())
    ] or None


_SECONDS = st.integers(0, 3_600)

ENDPOINT = Facts(
    "Endpoint",
    lives=True,
    values={
        "DeploymentConfig.BlueGreenUpdatePolicy.TerminationWaitInSeconds": _SECONDS,
        "DeploymentConfig.RollingUpdatePolicy.MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 20},
        "DeploymentConfig.RollingUpdatePolicy.RollbackMaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 90},
    },
    mend=_one_deployment,
    mend_update=_one_deployment,
    called={"DesiredWeightsAndCapacities": _same_weights},
)


def _hosts_components(params: Params) -> Params:
    """A configuration whose instances hold inference components."""
    (variant,) = params["ProductionVariants"][:1]
    variant = {**{name: value for name, value in variant.items() if name != "ModelName"}, "VariantName": "hosts"}
    role = "arn:aws:iam::123456789012:role/R"
    return {**params, "ExecutionRoleArn": role, "ProductionVariants": [variant]}


def _of_one_model(params: Params) -> Params:
    """A specification has a model or a container, and no less memory at the most than at the least."""
    if specification := params.get("Specification"):
        specification.pop("Container", None)
        requirements = specification["ComputeResourceRequirements"]
        if "MaxMemoryRequiredInMb" in requirements:
            requirements["MaxMemoryRequiredInMb"] = requirements["MinMemoryRequiredInMb"]
    return params


_COPIES = st.integers(1, 9)

INFERENCE_COMPONENT = Facts(
    "InferenceComponent",
    lives=True,
    needed_as={"EndpointConfig": _hosts_components},
    mend=_of_one_model,
    mend_update=_of_one_model,
    always=frozenset({"Specification", "Specification.ModelName", "Specification.ComputeResourceRequirements"}),
    values={
        "VariantName": "hosts",
        "RuntimeConfig.CopyCount": _COPIES,
        "DeploymentConfig.RollingUpdatePolicy.MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 20},
        "DeploymentConfig.RollingUpdatePolicy.RollbackMaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 90},
    },
    without={
        "Specification.InstanceType": "it is the variant's, which is drawn",
        "Specification.Container": "a ModelName is given, and only one of the two may be",
    },
    called={"DesiredRuntimeConfig": lambda known: {"CopyCount": 1}},
    shown={"RuntimeConfig.CopyCount": "RuntimeConfig.DesiredCopyCount"},
)
