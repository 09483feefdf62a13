"""Training jobs: what is asked for. What becomes of it is the reconciler's (`training`)."""

from dataclasses import replace

from sagesmith.algorithms.declaration import Algorithm
from sagesmith.services.sagemaker.built_in_algorithms import algorithm_of, check_metrics, metric_definitions
from sagesmith.services.sagemaker.engine import Call, Kind, Refusal, Unbuilt, Wording
from sagesmith.services.sagemaker.job_components import track
from sagesmith.services.sagemaker.jobs.base import (
    ENDED,
    IN_PROGRESS,
    METRICS_IN_FULL,
    REJECTED,
    STOPPING,
    beginning,
    job_lifecycle,
    move,
)
from sagesmith.services.sagemaker.training_inputs import check_channels, check_checkpoints, check_tensorboard
from sagesmith.services.sagemaker.training_resources import check_resources, retained
from sagesmith.store import Document
from sagesmith.wire.context import Params
from sagesmith.wire.errors import NotImplementedException, ResourceInUse, ValidationException

DEFAULT_MAX_RUNTIME_SECONDS = 86_400

TASK_PREFIX = "train-"
STARTING = "Starting"


def output_uri(body: Params) -> str:
    """Where the artifacts of a job's model lie: an archive, or a prefix if they are not to be compressed."""
    output = body["OutputDataConfig"]
    folder = f"{output['S3OutputPath'].rstrip('/')}/{body['TrainingJobName']}/output"
    return f"{folder}/model/" if output.get("CompressionType") == "NONE" else f"{folder}/model.tar.gz"


def _check(params: Params) -> None:
    for member in ("AlgorithmSpecification", "ResourceConfig", "StoppingCondition"):
        if params.get(member) is None:
            raise ValidationException(f"The request is missing {member}.")
    if not params["AlgorithmSpecification"].get("TrainingImage"):
        raise ValidationException("AlgorithmSpecification needs a TrainingImage.")
    check_metrics(params["AlgorithmSpecification"], _algorithm(params))
    check_resources(params)
    check_channels(params)
    check_checkpoints(params)
    check_tensorboard(params)
    _check_rules(params)
    _check_spot(params)


def _algorithm(params: Params) -> Algorithm | None:
    return algorithm_of(params["AlgorithmSpecification"], params.get("HyperParameters") or {})


def _check_rules(params: Params) -> None:
    """Profiler's rules, which are kept and shown, have names of their own.

    Debugger's collections need not, whatever AWS's page says: SDK v2 names one twice where its user and a rule want it.
    """
    names = [each["RuleConfigurationName"] for each in params.get("ProfilerRuleConfigurations") or ()]
    for name in names:
        if names.count(name) > 1:
            raise ValidationException(f"RuleConfigurationName must be unique within a training job: {name}.")


def _check_spot(params: Params) -> None:
    stopping = params["StoppingCondition"]
    wait, runtime = (
        stopping.get("MaxWaitTimeInSeconds"),
        stopping.get("MaxRuntimeInSeconds", DEFAULT_MAX_RUNTIME_SECONDS),
    )
    if params.get("EnableManagedSpotTraining"):
        if wait is None or wait < runtime:
            raise ValidationException(
                "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
            )
    elif wait is not None:
        raise ValidationException(
            "MaxWaitTimeInSeconds above 0 is not supported when EnableManagedSpotTraining is false"
        )


def _initial(call: Call, params: Params) -> Params:
    condition = {"MaxRuntimeInSeconds": DEFAULT_MAX_RUNTIME_SECONDS, **params["StoppingCondition"]}
    members: Params = {
        **_filled_in(params),
        "ProfilingStatus": "Disabled",
        "StoppingCondition": condition,
        "ModelArtifacts": {"S3ModelArtifacts": output_uri(params)},
        "SecondaryStatus": STARTING,
        "SecondaryStatusTransitions": [
            {"Status": STARTING, "StartTime": call.now, "StatusMessage": "Starting the training job"}
        ],
        **beginning(TASK_PREFIX),
    }
    for tool in ("Debug", "Profiler"):
        if rules := params.get(f"{tool}RuleConfigurations"):
            members[f"{tool}RuleEvaluationStatuses"] = _not_evaluated(call, tool, rules)
    return members


