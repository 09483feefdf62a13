"""What the wire layer costs a request, without store and network: `python -m benchmarks.wire`.

Prints microseconds an operation (the best of five rounds), and what loading the models costs.
"""

import hashlib
import os
import resource
import subprocess
import sys
import time
import timeit
from collections.abc import Callable

import orjson

from sagesmith.credentials import Principal
from sagesmith.http.messages import Headers
from sagesmith.wire import sigv4
from sagesmith.wire.app import Dispatcher
from sagesmith.wire.context import Params, RequestContext

ROLE = "arn:aws:iam::123456789012:role/SageMakerExecutionRole"
ARN = "arn:aws:sagemaker:us-east-1:123456789012:"
MODEL = {
    "ModelName": "churn-2026-01-01",
    "PrimaryContainer": {
        "Image": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
        "ModelDataUrl": "s3://sagemaker-us-east-1-123456789012/churn/output/model.tar.gz",
        "Environment": {"SAGEMAKER_PROGRAM": "train.py", "SAGEMAKER_REGION": "us-east-1"},
    },
    "ExecutionRoleArn": ROLE,
}
TRAINING_JOB = {
    "TrainingJobName": "churn-2026-01-01",
    "AlgorithmSpecification": {"TrainingImage": MODEL["PrimaryContainer"]["Image"], "TrainingInputMode": "File"},  # type: ignore[index]
    "RoleArn": ROLE,
    "HyperParameters": {f"parameter_{number}": str(number) for number in range(12)},
    "InputDataConfig": [
        {
            "ChannelName": "train",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": "s3://bucket/train",
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
        }
    ],
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/output"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
    "StoppingCondition": {"MaxRuntimeInSeconds": 86400},
    "Tags": [{"Key": "team", "Value": "churn"}],
}
SUMMARIES = [
    {"ModelName": f"model-{number}", "ModelArn": f"{ARN}model/model-{number}", "CreationTime": 1.7e9 + number}
    for number in range(100)
]
ANSWERS: dict[str, Params] = {
    "CreateModel": {"ModelArn": f"{ARN}model/churn"},
    "DescribeModel": {**MODEL, "ModelArn": f"{ARN}model/churn", "CreationTime": 1.7e9},
    "ListModels": {"Models": SUMMARIES, "NextToken": "token"},
    "CreateTrainingJob": {"TrainingJobArn": f"{ARN}training-job/churn"},
}
REQUESTS = {
    "CreateModel": MODEL,
    "DescribeModel": {"ModelName": "churn-2026-01-01"},
    "ListModels": {"NameContains": "model", "MaxResults": 100},
    "CreateTrainingJob": TRAINING_JOB,
}


def main() -> None:
    """Print all figures."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the log lines are part of the cost, but not of the output
    models()
    signatures()
    operations()


def models() -> None:
    """Time and memory of one process that does nothing but load the first issue's models."""
    program = (
        "import time;started=time.perf_counter();"
        "from sagesmith.wire.models import load_model;"
        "[load_model(name) for name in ('sagemaker','sagemaker-runtime','sts','iam','logs','kms')];"
        "print(round((time.perf_counter()-started)*1000));"
        "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmRSS')][0])"
    )
    taken = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    print(f"import and load six services' models: {taken[0]} ms, {int(taken[1]) // 1024} MB resident in all")


def signatures() -> None:
    """A signed DescribeModel."""
    body, now = orjson.dumps(REQUESTS["DescribeModel"]), time.time()
    digest = hashlib.sha256(body).hexdigest()
    plain: Headers = [
        (b"host", b"127.0.0.1:9900"),
        (b"content-type", b"application/x-amz-json-1.1"),
        (b"x-amz-target", b"SageMaker.DescribeModel"),
    ]

    def sign() -> Headers:
        return sigv4.sign("POST", b"/", plain, digest, "AKIA", "secret", "us-east-1", "sagemaker", now)

    headers = sign()

    def verify() -> None:
        signature = sigv4.parse_signature(b"/", headers)
        assert signature is not None
        sigv4.verify(signature, "POST", b"/", headers, digest, "secret", now)

    show("verify a signature", verify)
    show("sign", sign)


def operations() -> None:
    """Dispatch: parse, validate, serialise and log, around a handler that answers at once."""
    answers = {name: (lambda context, params, answer=answer: answer) for name, answer in ANSWERS.items()}
    dispatcher = Dispatcher({"sagemaker": answers})
    principal = Principal("arn:aws:sts::123456789012:assumed-role/r/s", "123456789012", "AKIA", "AROA:s")
    context = RequestContext("9b5b0ae5-0d43-4e0e-8a4e-3a2c6b1c1f10", "sagemaker", "", "us-east-1", principal, "::1")
    for name, request in REQUESTS.items():
        body = orjson.dumps(request)
        headers: Headers = [(b"host", b"x"), (b"x-amz-target", b"SageMaker." + name.encode())]
        assert dispatcher.dispatch(context, "POST", b"/", headers, body).status == 200
        show(name, lambda body=body, headers=headers: dispatcher.dispatch(context, "POST", b"/", headers, body))


def show(name: str, call: Callable[[], object], number: int = 2000) -> None:
    """Print the time of one call."""
    best = min(timeit.repeat(call, number=number, repeat=5)) / number
    print(f"{name:24} {best * 1e6:8.1f} µs")


if __name__ == "__main__":
    main()
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MB")
