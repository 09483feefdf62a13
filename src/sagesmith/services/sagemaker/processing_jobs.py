"""Processing jobs: what is asked for. What becomes of it is the reconciler's (`processing`).

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateProcessingJob.html
"""

import posixpath
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePosixPath

from sagesmith.services.sagemaker.engine import Call, Kind, Unbuilt, Wording
from sagesmith.services.sagemaker.job_components import track
from sagesmith.services.sagemaker.jobs.base import IN_PROGRESS, STOPPING, beginning, job_lifecycle
from sagesmith.store import Document
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ResourceInUse, ValidationException

DEFAULT_MAX_RUNTIME_SECONDS = 86_400
TASK_PREFIX = "process-"

_ROOT = PurePosixPath("/opt/ml/processing")


def folder_of(local_path: str) -> str:
    """A LocalPath relative to /opt/ml/processing, where it must lie.

    Raises:
        ValidationException: it lies elsewhere.
    """
    path = PurePosixPath(posixpath.normpath(local_path))
    if "\0" in local_path or not path.is_relative_to(_ROOT):
        raise ValidationException(f"LocalPath must be a path below {_ROOT}/: {local_path}")
    return str(path.relative_to(_ROOT))


def instances(body: Params) -> tuple[str, int]:
    """A job's instance type, and how many there are."""
    cluster = body["ProcessingResources"]["ClusterConfig"]
    if "SelectedInstanceType" in cluster:
        return cluster["SelectedInstanceType"], cluster["SelectedInstanceCount"]
    return cluster["InstanceType"], cluster["InstanceCount"]


def managed_inputs(body: Params) -> Iterator[Params]:
    """The inputs that are fetched for the program, with their S3Input; the others it fetches itself."""
    return (each for each in body.get("ProcessingInputs") or () if not each.get("AppManaged"))


def managed_outputs(body: Params) -> Iterator[Params]:
    """The outputs that are stored for the program."""
    outputs = (body.get("ProcessingOutputConfig") or {}).get("Outputs") or ()
    return (each for each in outputs if not each.get("AppManaged"))


def _check(params: Params) -> None:
    cluster = params["ProcessingResources"]["ClusterConfig"]
    if bool(cluster.get("InstanceType")) == bool(cluster.get("InstancePreferences")):
        raise ValidationException("ClusterConfig must have exactly one of InstanceType and InstancePreferences.")
    _check_preferences(cluster)
    for member in ("SelectedInstanceType", "SelectedInstanceCount"):
        if member in cluster:
            raise ValidationException(f"{member} is what DescribeProcessingJob answers: it cannot be asked for.")
    _check_inputs(params.get("ProcessingInputs") or [])
    _check_outputs((params.get("ProcessingOutputConfig") or {}).get("Outputs") or [])


def _check_preferences(cluster: Params) -> None:
    preferences = cluster.get("InstancePreferences") or ()
    types = [each["InstanceType"] for each in preferences]
    for each in types:
        if types.count(each) > 1:
            raise ValidationException(f"An instance type can appear only once in InstancePreferences: {each}.")
    counted = sum(each.get("InstanceCount") is not None for each in preferences)
    # Each preference has its own number, or the cluster has one for all of them.
    if preferences and counted != (0 if "InstanceCount" in cluster else len(preferences)):
        raise ValidationException(
            "InstanceCount must be given either for every one of InstancePreferences or in ClusterConfig, and not in "
            "both."
        )


def _check_inputs(inputs: list[Params]) -> None:
    _check_unique("InputName", [each["InputName"] for each in inputs])
    for each in inputs:
        called = f"Processing input {each['InputName']}"
        if "S3Input" not in each or "DatasetDefinition" in each:
            raise ValidationException(f"{called} must have exactly one of S3Input and DatasetDefinition.")
        source = each["S3Input"]
        _check_uri(called, source["S3Uri"])
        if source.get("S3CompressionType") == "Gzip" and source.get("S3InputMode") != "Pipe":
            raise ValidationException(f"{called}: S3CompressionType Gzip is supported with S3InputMode Pipe only.")
        if not each.get("AppManaged"):
            _check_place(called, source)
    # AWS refuses this with an empty message (https://github.com/aws/sagemaker-python-sdk/issues/4939).
    _check_unique(
        "LocalPath", [folder_of(each["S3Input"]["LocalPath"]) for each in inputs if not each.get("AppManaged")]
    )


