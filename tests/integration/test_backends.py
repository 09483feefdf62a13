"""The same platform on PostgreSQL, and on an S3 that the user runs."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from sqlalchemy import make_url

from tests.integration import jobs
from tests.integration.conftest import Running, sagesmith, start
from tests.integration.postgres import database
from tests.integration.user_store import UserStore, user_store

HANDLER = """
import json

def model_fn(model_dir):
    return 2

def input_fn(body, content_type):
    return json.loads(body)

def predict_fn(data, model):
    return [model * each for each in data]

def output_fn(prediction, accept):
    return json.dumps(prediction), "application/json"
"""
TRAIN = """
import os, sys
rows = open(os.path.join(os.environ["SM_CHANNEL_TRAIN"], "rows.csv")).read().split()
open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w").write(str(len(rows)))
print("rows", len(rows))
"""


def train_and_predict(platform: Running) -> None:
    """The whole loop: a job with a channel, its artifact and log, an endpoint and its answer."""
    data = jobs.upload(platform, "rows/rows.csv", b"1\n2\n3\n").rpartition("/")[0]
    job = jobs.script_job(platform, TRAIN, InputDataConfig=[jobs.channel(data)])
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert "rows 3" in jobs.job_log(platform, job)
    bucket, _, key = described["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    model = platform.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    endpoint = jobs.endpoint(platform, {"inference.py": HANDLER}, model)
    described = jobs.wait_endpoint(platform, endpoint)
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    assert predict(platform, endpoint) == b"[2, 4]"
    jobs.delete_endpoint(platform, endpoint)


def predict(platform: Running, endpoint: str) -> bytes:
    runtime = platform.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName=endpoint, Body=b"[1, 2]", ContentType="application/json")
    return bytes(answer["Body"].read())


def processes(platform: Running, name: str) -> list[int]:
    return [each["pid"] for each in platform.status()["processes"] if each["name"] == name]


@pytest.fixture(scope="module")
def on_postgres(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A platform on a database of its own."""
    data = tmp_path_factory.mktemp("on-postgres") / "data"
    with database(postgres) as url:
        yield start(data, environ={"SAGESMITH_DATABASE_URL": url})
        assert sagesmith("down", "--data", str(data)).returncode == 0


@pytest.mark.postgres
def test_a_platform_on_postgresql_trains_and_predicts(on_postgres: Running) -> None:
    train_and_predict(on_postgres)
    assert not (on_postgres.data / "db" / "sagesmith.sqlite").exists()


@pytest.mark.postgres
def test_a_job_on_postgresql_outlives_the_api_process(on_postgres: Running) -> None:
    job, gate = gated_job(on_postgres)
    (killed,) = processes(on_postgres, "api")
    os.kill(killed, signal.SIGKILL)
    jobs.upload(on_postgres, gate, b"go")
    assert_completed_with_its_log(on_postgres, job)
    assert killed not in processes(on_postgres, "api")


@pytest.mark.postgres
def test_a_platform_outlives_a_database_that_is_away_for_a_while(on_postgres: Running) -> None:
    job, gate = gated_job(on_postgres)
    before = processes(on_postgres, "api")
    url = make_url(database_url(on_postgres))
    with psycopg.connect(url.set(drivername="postgresql", database="postgres").render_as_string(False)) as connection:
        connection.autocommit = True
        connection.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false")
        try:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [url.database]
            )
            impatient = on_postgres.client("sagemaker", config=Config(retries={"max_attempts": 0}))
            with pytest.raises(ClientError) as raised:
                impatient.list_models()
            jobs.upload(on_postgres, gate, b"go")
        finally:
            connection.execute(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true")
    assert raised.value.response["Error"]["Code"] == "ServiceUnavailable"
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert_completed_with_its_log(on_postgres, job)
    assert processes(on_postgres, "api") == before


def gated_job(platform: Running, **changes: Any) -> tuple[str, str]:
    """A job in the middle of its training, and the key of the object that it waits for."""
    gate = jobs.name("gate")
    script = (
        "import boto3, time\n"
        "print('before', flush=True)\n"
        "s3 = boto3.client('s3')\n"
        f"while not s3.list_objects_v2(Bucket='{jobs.BUCKET}', Prefix='{gate}')['KeyCount']: time.sleep(0.2)\n"
        "print('after')\n"
    )
    job = jobs.script_job(platform, script, **changes)
    sagemaker = platform.client("sagemaker")
    while sagemaker.describe_training_job(TrainingJobName=job)["SecondaryStatus"] != "Training":
        time.sleep(0.1)
    return job, gate


def assert_completed_with_its_log(platform: Running, job: str) -> None:
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    lines = jobs.job_log(platform, job)
    assert [line for line in lines if line in {"before", "after"}] == ["before", "after"]
    host = [{"Name": "Host", "Value": f"{job}/algo-1"}]
    measured = platform.client("cloudwatch").list_metrics(Dimensions=host)["Metrics"]
    assert {each["MetricName"] for each in measured} >= {"CPUUtilization", "MemoryUtilization", "DiskUtilization"}


@pytest.mark.postgres
def test_many_clients_at_once_on_postgresql_lose_nothing_and_see_no_failure_of_the_server(on_postgres: Running) -> None:
    sagemaker = on_postgres.client("sagemaker", config=Config(retries={"max_attempts": 0}, max_pool_connections=32))
    prefix = jobs.name("m")
    outcomes: Counter[str] = Counter()
    counting = threading.Lock()

    def note(outcome: str) -> None:
        with counting:
            outcomes[outcome] += 1

    def work(worker: int) -> None:
        own = f"{prefix}-{worker}"
        for round_number in range(4):
            for name, outcome in ((own, "own"), (f"{prefix}-shared-{round_number}", "shared")):
                try:
                    container = {"Image": jobs.IMAGE}
                    sagemaker.create_model(ModelName=name, PrimaryContainer=container, ExecutionRoleArn=jobs.ROLE)
                    note(f"{outcome} created")
                except sagemaker.exceptions.ClientError as error:
                    note(f"{outcome} {error.response['Error']['Code']}")
            listed = sagemaker.list_models(NameContains=own, MaxResults=100)["Models"]
            assert own in {each["ModelName"] for each in listed}
            sagemaker.add_tags(
                ResourceArn=sagemaker.describe_model(ModelName=f"{prefix}-shared-{round_number}")["ModelArn"],
                Tags=[{"Key": f"worker-{worker}", "Value": str(round_number)}],
            )
            sagemaker.delete_model(ModelName=own)

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(work, range(32)))
    assert outcomes == {"own created": 128, "shared created": 4, "shared ValidationException": 124}
    left = sagemaker.list_models(NameContains=prefix)["Models"]
    assert sorted(each["ModelName"] for each in left) == [f"{prefix}-shared-{number}" for number in range(4)]
    for each in left:
        tags: list[dict[str, Any]] = []
        for page in sagemaker.get_paginator("list_tags").paginate(ResourceArn=each["ModelArn"]):
            tags += page["Tags"]
        assert {tag["Key"] for tag in tags} == {f"worker-{worker}" for worker in range(32)}


