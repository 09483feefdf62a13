"""The launchers of the framework containers, over the network between a job's hosts."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration import jobs, programs
from tests.integration.conftest import Running

PYTORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.13.0-cpu-py311"

DATA_PARALLEL = (programs.HERE / "parallel" / "train.py").read_text(encoding="utf-8")
COLLECTIVE = (programs.HERE / "collective" / "train.py").read_text(encoding="utf-8")


TENSORFLOW = "763104351884.dkr.ecr.us-east-1.amazonaws.com/tensorflow-training:2.12-cpu-py310"


def distributed_job(
    platform: Running, script: str, parameters: dict[str, Any], image: str = PYTORCH, **files: str
) -> str:
    """A job on two hosts, with the hyperparameters that SDK v2 sends for a `distribution`."""
    job = jobs.name("distributed")
    source = jobs.upload(platform, f"{job}/sourcedir.tar.gz", jobs.archive({"train.py": script, **files}))
    given = {"sagemaker_program": "train.py", "sagemaker_submit_directory": source, **parameters}
    return jobs.start_job(
        platform,
        job,
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
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


def assert_counted_together(platform: Running, job: str) -> None:
    described = jobs.wait_job(platform, job)
    lines = jobs.job_log(platform, job)
    assert described["TrainingJobStatus"] == "Completed", lines
    for rank in (0, 1):
        assert any(line.endswith(f"rank {rank} of 2 on algo-{rank + 1}: sum 3") for line in lines), lines


def test_two_hosts_train_one_model_over_gloo(platform: Running) -> None:
    # What `pytorchddp` becomes in SDK v2's PyTorch estimator; that of Hugging Face has a parameter of its own for it.
    parameters = {
        "sagemaker_distributed_dataparallel_enabled": True,
        "sagemaker_distributed_dataparallel_custom_mpi_options": "",
        "sagemaker_instance_type": "ml.p4d.24xlarge",
    }
    assert_trained_together(platform, distributed_job(platform, DATA_PARALLEL, parameters))


def test_a_script_that_fails_under_torchrun_fails_the_job_with_its_own_words(platform: Running) -> None:
    script = "raise ValueError('there is nothing to learn from')"
    job = distributed_job(platform, script, {"sagemaker_torch_distributed_enabled": True})
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Failed"
    assert '\nValueError: there is nothing to learn from"' in described["FailureReason"]


# Each host counts in the variables of both parameter servers until it sees what the other one has counted.
SHARED_PARAMETERS = """
import json, os, time, tensorflow as tf
tf.compat.v1.disable_eager_execution()
config = json.loads(os.environ["TF_CONFIG"])
task = config["task"]
server = tf.distribute.Server(tf.train.ClusterSpec(config["cluster"]), job_name=task["type"], task_index=task["index"])
totals = []
for index in range(2):
    with tf.device(f"/job:ps/task:{index}"):
        totals.append(tf.compat.v1.get_variable(f"total{index}", initializer=0.0, use_resource=True))
counted = tf.group(*(total.assign_add(1.0) for total in totals))
with tf.compat.v1.Session(server.target) as session:
    if task["type"] == "master":
        session.run(tf.compat.v1.global_variables_initializer())
    while session.run(tf.compat.v1.report_uninitialized_variables()).size:
        time.sleep(0.1)
    session.run(counted)
    while session.run(totals) != [2.0, 2.0]:
        time.sleep(0.1)
print(task["type"], "is done", flush=True)
"""


def test_tensorflows_parameter_servers_serve_both_hosts(platform: Running) -> None:
    parameters = {"sagemaker_parameter_server_enabled": True}
    job = distributed_job(platform, SHARED_PARAMETERS, parameters, TENSORFLOW)
    described = jobs.wait_job(platform, job)
    lines = jobs.job_log(platform, job)
    assert described["TrainingJobStatus"] == "Completed", lines
    assert "master is done" in lines
    assert "worker is done" in lines


@pytest.mark.sdk
def test_sdk_v2_starts_torchrun_on_two_hosts(platform: Running, tmp_path: Path) -> None:
    seen = programs.run(platform, "sdk-v2", "distributed_v2.py", tmp_path)
    assert_trained_together(platform, seen["train_on_two_hosts"])


@pytest.mark.sdk
def test_sdk_v3_starts_torchrun_and_mpi_on_two_hosts(platform: Running, tmp_path: Path) -> None:
    seen = programs.run(platform, "sdk-v3", "distributed_v3.py", tmp_path)
    assert_trained_together(platform, seen["train_on_two_hosts"])
    assert_counted_together(platform, seen["run_under_mpi"])


def test_mpi_starts_a_script_on_both_hosts_without_ssh(platform: Running) -> None:
    parameters = {"sagemaker_mpi_enabled": True, "sagemaker_mpi_num_of_processes_per_host": 1}
    job = distributed_job(platform, COLLECTIVE, parameters, **{"requirements.txt": "openmpi\nmpi4py\n"})
    assert_counted_together(platform, job)


def test_where_there_is_no_mpi_a_job_says_how_to_get_it(platform: Running) -> None:
    described = jobs.wait_job(platform, distributed_job(platform, COLLECTIVE, {"sagemaker_mpi_enabled": True}))
    assert described["TrainingJobStatus"] == "Failed"
    assert "There is no mpirun here" in described["FailureReason"]
