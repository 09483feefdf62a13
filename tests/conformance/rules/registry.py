"""Models, packages, cards, algorithms, endpoint configurations and endpoints."""

from tests.conformance.rules import GONE, Rule

_IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/image:1"
_HYPERPARAMETER = {"Name": "depth", "Type": "Integer"}
_VARIANT = {"ModelName": "other", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
_SERVERLESS = {"MemorySizeInMB": 1024, "MaxConcurrency": 2}
_TRAFFIC = {"MaxInvocationsPerSecondPerInstance": 10, "MaxCrossRegionPercentPerEndpoint": 10}
_SHAP = "ExplainerConfig.ClarifyExplainerConfig.ShapConfig.ShapBaselineConfig"
_LINEAR = "DeploymentConfig.BlueGreenUpdatePolicy.TrafficRoutingConfiguration"
_VARIABLES = {f"{'k' * 100}{number}": "x" * 1024 for number in range(16)}


def _specification(name: str) -> dict[str, object]:
    return {"Name": name, "Containers": [{"Image": _IMAGE}]}


RULES = (
    Rule(
        "Algorithm",
        "CreateAlgorithm",
        "The name must be unique.",
        {"TrainingSpecification.SupportedHyperParameters": [_HYPERPARAMETER, _HYPERPARAMETER]},
        "must be unique: depth",
    ),
    Rule(
        "Algorithm",
        "CreateAlgorithm",
        "If a default value is specified, a hyperparameter cannot be required.",
        {
            "TrainingSpecification.SupportedHyperParameters": [
                {**_HYPERPARAMETER, "IsRequired": True, "DefaultValue": "1"}
            ]
        },
        "depth cannot be required",
    ),
    Rule(
        "Model",
        "CreateModel",
        "",
        {"Containers": [{"Image": _IMAGE}], "PrimaryContainer.Image": _IMAGE},
        "PrimaryContainer and Containers cannot both be given",
    ),
    Rule("Model", "CreateModel", "", {"PrimaryContainer": GONE}, "needs a PrimaryContainer or Containers"),
    Rule(
        "Model",
        "CreateModel",
        "you must specify a value for the ContainerHostName parameter of every ContainerDefinition in that pipeline",
        {"PrimaryContainer": GONE, "Containers": [{"Image": _IMAGE, "ContainerHostname": "a"}, {"Image": _IMAGE}]},
        "has a ContainerHostname of its own, or none has one",
    ),
    Rule(
        "Model",
        "CreateModel",
        "Specify a value for this property only if you specified Vpc as the value for the RepositoryAccessMode field",
        {
            "PrimaryContainer.ImageConfig": {
                "RepositoryAccessMode": "Platform",
                "RepositoryAuthConfig": {
                    "RepositoryCredentialsProviderArn": "arn:aws:lambda:us-east-1:123456789012:function:f"
                },
            }
        },
        "RepositoryAuthConfig",
    ),
    Rule(
        "Model",
        "CreateModel",
        "If you pass multiple containers to a CreateModel request, then the maximum length of all of their maps",
        {
            "PrimaryContainer": GONE,
            "Containers": [{"Image": _IMAGE, "Environment": _VARIABLES} for _ in range(2)],
        },
        "32 KB",
    ),
    Rule(
        "ModelPackage",
        "CreateModelPackage",
        "This parameter is required for unversioned models.",
        {"ModelPackageGroupName": GONE, "ModelPackageName": GONE},
        "Missing ARN.",
    ),
    Rule(
        "ModelPackage",
        "CreateModelPackage",
        "This parameter is required for versioned models, and does not apply to unversioned models.",
        {"ModelPackageName": "package"},
        "Both ModelPackageName and ModelPackageGroupName are provided",
    ),
    *(
        Rule(
            "ModelPackage",
            "CreateModelPackage",
            "This parameter is required for unversioned models, and optional for versioned models.",
            {
                "ModelPackageGroupName": GONE,
                "ModelPackageName": "package",
                "InferenceSpecification": {
                    "Containers": [{"Image": _IMAGE}],
                    "SupportedContentTypes": ["text/csv"],
                    "SupportedResponseMIMETypes": ["text/csv"],
                    given: ["ml.m5.large"],
                },
            },
            f"{missing} is required",
        )
        for given, missing in (
            ("SupportedTransformInstanceTypes", "SupportedRealtimeInferenceInstanceTypes"),
            ("SupportedRealtimeInferenceInstanceTypes", "SupportedTransformInstanceTypes"),
        )
    ),
    Rule(
        "ModelPackage",
        "CreateModelPackage",
        "In this case, you cannot supply a tag argument.",
        {"Tags": [{"Key": "a", "Value": "b"}]},
        "ag",
    ),
    Rule(
        "ModelPackage",
        "CreateModelPackage",
        "The name must be unique within the list of your additional inference specifications",
        {"AdditionalInferenceSpecifications": [_specification("a"), _specification("a")]},
        "must be unique: a",
    ),
    Rule(
        "ModelPackage",
        "CreateModelPackage",
        "The algorithm must be either an algorithm resource in your SageMaker account or an algorithm in",
        {"SourceAlgorithmSpecification.SourceAlgorithms": [{"AlgorithmName": "no-such-algorithm"}]},
        "no-such-algorithm",
        code="ResourceNotFound",
    ),
    Rule(
        "ModelPackage",
        "UpdateModelPackage",
        "Total number of additional Inference Specifications can not exceed 15.",
        {"AdditionalInferenceSpecificationsToAdd": [_specification(f"more-{number}") for number in range(15)]},
        "at most 15",
        {"AdditionalInferenceSpecifications": [_specification("first")]},
    ),
    Rule(
        "ModelPackage",
        "CreateModelPackage",
        "The content must follow the schema described in Model Package Model Card Schema",
        {"ModelCard": {"ModelCardContent": '{"no": "such member"}', "ModelCardStatus": "Draft"}},
        "no",
    ),
    Rule(
        "ModelCard",
        "CreateModelCard",
        "Content must be in model card JSON schema and provided as a string.",
        {"Content": '{"no": "such member"}'},
        "no",
    ),
    Rule(
        "ModelCard",
        "UpdateModelCard",
        "You cannot update both model card content and model card status in a single call.",
        {"Content": "{}", "ModelCardStatus": "Approved"},
        "You cannot update both model card content and model card status in a single call.",
    ),
    Rule(
        "EndpointConfig",
        "CreateEndpointConfig",
        "Should be less than or equal to MaxConcurrency.",
        {"ProductionVariants[0].ServerlessConfig": {**_SERVERLESS, "ProvisionedConcurrency": 3}},
        "less than or equal to 2",
    ),
    Rule(
        "EndpointConfig",
        "CreateEndpointConfig",
        "Specify this parameter only when you set RoutingStrategy to PREFIX_AWARE.",
        {
            "ProductionVariants[0].RoutingConfig": {
                "RoutingStrategy": "RANDOM",
                "PrefixAwareRoutingConfig": {"PrefixLength": 1024},
            }
        },
        "PREFIX_AWARE",
    ),
    Rule(
        "EndpointConfig",
        "CreateEndpointConfig",
        "Required when RoutingStrategy is PREFIX_AWARE.",
        {"ProductionVariants[0].RoutingConfig": {"RoutingStrategy": "PREFIX_AWARE"}},
        "PrefixLength",
    ),
    Rule(
        "EndpointConfig",
        "CreateEndpointConfig",
        "If you use this field, you can only specify one variant for ProductionVariants and one variant for "
        "ShadowProductionVariants.",
        {
            "ShadowProductionVariants": [
                {**_VARIANT, "VariantName": "first-shadow"},
                {**_VARIANT, "VariantName": "second-shadow"},
            ]
        },
        "one variant",
    ),
    Rule(
        "EndpointConfig",
        "CreateEndpointConfig",
        "If you use this field, you can only specify one variant for ProductionVariants and one variant for",
        {
            "ProductionVariants[1]": {**_VARIANT, "VariantName": "second"},
            "ShadowProductionVariants": [{**_VARIANT, "VariantName": "shadow"}],
        },
        "one variant",
    ),
    Rule(
        "EndpointConfig",
        "CreateEndpointConfig",
        "ShapBaseline and ShapBaselineUri are mutually exclusive parameters.",
        {_SHAP: {"ShapBaseline": "1,2", "ShapBaselineUri": "s3://bucket/baseline"}},
        "ShapBaselineUri",
    ),
    Rule(
        "EndpointConfig",
        "CreateEndpointConfig",
        "One or the either is required to configure a SHAP baseline.",
        {_SHAP: {"MimeType": "text/csv"}},
        "ShapBaselineUri",
    ),
    Rule(
        "EndpointConfig",
        "CreateEndpointConfig",
        "FeatureTypes must have at least one 'text' string",
        {
            _SHAP: {"ShapBaseline": "1,2"},
            "ExplainerConfig.ClarifyExplainerConfig.InferenceConfig.FeatureTypes": ["numerical"],
        },
        "FeatureTypes",
    ),
    Rule(
        "EndpointConfig",
        "CreateEndpointConfig",
        "You can't specify it with serverless variants or with AsyncInferenceConfig.",
        {
            "CrossRegionTrafficConfig": _TRAFFIC,
            "AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://bucket/out"}},
        },
        "CrossRegionTrafficConfig",
    ),
    Rule(
        "EndpointConfig",
        "CreateEndpointConfig",
        "You can't specify it with serverless variants",
        {
            "CrossRegionTrafficConfig": _TRAFFIC,
            "ProductionVariants[0].ServerlessConfig": _SERVERLESS,
        },
        "CrossRegionTrafficConfig",
    ),
    Rule(
        "Endpoint",
        "CreateEndpoint",
        "Only one update policy should be used in the deployment configuration.",
        {
            _LINEAR: {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0},
            "DeploymentConfig.RollingUpdatePolicy": {
                "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 10},
                "WaitIntervalInSeconds": 0,
            },
        },
        "Only one of BlueGreenUpdatePolicy and RollingUpdatePolicy",
    ),
    *(
        Rule(
            "Endpoint",
            "CreateEndpoint",
            says,
            {
                _LINEAR: {
                    "Type": kind,
                    "WaitIntervalInSeconds": 0,
                    member: {"Type": "CAPACITY_PERCENT", "Value": percent},
                }
            },
            f"{member} must be between",
        )
        for says, kind, member, percent in (
            ("Value must be less than or equal to 50% of the variant's", "CANARY", "CanarySize", 51),
            ("Value must be 10-50% of the variant's total instance count.", "LINEAR", "LinearStepSize", 9),
        )
    ),
    Rule(
        "Endpoint",
        "CreateEndpoint",
        "Value must be between 5% to 50% of the variant's total instance count.",
        {
            "DeploymentConfig.RollingUpdatePolicy": {
                "MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 4},
                "WaitIntervalInSeconds": 0,
            }
        },
        "MaximumBatchSize must be between",
    ),
)
