"""The programs on the built-in algorithms' pages, run as they stand; then a tuning job and a batch transform of each.

Usage: pages.py ANSWERS DOCS PAGE...

A page's program runs as a reader runs it, and three things are looked at: what it prints, what it trains with, and the
endpoint that it deletes in the end, which is asked the page's `Asked` before. A transform job of the same model is to
give the same answer. They run beside the next page's program.
"""

import base64
import contextlib
import io
import json
import os
import re
import sys
import tempfile
import time
import traceback
from pathlib import Path

import boto3
import soon
from pages_asked import ASKED
from sagemaker import Session
from sagemaker.amazon.amazon_estimator import AmazonAlgorithmEstimatorBase
from sagemaker.base_predictor import Predictor
from sagemaker.estimator import EstimatorBase
from sagemaker.transformer import Transformer
from sagemaker.tuner import HyperparameterTuner, IntegerParameter
from steps import refusal

soon.hurry()
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
client, runtime, logs, s3 = (boto3.client(each) for each in ("sagemaker", "sagemaker-runtime", "logs", "s3"))
session = Session()
bucket = session.default_bucket()
running = []


class Page:
    """A page, what its program did, and the jobs that follow it."""

    def __init__(self, path):
        self.name = path.stem
        self.asked = ASKED[self.name]
        (self.program,) = BLOCK.findall(path.read_text())
        self.seen = {"printed": []}
        self.namespace = {"__name__": "__main__", "print": lambda *values: self.seen["printed"].extend(values)}
        self.tuner = self.transformer = None

    def run(self):
        running[:] = [self]
        os.chdir(tempfile.mkdtemp(dir=Path(sys.argv[1]).parent))
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(self.program, self.name, "exec"), self.namespace)
        estimator = self.fitted[0]
        job = client.describe_training_job(TrainingJobName=estimator.latest_training_job.name)
        self.seen["metrics"] = {each["MetricName"]: each["Value"] for each in job["FinalMetricDataList"]}
        self.seen["definitions"] = {
            each["Name"]: each["Regex"] for each in job["AlgorithmSpecification"].get("MetricDefinitions", [])
        }

    def before_deletion(self, endpoint):
        """Ask the endpoint, and begin to transform with its model what it was asked."""
        if self.transformer is not None:
            return
        body = self.asked.body(self.namespace)
        self.seen["answer"] = self._answer(endpoint, body)
        if self.asked.nothing:
            self.seen["nothing"] = self._answer(endpoint, b"")
        config = client.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
        (variant,) = client.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"]
        model = client.describe_model(ModelName=variant["ModelName"])
        copy = f"transformed-{self.name}"
        client.create_model(
            ModelName=copy, PrimaryContainer=model["PrimaryContainer"], ExecutionRoleArn=model["ExecutionRoleArn"]
        )
        s3.put_object(Bucket=bucket, Key=f"pages/{self.name}/in/request", Body=body)
        self.transformer = Transformer(
            copy,
            1,
            "ml.m5.large",
            accept=self.asked.accept,
            assemble_with="Line" if self.asked.split == "Line" else None,
            output_path=f"s3://{bucket}/pages/{self.name}/out",
            sagemaker_session=session,
        )
        self.transformer.transform(
            f"s3://{bucket}/pages/{self.name}/in",
            content_type=self.asked.content_type,
            split_type=self.asked.split,
            wait=False,
        )

    def _answer(self, endpoint, body):
        answer = runtime.invoke_endpoint(
            EndpointName=endpoint, ContentType=self.asked.content_type, Accept=self.asked.accept, Body=body
        )
        return encoded(answer["Body"].read())

    def tune(self):
        """Begin the tuning job, after those that are refused."""
        self.trained = (*self.asked.trained(self.namespace), {}) if self.asked.trained else self.fitted
        if self.asked.definitions is None:
            self.seen["refused"] = [
                self._refused("validation:nothing", self.asked.ranges),
                self._refused(self.asked.objective, {"nothing": IntegerParameter(1, 2)}),
            ]
        if self.asked.tunable:
            self.tuner = self._tuner(self.asked.objective, self.asked.ranges)

    def _refused(self, objective, ranges):
        words = {}
        with refusal(words):
            self._tuner(objective, ranges)
        return words["words"]

    def _tuner(self, objective, ranges):
        estimator, inputs, named = self.trained
        for name, value in self.asked.shorter.items():
            if isinstance(estimator, AmazonAlgorithmEstimatorBase):
                setattr(estimator, name, value)
            else:
                estimator.set_hyperparameters(**{name: value})
        tuner = HyperparameterTuner(
            estimator,
            objective,
            ranges,
            metric_definitions=self.asked.definitions,
            objective_type=self.asked.goal,
            strategy="Random",
            random_seed=1,
            max_jobs=self.asked.trials,
            max_parallel_jobs=1,
            base_tuning_job_name=self.name[:16],
        )
        tuner.fit(inputs, wait=False, **named)
        return tuner

    def transformed(self):
        self.transformer.wait(logs=False)
        found = s3.get_object(Bucket=bucket, Key=f"pages/{self.name}/out/request.out")["Body"].read()
        self.seen["transformed"] = encoded(found)

    def tuned(self):
        """What a tuning job found, and what the log of its best training job says of the objective."""
        if self.tuner is None:
            return
        self.tuner.wait()
        best = self.tuner.describe()["BestTrainingJob"]
        job = client.describe_training_job(TrainingJobName=best["TrainingJobName"])
        (definition,) = [
            each for each in job["AlgorithmSpecification"]["MetricDefinitions"] if each["Name"] == self.asked.objective
        ]
        stream = logs.describe_log_streams(
            logGroupName="/aws/sagemaker/TrainingJobs", logStreamNamePrefix=best["TrainingJobName"]
        )["logStreams"][0]["logStreamName"]
        events = logs.get_log_events(
            logGroupName="/aws/sagemaker/TrainingJobs", logStreamName=stream, startFromHead=True
        )["events"]
        values = [float(each) for event in events for each in re.findall(definition["Regex"], event["message"])]
        counters = self.tuner.describe()["TrainingJobStatusCounters"]
        self.seen["tuned"] = {
            "objective": best["FinalHyperParameterTuningJobObjectiveMetric"],
            "hyperparameters": best["TunedHyperParameters"],
            "logged": values,
            "completed": counters["Completed"],
            "asked": self.asked.trials,
        }


