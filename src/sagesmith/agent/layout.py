"""/opt/ml of a container, as AWS lays it out.

Training: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-running-container.html
Processing: https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

import json
from pathlib import Path
from typing import Any

from sagesmith.agent.inputs.sources import channels_here
from sagesmith.compute.base import InstanceGroup, Resources, TaskSpec

CHANNELS = Path("input/data")
CONFIG = Path("input/config")
MODEL = Path("model")
OUTPUT_DATA = Path("output/data")
FAILURE = Path("output/failure")
CODE = Path("code")
PROCESSING = Path("processing")
PROCESSING_CONFIG = Path("config")
MESSAGE = Path("output/message")

# output/intermediate is not among them: sagemaker-training uploads what appears in it only if it made it itself.
_DIRECTORIES = (CHANNELS, CONFIG, MODEL, OUTPUT_DATA, CODE, Path("checkpoints"))


def make_training_directories(root: Path, spec: TaskSpec) -> None:
    """Make the directories and the configuration files below `root`."""
    for directory in _DIRECTORIES:
        (root / directory).mkdir(parents=True, exist_ok=True)
    files = {
        "hyperparameters.json": spec.hyperparameters,
        "inputdataconfig.json": _input_data_config(spec),
        "resourceconfig.json": _resource_config(spec),
        "metric-definition-regex.json": [{"Name": each.name, "Regex": each.regex} for each in spec.metric_definitions],
    }
    for name, content in files.items():
        (root / CONFIG / name).write_text(json.dumps(content), encoding="utf-8")


def make_processing_directories(root: Path, spec: TaskSpec) -> None:
    """Make a processing container's directories and configuration files below `root`: /opt/ml."""
    folders = [Path(each.folder) for each in spec.outputs]
    for channel in spec.channels:
        # A stream has FIFOs beside its place.
        folders.append(Path(channel.name).parent if channel.input_mode == "Pipe" else Path(channel.name))
    for directory in (PROCESSING_CONFIG, MESSAGE.parent, PROCESSING, *(PROCESSING / folder for folder in folders)):
        (root / directory).mkdir(parents=True, exist_ok=True)
    resources = {
        "current_host": spec.host,
        "current_instance_type": spec.instance_type,
        "hosts": spec.hosts,
        "network_interface_name": "eth0",
    }
    for name, content in (("processingjobconfig.json", spec.configuration), ("resourceconfig.json", resources)):
        (root / PROCESSING_CONFIG / name).write_text(json.dumps(content), encoding="utf-8")


def contract_variables(spec: TaskSpec) -> dict[str, str]:
    """What containers find in their environment beside what the specification says."""
    return {
        "CURRENT_HOST": spec.host,
        "HOSTNAME": spec.host,
        "TRAINING_JOB_NAME": spec.job_name,
        "TRAINING_JOB_ARN": spec.job_arn,
    }


def size_variables(resources: Resources) -> dict[str, str]:
    """What programs of ours must know of the task's limits, which are not seen from inside."""
    sizes = {"SAGESMITH_JOB_CPUS": resources.cpus, "SAGESMITH_JOB_MEMORY_BYTES": resources.memory_bytes}
    return {name: str(value) for name, value in sizes.items() if value is not None}


def _input_data_config(spec: TaskSpec) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for channel in channels_here(spec):
        entry = {
            "TrainingInputMode": channel.input_mode,
            "S3DistributionType": channel.distribution,
            "RecordWrapperType": channel.record_wrapper,
        }
        if channel.content_type:
            entry["ContentType"] = channel.content_type
        config[channel.name] = entry
    return config


def _resource_config(spec: TaskSpec) -> dict[str, Any]:
    groups = spec.instance_groups or [InstanceGroup("homogeneousCluster", spec.instance_type, spec.hosts)]
    return {
        "current_host": spec.host,
        "current_instance_type": spec.instance_type,
        "current_group_name": next((each.name for each in groups if spec.host in each.hosts), groups[0].name),
        "hosts": spec.hosts,
        "instance_groups": [
            {"instance_group_name": each.name, "instance_type": each.instance_type, "hosts": each.hosts}
            for each in groups
        ],
        "network_interface_name": "eth0",
    }
