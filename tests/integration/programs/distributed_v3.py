"""Distributed training with the SageMaker SDK v3."""

from pathlib import Path

from sagemaker.core.helper.session_helper import get_execution_role
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, SourceCode
from sagemaker.train.distributed import MPI, Torchrun
from steps import step, take


def started(folder, distributed, **source):
    trainer = ModelTrainer(
        training_image="763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.13.0-cpu-py311",
        source_code=SourceCode(source_dir=str(Path(__file__).parent / folder), entry_script="train.py", **source),
        compute=Compute(instance_type="ml.c5.xlarge", instance_count=2),
        role=get_execution_role(),
        base_job_name=folder,
        distributed=distributed,
    )
    trainer.train(wait=False)
    return trainer._latest_training_job.training_job_name


@step
def train_on_two_hosts():
    return started("parallel", Torchrun())


@step
def run_under_mpi():
    # The SDK starts as many ranks in all as it was told to start on each host.
    distributed = MPI(process_count_per_node=2, mpi_additional_options=["--map-by", "node"])
    return started("collective", distributed, requirements="requirements.txt")


take()
