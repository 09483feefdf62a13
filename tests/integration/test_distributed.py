"""The launchers of the framework containers, over the network between a job's hosts."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration import jobs, programs
from tests.integration.conftest import Running

PYTORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.13.0-cpu-py311"

DATA_PARALLEL = (programs.HERE / "parallel" / "train.py").read_text(encoding="utf-8")


def distributed_job(platform: Running, script: str, parameters: dict[str, Any], **files: str) -> str:
    """A PyTorch job on two hosts, with the hyperparameters that SDK v2 sends for a `distribution`."""
    job = jobs.name("distributed")
    source = jobs.upload(platform, f"{job}/sourcedir.tar.gz", jobs.archive({"train.py": script, **files}))
    given = {"sagemaker_program": "train.py", "sagemaker_submit_directory": source, **parameters}
    return jobs.start_job(
        platform,
        job,
        AlgorithmSpecification={"TrainingImage": PYTORCH, "TrainingInputMode": "File"},
        ResourceConfig={"InstanceType": "ml.c5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 1},
        HyperParameters={name: json.dumps(value) for name, value in given.items()},
    )


def assert_trained_together(platform: Running, job: str) -> None:
    described = jobs.wait_job(platform, job)
    lines = jobs.job_log(platform, job)
    assert described["TrainingJobStatus"] == "Completed", lines
    said = " ".join(lines)
    for rank in (0, 1):
        assert f"{rank} of 2 on algo-{rank + 1}: same weights True" in said


def test_two_hosts_train_one_model_over_gloo(platform: Running) -> None:
    parameters = {"sagemaker_pytorch_ddp_enabled": True, "sagemaker_instance_type": "ml.c5.xlarge"}
    assert_trained_together(platform, distributed_job(platform, DATA_PARALLEL, parameters))


@pytest.mark.sdk
@pytest.mark.parametrize("version", ["v2", "v3"])
def test_the_sdks_start_torchrun_on_two_hosts(platform: Running, version: str, tmp_path: Path) -> None:
    seen = programs.run(platform, f"sdk-{version}", f"distributed_{version}.py", tmp_path)
    assert_trained_together(platform, seen["train_on_two_hosts"])


COLLECTIVE = """
import socket
from mpi4py import MPI
world = MPI.COMM_WORLD
print(f"rank {world.rank} of {world.size} on {socket.gethostname()}: sum {world.allreduce(world.rank + 1)}", flush=True)
"""


def test_mpi_starts_a_script_on_both_hosts_without_ssh(platform: Running) -> None:
    parameters = {"sagemaker_mpi_enabled": True, "sagemaker_mpi_num_of_processes_per_host": 1}
    job = distributed_job(platform, COLLECTIVE, parameters, **{"requirements.txt": "openmpi\nmpi4py\n"})
    described = jobs.wait_job(platform, job)
    lines = jobs.job_log(platform, job)
    assert described["TrainingJobStatus"] == "Completed", lines
    for rank in (0, 1):
        assert any(line.endswith(f"rank {rank} of 2 on algo-{rank + 1}: sum 3") for line in lines)


def test_where_there_is_no_mpi_a_job_says_how_to_get_it(platform: Running) -> None:
    described = jobs.wait_job(platform, distributed_job(platform, COLLECTIVE, {"sagemaker_mpi_enabled": True}))
    assert described["TrainingJobStatus"] == "Failed"
    assert "There is no mpirun here" in described["FailureReason"]