def _not_evaluated(call: Call, tool: str, rules: list[Params]) -> list[Params]:
    return [
        {
            "RuleConfigurationName": rule["RuleConfigurationName"],
            "RuleEvaluationStatus": "Error",
            "StatusDetails": f"{tool} rules are not evaluated here: nobody has looked at what the job did.",
            "LastModifiedTime": call.now,
        }
        for rule in rules
    ]


def _filled_in(params: Params) -> Params:
    """Members of the input with what AWS's Describe adds to them: the SDK's `attach` reads a KmsKeyId always."""
    algorithm, output = params["AlgorithmSpecification"], params["OutputDataConfig"]
    built_in = _algorithm(params)
    metrics = {} if built_in is None else {"MetricDefinitions": metric_definitions(built_in)}
    members: Params = {
        "AlgorithmSpecification": {"EnableSageMakerMetricsTimeSeries": built_in is not None, **algorithm, **metrics},
        "OutputDataConfig": {"KmsKeyId": "", "CompressionType": "GZIP", **output},
    }
    if channels := params.get("InputDataConfig"):
        members["InputDataConfig"] = [
            {"CompressionType": "None", "RecordWrapperType": "None", **channel, "DataSource": _source(channel)}
            for channel in channels
        ]
    return members


def _source(channel: Params) -> Params:
    return {"S3DataSource": {"S3DataDistributionType": "FullyReplicated", **channel["DataSource"]["S3DataSource"]}}


def _stop(call: Call, document: Document, params: Params) -> Document:
    if document.status == STOPPING:
        return document
    transitions = move(document.body["SecondaryStatusTransitions"], STOPPING, "Stopping the training job", call.now)
    body = {**document.body, "SecondaryStatus": STOPPING, "SecondaryStatusTransitions": transitions}
    return replace(document, status=STOPPING, body=body)


def _update(call: Call, document: Document, params: Params) -> Document:
    resources = params.get("ResourceConfig")
    if params.get("RemoteDebugConfig"):
        raise NotImplementedException("UpdateTrainingJob cannot change RemoteDebugConfig: it is not built yet.")
    profiler = {**document.body.get("ProfilerConfig", {}), **(params.get("ProfilerConfig") or {})}
    changed: Params = {"ProfilerConfig": profiler} if profiler else {}
    if resources:
        changed["ResourceConfig"] = {**document.body["ResourceConfig"], **resources}
        call.tx.schedule(document.kind, document.region, document.key, call.now)
    if rules := params.get("ProfilerRuleConfigurations"):
        for member, more in (
            ("ProfilerRuleConfigurations", rules),
            ("ProfilerRuleEvaluationStatuses", _not_evaluated(call, "Profiler", rules)),
        ):
            changed[member] = [*document.body.get(member, ()), *more]
    return replace(document, body={**document.body, **changed})


def _of_a_warm_pool(document: Document, params: Params) -> bool:
    """How long its instances stay can be changed as long as they do."""
    return bool(params.get("ResourceConfig")) and retained(document.body)


def _without_a_warm_pool(document: Document, params: Params) -> bool:
    return not retained(document.body)


def _delete(call: Call, document: Document) -> None:
    if METRICS_IN_FULL in document.body:
        call.tx.remove_metrics(document.arn)


_HAS_A_POOL = Wording(
    ResourceInUse,
    "The {title} {arn} retains a managed warm pool that is Available: end it by UpdateTrainingJob with a "
    "KeepAlivePeriodInSeconds of 0 first.",
)

