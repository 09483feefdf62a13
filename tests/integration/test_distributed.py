"""The launchers of the framework containers, over the network between a job's hosts."""

import json
from typing import Any

import pytest

from tests.integration import jobs
from tests.integration.conftest import Running

PYTORCH = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.13.0-cpu-py311"

# Each rank sees other rows, and all of them have the same weights at the end.
DATA_PARALLEL = """
import socket
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
model = DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
torch.manual_seed(rank)
for _ in range(3):
    optimizer.zero_grad()
    model(torch.randn(8, 4)).pow(2).mean().backward()
    optimizer.step()
weights = torch.cat([each.detach().flatten() for each in model.parameters()])
everybodys = [torch.zeros_like(weights) for _ in range(world)]
dist.all_gather(everybodys, weights)
same = all(torch.equal(weights, each) for each in everybodys)
print(f"rank {rank} of {world} on {socket.gethostname()}: same weights {same}", flush=True)
dist.destroy_process_group()
"""


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


@pytest.mark.parametrize("launcher", ["sagemaker_torch_distributed_enabled", "sagemaker_pytorch_ddp_enabled"])
def test_two_hosts_train_one_model_over_gloo(platform: Running, launcher: str) -> None:
    parameters = {launcher: True, "sagemaker_instance_type": "ml.c5.xlarge"}
    job = distributed_job(platform, DATA_PARALLEL, parameters)
    described = jobs.wait_job(platform, job)
    lines = jobs.job_log(platform, job)
    assert described["TrainingJobStatus"] == "Completed", lines
    said = " ".join(lines)
    for rank in (0, 1):
        assert f"{rank} of 2 on algo-{rank + 1}: same weights True" in said


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
