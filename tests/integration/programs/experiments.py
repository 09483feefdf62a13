"""Runs of an experiment with the SageMaker SDK, v2 or v3, whichever is installed: they have the same `Run`."""

import os
import time
from pathlib import Path

import boto3
from steps import refusal, step, take

try:
    from sagemaker.analytics import ExperimentAnalytics
    from sagemaker.experiments import experiment as experiments
    from sagemaker.experiments import list_runs, load_run
    from sagemaker.experiments.run import Run
    from sagemaker.session import Session
    from sagemaker.sklearn import SKLearn
except ImportError:
    SKLearn = None  # v3 has another way to train, which has nothing to do with runs
    from sagemaker.core.analytics import ExperimentAnalytics
    from sagemaker.core.experiments import experiment as experiments
    from sagemaker.core.experiments.run import Run, list_runs, load_run
    from sagemaker.core.helper.session_helper import Session

session = Session()
client = session.sagemaker_client
s3 = boto3.client("s3")
EXPERIMENT = f"churn-{os.getpid()}"


def described(run):
    return client.describe_trial_component(TrialComponentName=f"{EXPERIMENT}-{run}")


def started(run):
    return Run(
        experiment_name=EXPERIMENT, run_name=run, sagemaker_session=session, tags=[{"Key": "team", "Value": "red"}]
    )


@step
def a_run_that_logs():
    notes = Path("notes.txt")
    notes.write_text("what was seen", encoding="utf-8")
    with started("first") as run:
        within = described("first")["Status"]
        run.log_parameter("rate", 0.125)
        run.log_parameters({"model": "xgb", "depth": 5})
        for number in range(25):
            run.log_metric("loss", 1 / (1 + number), step=number)
        run.log_metric("accuracy", 0.75)
        run.log_file(str(notes), name="notes", is_output=False)
        run.log_artifact("weights", "s3://somewhere/weights", media_type="application/x-weights")
    answer = described("first")
    place, _, key = answer["InputArtifacts"]["notes"]["Value"].removeprefix("s3://").partition("/")
    return {
        "within": within,
        "described": answer,
        "file": s3.get_object(Bucket=place, Key=key)["Body"].read().decode(),
        "tags": client.list_tags(ResourceArn=answer["TrialComponentArn"])["Tags"],
        "config": run.experiment_config,
    }


@step
def the_same_run_loaded():
    with load_run(experiment_name=EXPERIMENT, run_name="first", sagemaker_session=session) as run:
        run.log_parameter("rate", 0.25)
        run.log_metric("loss", 0.5, step=25)
    return described("first")


@step
def a_run_within_a_run_is_the_same():
    with started("second") as outer, load_run(sagemaker_session=session) as inner:
        inner.log_metric("loss", 2.0, step=0)
        return {"same": inner is outer}


@step
def a_run_that_fails():
    seen = {}
    with refusal(seen), started("third"):
        raise ValueError("no such column")
    return {**seen, "status": described("third")["Status"]}


@step
def a_job_within_a_run():
    if SKLearn is None:
        return {}
    with started("training"):
        estimator = SKLearn(
            entry_point="train.py",
            source_dir=str(Path(__file__).parent / "tracked"),
            framework_version="1.2-1",
            instance_type="ml.m5.large",
            instance_count=1,
            role="SageMakerRole",
            hyperparameters={"depth": 5},
            metric_definitions=[{"Name": "loss", "Regex": r"loss=([0-9.]+)"}],
            sagemaker_session=session,
        )
        estimator.fit()
    job = estimator.latest_training_job.describe()
    return {
        "job": job,
        "run": described("training"),
        "component": client.describe_trial_component(TrialComponentName=f"{job['TrainingJobName']}-aws-training-job"),
    }


@step
def its_metrics_over_time():
    metrics = boto3.client("sagemaker-metrics")
    arn = described("first")["TrialComponentArn"]
    query = {"MetricName": "loss", "ResourceArn": arn, "MetricStat": "Last"}
    by_step = {**query, "Period": "IterationNumber", "XAxisType": "IterationNumber", "Start": 23}
    by_hour = {**query, "MetricStat": "Count", "Period": "OneHour", "XAxisType": "Timestamp"}
    steps, hours = metrics.batch_get_metrics(MetricQueries=[by_step, by_hour])["MetricQueryResults"]
    return {"steps": steps["XAxisValues"], "values": steps["MetricValues"], "points": sum(hours["MetricValues"])}


@step
def the_runs_of_the_experiment():
    runs = list_runs(experiment_name=EXPERIMENT, sagemaker_session=session)
    return {"runs": [run.run_name for run in runs]}


@step
def a_table_of_the_runs():
    analytics = ExperimentAnalytics(
        experiment_name=EXPERIMENT, sort_by="metrics.loss.max", sort_order="Ascending", sagemaker_session=session
    )
    return {"rows": analytics.dataframe().fillna("").to_dict("records")}


@step
def its_end():
    experiment = experiments.Experiment.load(EXPERIMENT, sagemaker_session=session)
    trials = [trial.trial_name for trial in experiment.list_trials()]
    refused = {}
    with refusal(refused):
        experiment.delete()
    pauses, time.sleep = time.sleep, lambda seconds: None
    experiment._delete_all(action="--force")
    time.sleep = pauses
    gone = {}
    with refusal(gone):
        client.describe_experiment(ExperimentName=EXPERIMENT)
    return {"trials": trials, "refused": refused, "gone": gone}


take()
