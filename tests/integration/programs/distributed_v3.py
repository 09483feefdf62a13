"""Distributed training with the SageMaker SDK v3."""

from pathlib import Path

from sagemaker.core.helper.session_helper import get_execution_role
from sagemaker.train import ModelTrainer
from sagemaker.train.configs import Compute, SourceCode
from sagemaker.train.distributed import Torchrun
from steps import step, take


@step
def train_on_two_hosts():
    trainer = ModelTrainer(
        training_image="763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.13.0-cpu-py311",
        source_code=SourceCode(source_dir=str(Path(__file__).parent / "parallel"), entry_script="train.py"),
        compute=Compute(instance_type="ml.c5.xlarge", instance_count=2),
        role=get_execution_role(),
        base_job_name="parallel",
        distributed=Torchrun(),
    )
    trainer.train(wait=False)
    return trainer._latest_training_job.training_job_name


take()
