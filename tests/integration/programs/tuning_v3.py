"""Tuning with the SageMaker SDK v3."""

import os
from pathlib import Path

from sagemaker.core import image_uris
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter
from sagemaker.core.training.configs import Compute, SourceCode
from sagemaker.train import ModelTrainer
from sagemaker.train.tuner import HyperparameterTuner
from steps import step, take

HERE = Path(__file__).parent
session = Session()
role = get_execution_role(session)
name = f"v3-{os.getpid()}"


@step
def search():
    trainer = ModelTrainer(
        sagemaker_session=session,
        role=role,
        training_image=image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1"),
        source_code=SourceCode(source_dir=str(HERE / "tuned"), entry_script="train.py"),
        compute=Compute(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=5),
        hyperparameters={"epochs": 2},
        base_job_name=name,
    )
    tuner = HyperparameterTuner(
        model_trainer=trainer,
        objective_metric_name="loss",
        metric_definitions=[{"Name": "loss", "Regex": r"loss=([0-9.e\-]+)"}],
        hyperparameter_ranges={
            "rate": ContinuousParameter(0.001, 1.0, scaling_type="Logarithmic"),
            "depth": IntegerParameter(1, 8),
            "kernel": CategoricalParameter(["rbf", "linear"]),
        },
        objective_type="Minimize",
        max_jobs=2,
        max_parallel_jobs=2,
        base_tuning_job_name=name,
    )
    tuner.tune(wait=True)
    described = tuner.describe()
    frame = tuner.analytics().dataframe()
    return {
        "status": described.hyper_parameter_tuning_job_status,
        "best": tuner.best_training_job(),
        "losses": [float(each) for each in frame["FinalObjectiveValue"]],
        "columns": sorted(frame.columns),
    }


take()
