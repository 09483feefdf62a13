"""Distributed training with the SageMaker SDK v2."""

from pathlib import Path

import sagemaker
from sagemaker.pytorch import PyTorch
from steps import step, take


@step
def train_on_two_hosts():
    estimator = PyTorch(
        entry_point="train.py",
        source_dir=str(Path(__file__).parent / "parallel"),
        role=sagemaker.get_execution_role(),
        image_uri="763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.13.0-cpu-py311",
        instance_type="ml.c5.xlarge",
        instance_count=2,
        distribution={"torch_distributed": {"enabled": True}},
    )
    estimator.fit(wait=False)
    return estimator.latest_training_job.name


take()