def _check_outputs(outputs: list[Params]) -> None:
    _check_unique("OutputName", [each["OutputName"] for each in outputs])
    for each in outputs:
        called = f"Processing output {each['OutputName']}"
        if "S3Output" not in each or "FeatureStoreOutput" in each:
            raise ValidationException(f"{called} must have exactly one of S3Output and FeatureStoreOutput.")
        _check_uri(called, each["S3Output"]["S3Uri"])
        if not each.get("AppManaged"):
            _check_place(called, each["S3Output"])


def _check_place(called: str, of: Params) -> None:
    if not of.get("LocalPath"):
        raise ValidationException(f"{called} needs a LocalPath, unless it is AppManaged.")
    folder_of(of["LocalPath"])


def _check_uri(called: str, uri: str) -> None:
    if not uri.startswith("s3://"):
        raise ValidationException(f"{called} needs an S3Uri that begins with s3://: {uri}")


def _check_unique(member: str, values: list[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise ValidationException(f"{member} must be unique within a processing job: {value}")


def _initial(call: Call, params: Params) -> Params:
    condition = {"MaxRuntimeInSeconds": DEFAULT_MAX_RUNTIME_SECONDS, **(params.get("StoppingCondition") or {})}
    return {
        **_filled_in(params),
        "StoppingCondition": condition,
        **beginning(TASK_PREFIX),
    }


def _filled_in(params: Params) -> Params:
    """Members of the input with what AWS's Describe adds to them."""
    cluster = {"InstanceCount": 1, **params["ProcessingResources"]["ClusterConfig"]}
    if preferences := cluster.get("InstancePreferences"):
        # This machine has the capacity for whichever comes first.
        cluster["SelectedInstanceType"] = preferences[0]["InstanceType"]
        cluster["SelectedInstanceCount"] = preferences[0].get("InstanceCount") or cluster["InstanceCount"]
    members: Params = {"ProcessingResources": {**params["ProcessingResources"], "ClusterConfig": cluster}}
    if inputs := params.get("ProcessingInputs"):
        members["ProcessingInputs"] = [
            {"AppManaged": False, **each, "S3Input": {**_INPUT_DEFAULTS, **each["S3Input"]}} for each in inputs
        ]
    if config := params.get("ProcessingOutputConfig"):
        outputs = [{"AppManaged": False, **each} for each in config["Outputs"]]
        members["ProcessingOutputConfig"] = {**config, "Outputs": outputs}
    return members


_INPUT_DEFAULTS = {
    "S3InputMode": "File",
    "S3DataDistributionType": "FullyReplicated",
    "S3CompressionType": "None",
}


def _stop(call: Call, document: Document, params: Params) -> Document:
    return replace(document, status=STOPPING)


PROCESSING_JOB = Kind(
    noun="ProcessingJob",
    starts_as=IN_PROGRESS,
    lifecycle=job_lifecycle("ProcessingJob"),
    check=_check,
    initial=_initial,
    on_create=track,
    changes={"StopProcessingJob": _stop},
    missing=Wording(ValidationException, "Could not find requested job with name: {name}"),
    duplicate=Wording(
        ResourceInUse,
        "Job name must be unique within an AWS account and region, and a job with this name already exists ({arn})",
    ),
    unbuilt=(
        Unbuilt("ProcessingInputs[].DatasetDefinition.AthenaDatasetDefinition", "Datasets of Athena's queries are"),
        Unbuilt("ProcessingInputs[].DatasetDefinition.RedshiftDatasetDefinition", "Datasets of Redshift's queries are"),
        Unbuilt("ProcessingInputs[].DatasetDefinition", "Dataset definitions are"),
        Unbuilt("ProcessingOutputConfig.Outputs[].FeatureStoreOutput", "Outputs into the Feature Store are"),
    ),
    without_effect={
        "ProcessingResources.ClusterConfig.VolumeSizeInGB": "jobs share this machine's disk",
        "ProcessingResources.ClusterConfig.VolumeKmsKeyId": "disks are not encrypted by Sagesmith",
        "NetworkConfig.VpcConfig": "containers have the network of this machine, or none with EnableNetworkIsolation",
        "NetworkConfig.EnableInterContainerTrafficEncryption": "what containers say to each other is not encrypted",
    },
)
