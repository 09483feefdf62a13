"""What training jobs and endpoints have in common: the environment of a task, its S3 access, and its log."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from sagesmith.compute.base import Backend, ContainerLine, S3Access, TaskKind, TaskObservation, TaskSpec
from sagesmith.environment import client_environment
from sagesmith.services.base import Home
from sagesmith.store import Document, LogEvent, Query, Transaction

HOST = "algo-1"
CREDENTIALS_SLACK_SECONDS = 86_400
"""A job may download before and upload after the time that its runtime limit counts."""
MAX_FAILURE_REASON = 1024
"""Characters, as in the model."""
SESSION_NAME = "SageMaker"
DEFAULT_ROLE = "SageMakerExecutionRole"
LOG_BATCH_BYTES = 1 << 20
DATA_LOG = "data-log"
"""What the stream of a node agent's own lines is called, behind that of the program."""

_collecting = threading.Lock()
"""One batch is in memory at a time, however many tasks print; and requests are answered between two."""


def s3_access(home: Home) -> S3Access:
    """The node agent's own way to the object store."""
    platform = home.platform
    return S3Access(
        platform.s3_endpoint,
        platform.s3_access_key_id,
        platform.s3_secret_access_key,
        platform.region,
        ca_bundle=ca_bundle(home),
    )


def specification(
    home: Home,
    document: Document,
    kind: TaskKind,
    *,
    image: str,
    instance_type: str,
    role_arn: str | None,
    credentials_seconds: float,
    own: Mapping[str, str],
    network_isolation: bool,
) -> TaskSpec:
    """What every task of a resource is told, with neither an id nor a host yet; for the arguments see `environment`."""
    region, arn = document.region, document.arn
    variables = environment(home, region, role_arn, arn, credentials_seconds, own, network_isolation=network_isolation)
    return TaskSpec(
        id="",
        kind=kind,
        label=document.name,
        job_name=document.name,
        job_arn=arn,
        image=image,
        instance_type=instance_type,
        hosts=[HOST],
        host=HOST,
        s3=s3_access(home),
        cache=home.platform.cache,
        environment=variables,
        network_isolation=network_isolation,
        ca_bundle=ca_bundle(home),
        doors=doors(home),
    )


def environment(
    home: Home,
    region: str,
    role_arn: str | None,
    resource_arn: str,
    duration_seconds: float,
    own: Mapping[str, str],
    *,
    network_isolation: bool = False,
) -> dict[str, str]:
    """The environment of a task: how AWS clients in it reach the platform, as whom, and the resource's own variables.

    A task without network gets neither addresses nor credentials, as at AWS
    (https://docs.aws.amazon.com/sagemaker/latest/dg/mkt-algo-model-internet-free.html).

    Args:
        role_arn: whose session its credentials are; the account's default execution role if None.
        resource_arn: the job or endpoint that they are for.
        duration_seconds: how long they live.
        own: what the user asked for; wins over everything.
    """
    regional = {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    if network_isolation:
        return {**regional, "AWS_EC2_METADATA_DISABLED": "true", **own}
    role = role_arn or f"arn:aws:iam::{home.platform.account_id}:role/{DEFAULT_ROLE}"
    credentials = home.keyring.mint(role, SESSION_NAME, duration_seconds, resource_arn)
    variables = client_environment(home.platform, credentials, {})
    return {
        **{name: value for name, value in variables.items() if value is not None},
        **regional,
        "S3_ENDPOINT_URL": home.platform.url,
        **own,
    }


def doors(home: Home) -> list[str]:
    """What user code may reach of this machine: the front door and the proxy as `environment` names them, and the ports
    that the platform's administrator opened."""
    own = [urlsplit(url).netloc for url in (home.platform.url, home.platform.proxy_url)]
    return [*own, *(each for port in home.platform.job_ports if (each := f"127.0.0.1:{port}") not in own)]


def ca_bundle(home: Home) -> str | None:
    """The certificates that clients of the platform are to trust."""
    bundle = home.platform.dir.tls / "bundle.pem"
    return str(bundle) if bundle.exists() else None


def collect_log(home: Home, task_id: str, region: str, group: str, stream: str, first: str = "") -> int:
    """Move what a task has written since the last call to the log store, a batch at the most.

    Lines and the offset up to which they were read are stored in one transaction, so that no line is lost or doubled.
    What the node agent itself has to say of the data goes into a stream below, and so does what several containers
    print, into one each.

    Args:
        first: the container in whose stream is what belongs to none of them; empty: it is in `stream`.

    Returns:
        How many bytes were new; if they are more than half of LOG_BATCH_BYTES, there may be more.
    """
    own_stream = f"{stream}/{first}" if first else stream
    with home.store.read() as tx:
        offset = tx.log_offset(region, group, own_stream)
    with _collecting:
        lines, next_offset = home.backend.read_log(task_id, offset, LOG_BATCH_BYTES)
        if next_offset == offset:
            return 0
        streams: dict[str, list[LogEvent]] = {own_stream: []}
        for at, line in lines:
            streams.setdefault(_stream_of(line, stream, own_stream), []).append(LogEvent(at, str(line)))
        with home.store.write() as tx:
            tx.append_log(region, group, own_stream, streams.pop(own_stream), next_offset)
            for name, events in streams.items():
                tx.append_log(region, group, name, events)
    return next_offset - offset


def _stream_of(line: str, stream: str, own_stream: str) -> str:
    if type(line) is str:
        return own_stream
    return f"{stream}/{line.container if isinstance(line, ContainerLine) else DATA_LOG}"


def all_documents(tx: Transaction, kind: str, status: str | None = None) -> Iterator[Document]:
    """Every document of a kind, in every region."""
    for region in tx.regions():
        yield from tx.every(Query(kind, region, status=status, limit=100))


def observe(backend: Backend, task_id: str) -> TaskObservation | None:
    """What a backend sees of a task; one that looks lost is looked at twice, for it may just have written its end."""
    task = backend.inspect(task_id)
    return backend.inspect(task_id) if task is not None and task.lost else task


def discard(backend: Backend, task_id: str) -> None:
    """End a task and remove what it left on its node."""
    if backend.inspect(task_id) is None:
        return
    backend.kill(task_id)
    backend.forget(task_id)


def discard_orphans(home: Home, prefix: str, named: set[str]) -> None:
    """End the tasks whose id begins with `prefix` and that no resource names any more."""
    for task in home.backend.tasks():
        if task.id.startswith(prefix) and task.id not in named:
            with contextlib.suppress(OSError):
                discard(home.backend, task.id)