TRAINING_JOB = Kind(
    noun="TrainingJob",
    search="TrainingJob",
    ascending=True,
    starts_as=IN_PROGRESS,
    lifecycle=job_lifecycle(
        "TrainingJob",
        Refusal(("UpdateTrainingJob",), ENDED | {STOPPING}, REJECTED, unless=_of_a_warm_pool),
        Refusal(("DeleteTrainingJob",), ENDED, _HAS_A_POOL, unless=_without_a_warm_pool),
    ),
    defaults={
        "StoppingCondition": {"MaxRuntimeInSeconds": DEFAULT_MAX_RUNTIME_SECONDS},
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
    },
    check=_check,
    initial=_initial,
    on_create=track,
    filters={
        "WarmPoolStatusEquals": "WarmPoolStatus.Status",
        "TrainingPlanArnEquals": "ResourceConfig.TrainingPlanArn",
        "_tuning": "_trial.tuning",
    },
    summary={"TrainingPlanArn": "ResourceConfig.TrainingPlanArn"},
    changes={"StopTrainingJob": _stop, "UpdateTrainingJob": _update},
    on_delete=_delete,
    missing=Wording(ValidationException, "Requested resource not found."),
    duplicate=Wording(
        ResourceInUse,
        "Training job names must be unique within an AWS account and region, "
        "and a training job with this name already exists ({arn})",
    ),
    unbuilt=(
        Unbuilt("AlgorithmSpecification.AlgorithmName", "Algorithms of one's own or the marketplace are"),
        Unbuilt(
            "InputDataConfig[].DataSource.FileSystemDataSource",
            "There are no EFS or FSx file systems here: put the data into a bucket and use an S3DataSource. "
            "File system data sources are",
        ),
        Unbuilt(
            "AlgorithmSpecification.TrainingImageConfig.TrainingRepositoryAuthConfig",
            "There are no Lambda functions here: log in to the registry as the platform's user (podman login). "
            "Functions that give credentials are",
        ),
        Unbuilt("InputDataConfig[].DataSource.DatasetSource", "Hub datasets are"),
        Unbuilt(
            "InputDataConfig[].DataSource.S3DataSource.S3DataType",
            "This S3 data type is",
            frozenset({"Converse"}),
        ),
        Unbuilt("InputDataConfig[].DataSource.S3DataSource.ModelAccessConfig", "Hub models as channels are"),
        Unbuilt("InputDataConfig[].DataSource.S3DataSource.HubAccessConfig", "Hub models as channels are"),
        Unbuilt("ResourceConfig.TrainingPlanArn", "Training plans are"),
        Unbuilt("ResourceConfig.InstancePlacementConfig", "Instance placement is"),
        Unbuilt("ResourceConfig.InstancePreferences", "Instance preferences are"),
        Unbuilt("RemoteDebugConfig.EnableRemoteDebug", "Remote debugging is"),
        Unbuilt("ServerlessJobConfig", "Serverless customization jobs are"),
        Unbuilt("MlflowConfig", "MLflow tracking is"),
        Unbuilt("ModelPackageConfig", "Model packages are"),
    ),
    without_effect={
        "AlgorithmSpecification.EnableSageMakerMetricsTimeSeries": "metrics are kept as a series, whatever it says",
        "AlgorithmSpecification.TrainingImageConfig.TrainingRepositoryAccessMode": "registries are reached from this "
        "machine, with the container engine's own login",
        "ResourceConfig.VolumeSizeInGB": "jobs share this machine's disk",
        "ResourceConfig.VolumeKmsKeyId": "disks are not encrypted by Sagesmith",
        "VpcConfig": "containers have the network of this machine, or none with EnableNetworkIsolation",
        "EnableInterContainerTrafficEncryption": "hosts talk within a machine, or over TLS between machines",
        "DebugHookConfig": "Debugger is not built; the SDK sends it always",
        "ProfilerConfig": "Profiler is not built (ProfilingStatus is Disabled); the SDK sends it always",
        "DebugRuleConfigurations": "their evaluation status is Error, and says so",
        "ProfilerRuleConfigurations": "their evaluation status is Error, and says so",
        "InfraCheckConfig": "there are no instances to check before a job",
        "SessionChainingConfig": "session tags are not passed on: there are no policies that read them",
    },
)