@pytest.mark.postgres
def test_the_databases_password_is_in_no_command_line_no_log_and_no_readable_file(on_postgres: Running) -> None:
    password = make_url(database_url(on_postgres)).password
    assert password
    for process in psutil.process_iter():
        try:
            assert password not in " ".join(process.cmdline())
        except psutil.Error:
            continue
    holders = [
        path for path in on_postgres.data.rglob("*") if path.is_file() and password.encode() in path.read_bytes()
    ]
    assert holders == [on_postgres.data / "run" / "platform.json"]
    assert holders[0].stat().st_mode & 0o077 == 0


def database_url(platform: Running) -> str:
    return str(json.loads((platform.data / "run" / "platform.json").read_text())["database_url"])


def test_a_database_that_does_not_answer_is_said_at_the_start_without_its_password(tmp_path: Path) -> None:
    ended = _up(tmp_path, {"SAGESMITH_DATABASE_URL": "postgresql://someone:s3cr3t-word@127.0.0.1:9/none"})
    assert ended.returncode == 1
    assert "127.0.0.1" in ended.stderr
    assert "SAGESMITH_DATABASE_URL" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "s3cr3t-word" not in ended.stderr
    assert "s3cr3t-word" not in "".join(path.read_text() for path in (tmp_path / "data").rglob("*.log"))


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[UserStore]:
    with user_store(tmp_path / "user-store", tls=request.param) as found:
        yield found


def test_a_platform_on_an_s3_of_the_users_trains_and_predicts(
    store: UserStore, new_platform: Callable[..., Running], tmp_path: Path
) -> None:
    running = new_platform(environ={**store.settings(), "SAGESMITH_S3_KMS": "none"})
    train_and_predict(running)
    keys = [each["Key"] for each in store.client().list_objects_v2(Bucket=jobs.BUCKET)["Contents"]]
    assert [key for key in keys if key.endswith("/output/model.tar.gz")]
    assert "store" not in {each["name"] for each in running.status()["processes"]}
    s3 = running.client("s3")
    body = os.urandom(20 << 20)
    s3.upload_fileobj(io.BytesIO(body), jobs.BUCKET, "large")
    assert s3.get_object(Bucket=jobs.BUCKET, Key="large")["Body"].read() == body
    put = s3.put_object(Bucket=jobs.BUCKET, Key="asked", Body=b"kept", ServerSideEncryption="aws:kms")
    assert "ServerSideEncryption" not in put
    with pytest.raises(ClientError, match="without a KMS") as refused:
        s3.put_object(Bucket=jobs.BUCKET, Key="x", Body=b"", ServerSideEncryption="aws:kms", SSEKMSKeyId="alias/mine")
    assert refused.value.response["Error"]["Code"] == "NotImplemented"
    secret = store.secret_access_key.encode()
    assert not [path for path in (running.data / "logs").iterdir() if secret in path.read_bytes()]
    running.cli("down")
    saved = running.cli("backup", str(tmp_path / "backup.tar.gz"))
    assert f"not in it, since it is kept elsewhere: the objects ({store.endpoint})" in saved.stdout


def test_an_s3_that_is_not_trusted_or_refuses_the_key_is_said_at_the_start(tmp_path: Path) -> None:
    with user_store(tmp_path / "user-store", tls=True) as store:
        settings = store.settings()
        trusted = settings.pop("SSL_CERT_FILE")
        ended = _up(tmp_path, settings)
        assert ended.returncode == 1
        assert "certificate verify failed" in ended.stderr
        assert "SSL_CERT_FILE" in ended.stderr
        ended = _up(tmp_path, {**settings, "SSL_CERT_FILE": trusted, "SAGESMITH_S3_SECRET_ACCESS_KEY": "wrong-word"})
    assert ended.returncode == 1
    assert "SignatureDoesNotMatch" in ended.stderr
    assert "wrong-word" not in ended.stderr


def _up(folder: Path, environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "sagesmith", "up", "--port", "0", "--data", str(folder / "data")]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environ})
