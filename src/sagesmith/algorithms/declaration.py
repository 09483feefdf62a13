"""What an algorithm says of itself: the data from which it is run, documented, tuned and described by the API."""

from dataclasses import dataclass, field
from typing import Literal

from sagesmith.algorithms.hyperparameters import Schema

CSV = "text/csv"
LIBSVM = "text/libsvm"
RECORDIO = "application/x-recordio-protobuf"
PARQUET = "application/x-parquet"
JSON = "application/json"
JSON_LINES = "application/jsonlines"


@dataclass(frozen=True, slots=True)
class Channel:
    """An input channel.

    Attributes:
        content_types: those that it takes, the first where a job names none.
        modes: input modes that AWS's page allows.
        meaning: what it is for.
        distribution: AWS's recommendation or demand for several instances.
    """

    name: str
    meaning: str
    content_types: tuple[str, ...]
    required: bool = False
    modes: tuple[Literal["File", "FastFile", "Pipe"], ...] = ("File", "FastFile", "Pipe")
    distribution: str = "FullyReplicated or ShardedByS3Key"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric as AWS's page names it.

    Attributes:
        regex: finds it in the log, with one group.
        goal: what a tuning job does with it, None for one that is not an objective.
    """

    name: str
    regex: str
    meaning: str
    goal: Literal["Minimize", "Maximize"] | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """A program that runs as it stands under `sagesmith run`, for the documentation; a test runs it."""

    title: str
    code: str


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A built-in algorithm.

    Attributes:
        name: its package here and, with - for _, its page in the documentation.
        title: AWS's name for people.
        repositories: names of the images that run it, as AWS has them (`kmeans`).
        summary: what it does and by which engine, some sentences in Markdown.
        sources: addresses of the AWS pages, the papers and the libraries that it follows.
        differences: what AWS's does otherwise, a sentence each.
        train: `module:function`, which gets a `run.job.Job` and trains.
        load: `module:function`, which gets the model's directory and returns a `serving.Predictor`.
        content_types, accepts: of requests and answers, the first where a request names none.
        hardware: the instance class of AWS's table, on which AWS trains it; here all train on any.
        instances: several may train together.
        instances_with: a hyperparameter and its value, without which several may not.
        incremental: it takes a `model` channel with an earlier model.
        artifact: what is in model.tar.gz.
        models: the ids of JumpStart's models that it runs, if there are any.
    """

    name: str
    title: str
    repositories: tuple[str, ...]
    summary: str
    schema: Schema
    channels: tuple[Channel, ...]
    metrics: tuple[Metric, ...]
    train: str
    load: str
    content_types: tuple[str, ...]
    accepts: tuple[str, ...]
    hardware: Literal["CPU", "CPU or GPU", "GPU"]
    sources: tuple[str, ...]
    differences: tuple[str, ...] = ()
    instances: bool = False
    instances_with: tuple[str, str] | None = None
    incremental: bool = False
    artifact: str = ""
    models: tuple[str, ...] = ()
    examples: tuple[Example, ...] = field(default=())
