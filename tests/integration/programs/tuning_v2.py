"""Tuning with the SageMaker SDK v2."""

import os
from pathlib import Path

import sagemaker
from sagemaker.analytics import HyperparameterTuningJobAnalytics
from sagemaker.sklearn import SKLearn
from sagemaker.tuner import (
    CategoricalParameter,
    ContinuousParameter,
    HyperbandStrategyConfig,
    HyperparameterTuner,
    IntegerParameter,
    StrategyConfig,
)
from steps import step, take

HERE = Path(__file__).parent
session = sagemaker.Session()
role = sagemaker.get_execution_role()
prefix = f"s3://{session.default_bucket()}/tuning-v2-{os.getpid()}"
METRICS = [{"Name": "loss", "Regex": r"loss=([0-9.e\-]+)"}]
RANGES = {
    "rate": ContinuousParameter(0.001, 1.0, scaling_type="Logarithmic"),
    "depth": IntegerParameter(1, 8),
    "kernel": CategoricalParameter(["rbf", "linear"]),
}
tuners = {}


def estimator(**options):
    return SKLearn(
        entry_point="train.py",
        source_dir=str(HERE / "tuned"),
        framework_version="1.2-1",
        instance_type="ml.m5.large",
        instance_count=1,
        role=role,
        hyperparameters={"epochs": 3},
        output_path=f"{prefix}/out",
        code_location=f"{prefix}/code",
        **options,
    )


def tuner(**options):
    return HyperparameterTuner(
        estimator(),
        "loss",
        options.pop("ranges", RANGES),
        metric_definitions=METRICS,
        objective_type="Minimize",
        **options,
    )


@step
def search():
    found = tuner(max_jobs=3, max_parallel_jobs=2, random_seed=3, base_tuning_job_name="v2")
    found.fit(wait=True)
    tuners["first"] = found
    frame = HyperparameterTuningJobAnalytics(found.latest_tuning_job.name).dataframe()
    best = found.describe()["BestTrainingJob"]
    return {
        "status": found.describe()["HyperParameterTuningJobStatus"],
        "best": found.best_training_job(),
        "described": best["TrainingJobName"],
        "best_hyperparameters": found.best_estimator().hyperparameters(),
        "columns": sorted(frame.columns),
        "losses": list(frame["FinalObjectiveValue"]),
        "best_loss": best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"],
        "ranges": sorted(found.analytics().tuning_ranges),
    }


@step
def go_on_from_it():
    parent = tuners["first"]
    child = parent.identical_dataset_and_algorithm_tuner()
    child.max_jobs = 1
    # The SDK forgets them.
    child.metric_definitions = METRICS
    child.fit(wait=True)
    described = child.describe()
    return {
        "status": described["HyperParameterTuningJobStatus"],
        "parents": described["WarmStartConfig"]["ParentHyperParameterTuningJobs"],
        "parent": parent.latest_tuning_job.name,
        "overall": described["OverallBestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"],
    }


@step
def two_definitions():
    names = ("shallow", "deep")
    found = HyperparameterTuner.create(
        estimator_dict={name: estimator() for name in names},
        objective_metric_name_dict=dict.fromkeys(names, "loss"),
        hyperparameter_ranges_dict={
            "shallow": {"depth": IntegerParameter(1, 2)},
            "deep": {"depth": IntegerParameter(7, 8)},
        },
        metric_definitions_dict=dict.fromkeys(names, METRICS),
        objective_type="Minimize",
        strategy="Random",
        max_jobs=2,
        max_parallel_jobs=2,
        base_tuning_job_name="v2-two",
    )
    found.fit(include_cls_metadata={}, wait=True)
    frame = found.analytics().dataframe()
    return {
        "definitions": sorted(frame["TrainingJobDefinitionName"]),
        "best": found.describe()["BestTrainingJob"]["TrainingJobDefinitionName"],
    }


@step
def hyperband():
    found = tuner(
        ranges={"rate": ContinuousParameter(0.001, 1.0)},
        strategy="Hyperband",
        strategy_config=StrategyConfig(HyperbandStrategyConfig(max_resource=9, min_resource=1)),
        max_jobs=1,
        base_tuning_job_name="v2-band",
    )
    found.fit(wait=True)
    described = found.describe()
    return {
        "status": described["HyperParameterTuningJobStatus"],
        "config": described["HyperParameterTuningJobConfig"]["StrategyConfig"]["HyperbandStrategyConfig"],
    }


@step
def autotune():
    found = HyperparameterTuner(
        estimator(),
        "loss",
        {},
        metric_definitions=METRICS,
        objective_type="Minimize",
        max_jobs=1,
        autotune=True,
        base_tuning_job_name="v2-auto",
    )
    found.fit(wait=True)
    described = found.describe()
    return {
        "status": described["HyperParameterTuningJobStatus"],
        "autotune": described["Autotune"],
        "tuned": described["BestTrainingJob"]["TunedHyperParameters"],
    }


@step
def attach():
    attached = HyperparameterTuner.attach(tuners["first"].latest_tuning_job.name)
    return {"best": attached.best_training_job(), "objective": attached.objective_metric_name}


take()
