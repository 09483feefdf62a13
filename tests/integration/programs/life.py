"""What the calls of a resource class of the SageMaker SDK v3 are given, and the names that all of them share."""

import datetime
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3

NAME = f"walk-{os.getpid()}"
BUCKET = f"bucket-{NAME}"
ROLE = "arn:aws:iam::123456789012:role/SageMakerExecutionRole"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
CLUSTER = f"arn:aws:sagemaker:us-east-1:123456789012:cluster/{os.getpid():012}"
DAY = datetime.timedelta(days=1)
TOMORROW = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + DAY
client = boto3.client("sagemaker")


@dataclass(frozen=True)
class Of:
    """An attribute of a resource that an earlier entry made."""

    noun: str
    attribute: str


@dataclass(frozen=True)
class Life:
    """What the calls of one class are given, in the SDK's spelling. Their operations are told from its source.

    Attributes:
        given: of `create`.
        instead: says what `get` is given where there is no `create`, or the SDK's fails.
        settled: the status to wait for after each change.
        after: the same after one of `also`, where it is another.
        identity: argument of `get` → the attribute that has its value; the same name as far as nothing is said.
        filters: of `get_all`: argument → a value that finds the resource, one that does not; None where there is no
            such. Times and parts of names need not be said.
        listed: what `get_all` cannot do without.
        update: of `update`.
        delete: of `delete`.
        ended: ends it before it is deleted, where the SDK's own call fails.
        also: further methods → what they are given; called in their order before the resource is deleted.
    """

    noun: str
    given: Mapping[str, Any] = field(default_factory=dict)
    instead: Callable[[], dict[str, Any]] | None = None
    settled: str = ""
    after: Mapping[str, str] = field(default_factory=dict)
    identity: Mapping[str, str] = field(default_factory=dict)
    filters: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    listed: Mapping[str, Any] = field(default_factory=dict)
    update: Mapping[str, Any] = field(default_factory=dict)
    delete: Mapping[str, Any] = field(default_factory=dict)
    ended: Callable[[], object] | None = None
    also: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