def encoded(data):
    try:
        return data.decode()
    except UnicodeDecodeError:
        return base64.b64encode(data).decode()


def before(kind, name, act):
    """Call `act` before a method of a class of the SDK."""
    method = getattr(kind, name)

    def called(self, *arguments, **named):
        act(self, *arguments, **named)
        return method(self, *arguments, **named)

    setattr(kind, name, called)


def fitted(estimator, inputs=None, wait=True, **named):
    running[0].fitted = (estimator, inputs, named)


def deleted(predictor, *_, **__):
    running[0].before_deletion(predictor.endpoint_name)


for each in (EstimatorBase, AmazonAlgorithmEstimatorBase):
    before(each, "fit", fitted)
for each in ("delete_model", "delete_endpoint"):
    before(Predictor, each, deleted)

pages = [Page(Path(sys.argv[2]) / f"{name}.md") for name in sys.argv[3:]]


def act(page, *methods):
    """Do what is next for a page, unless something of it has failed."""
    try:
        for method in methods:
            if "failed" not in page.seen:
                began = time.monotonic()
                method(page)
                sys.stderr.write(f"{page.name} {method.__name__}: {time.monotonic() - began:.1f} s\n")
    except BaseException:
        page.seen["failed"] = traceback.format_exc()


# One page's tuning job beside the next one's program, and no more: networks of many jobs at once wait for the cores.
for number, page in enumerate(pages):
    act(page, Page.run)
    if number:
        act(pages[number - 1], Page.transformed, Page.tuned)
    act(page, Page.tune)
act(pages[-1], Page.transformed, Page.tuned)


def plain(value):
    if isinstance(value, bytes):
        return value.decode()
    return value.tolist() if hasattr(value, "tolist") else list(value)


answers = {page.name: {"saw": page.seen} if "failed" not in page.seen else page.seen for page in pages}
Path(sys.argv[1]).write_text(json.dumps(answers, default=plain), encoding="utf-8")
