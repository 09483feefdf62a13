"""What an attacker tries on a whole platform: from the network of this machine, from a job, from a model server."""

import concurrent.futures
import hashlib
import io
import json
import socket
import ssl
import stat
import tarfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sagesmith.config import DataDir, Platform
from sagesmith.http.messages import Headers
from sagesmith.wire import sigv4
from tests.integration import jobs
from tests.integration.conftest import Running

LIST_MODELS: Headers = [
    (b"content-type", b"application/x-amz-json-1.1"),
    (b"x-amz-target", b"SageMaker.ListModels"),
]
CONTEXT = json.dumps(
    {
        "request_id": "forged",
        "service": "sagemaker",
        "operation": "",
        "region": "us-east-1",
        "principal": {"arn": "a", "account_id": "999999999999", "access_key_id": "x", "user_id": "u", "job_arn": None},
        "source_ip": "127.0.0.1",
    }
).encode()


def signed(
    platform: Running, headers: Headers, body: bytes = b"{}", target: bytes = b"/", method: str = "POST", **changes: Any
) -> Headers:
    """The headers of a request that the root key signed."""
    how: dict[str, Any] = {
        "payload_hash": hashlib.sha256(body).hexdigest(),
        "access_key_id": platform.variables["AWS_ACCESS_KEY_ID"],
        "secret": platform.variables["AWS_SECRET_ACCESS_KEY"],
        "region": "us-east-1",
        "service": "sagemaker",
        "now": time.time() + changes.pop("seconds_off", 0),
        **changes,
    }
    host = urlsplit(platform.url).netloc.encode()
    return sigv4.sign(method, target, [(b"host", host), *headers], **how)


def send(
    platform: Running, headers: Headers, body: bytes = b"{}", target: bytes = b"/", method: bytes = b"POST"
) -> bytes:
    """Send a request with just these headers, but for those of framing, and return the answer."""
    head = b"connection: close\r\n" + b"".join(b"%b: %b\r\n" % item for item in headers)
    if not any(name in {b"content-length", b"transfer-encoding"} for name, _ in headers):
        head += b"content-length: %d\r\n" % len(body)
    return exchange(urlsplit(platform.url).port or 0, b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method, target, head, body))


def exchange(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(data)
        received = bytearray()
        while piece := connection.recv(65536):
            received += piece
    return bytes(received)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_the_request_that_the_others_change_is_a_good_one(platform: Running) -> None:
    assert status_of(send(platform, signed(platform, LIST_MODELS))) == 200


@pytest.mark.parametrize(
    "extra",
    [
        (b"host", b"evil"),
        (b"x-amz-date", b"20200101T000000Z"),
        (b"x-amz-target", b"SageMaker.DeleteModel"),
        (b"X-AMZ-Target", b"SageMaker.DeleteModel"),
        (b"x-amz-security-token", b"AAAA"),
        (b"X-Amz-Something", b"x"),
        (b"transfer-encoding", b"chunked"),
        (b"transfer-encoding", b"xchunked"),
        (b"Content-Length", b"0"),
        (b"x-sagesmith-context ", CONTEXT),
    ],
)
@pytest.mark.parametrize("first", [False, True])
def test_a_header_that_was_put_beside_the_signed_ones_is_refused(
    platform: Running, extra: tuple[bytes, bytes], first: bool
) -> None:
    headers = [*signed(platform, LIST_MODELS), (b"content-length", b"2")]
    answer = send(platform, [extra, *headers] if first else [*headers, extra])
    assert status_of(answer) in {400, 403, 501}
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("name", [b"x-sagesmith-context", b"X-Sagesmith-Context", b"x_sagesmith_context"])
def test_nobody_says_from_outside_who_they_are(platform: Running, name: bytes) -> None:
    assert status_of(send(platform, [(b"host", b"x"), (name, CONTEXT), *LIST_MODELS])) == 403
    action = b"Action=GetCallerIdentity&Version=2011-06-15"
    form: Headers = [(b"content-type", b"application/x-www-form-urlencoded")]
    headers = signed(platform, form, action, service="sts")
    answer = send(platform, [(name, CONTEXT), *headers], action)
    assert b"999999999999" not in answer
    assert b"assumed-role/SageMakerExecutionRole" in answer


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": "wrong"},
        {"access_key_id": "AKIAUNKNOWN"},
        {"access_key_id": "\u00e9"},
        {"session_token": "AAAA"},
        {"service": "sts"},
        {"service": "s3"},
        {"service": "..%2f.."},
        {"region": "..%2f.."},
        {"seconds_off": -3600},
        {"seconds_off": 3600},
        {"payload_hash": "UNSIGNED-PAYLOAD"},
        {"payload_hash": hashlib.sha256(b"[]").hexdigest()},
    ],
    ids=str,
)
def test_a_signature_that_proves_something_else_opens_nothing(platform: Running, changes: dict[str, Any]) -> None:
    assert status_of(send(platform, signed(platform, LIST_MODELS, **changes))) >= 400


def test_who_names_no_key_of_ours_is_refused_before_a_body_is_taken(platform: Running) -> None:
    headers = signed(platform, LIST_MODELS, access_key_id="AKIAUNKNOWN")
    answer = send(platform, [*headers, (b"content-length", b"10485760")], b"")
    assert b"UnrecognizedClientException" in answer


@pytest.mark.parametrize(
    "body",
    [
        b'{"NameContains":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"NameContains":"\0"}',
        b'{"NameContains":"\xff\xfe"}',
        b'{"NameContains":"\\ud800"}',
        b'{"MaxResults":' + b"9" * 5_000 + b"}",
        b'{"CreationTimeAfter":NaN}',
        b"[]",
        b"",
    ],
    ids=["lists", "objects", "nul", "utf-8", "surrogate", "number", "nan", "list", "empty"],
)
def test_a_body_made_to_break_the_parser_is_an_error_of_its_sender(platform: Running, body: bytes) -> None:
    answer = send(platform, signed(platform, LIST_MODELS, body), body)
    assert status_of(answer) == 400 or body == b""
    assert b"InternalFailure" not in answer


def test_half_requests_and_idle_connections_hold_up_nobody(platform: Running) -> None:
    port = urlsplit(platform.url).port or 0
    waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(400)]
    try:
        for connection in waiting[::2]:
            connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\nx-a")
        assert status_of(send(platform, signed(platform, LIST_MODELS))) == 200
    finally:
        for connection in waiting:
            connection.close()


@pytest.mark.parametrize("spelling", ["{}", "%73{}", "/{}", "x/../{}", "./{}"])
def test_no_spelling_leads_into_the_platforms_own_bucket(platform: Running, spelling: str) -> None:
    s3 = platform.client("s3")
    s3.create_bucket(Bucket=jobs.BUCKET)
    elsewhere = platform.client("s3", region_name="eu-west-1")
    elsewhere.create_bucket(Bucket="elsewhere-of-tests", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    bucket = f"sagesmith-internal-{Platform.load(platform.data).account_id}"
    bucket = spelling.format(bucket[1:] if spelling.startswith("%") else bucket)
    source = f"/{bucket}/regions/elsewhere-of-tests".encode()
    try:
        read = signed(platform, [], b"", source, "GET", service="s3")
        assert status_of(send(platform, read, b"", source, b"GET")) >= 400
        target = f"/{jobs.BUCKET}/stolen".encode()
        copy = signed(platform, [(b"x-amz-copy-source", source)], b"", target, "PUT", service="s3")
        assert status_of(send(platform, copy, b"", target, b"PUT")) >= 400
    finally:
        elsewhere.delete_bucket(Bucket="elsewhere-of-tests")


@pytest.mark.parametrize(
    "authority",
    [
        "169.254.169.254:80",
        "2852039166:80",
        "0xa9fea9fe:80",
        "[::ffff:169.254.169.254]:80",
        "[fd00:ec2::254]:80",
        "169.254.170.2:80",
        "100.100.100.200:80",
        "168.63.129.16:80",
    ],
)
def test_the_proxy_opens_no_way_to_a_clouds_credentials(platform: Running, authority: str) -> None:
    port = Platform.load(platform.data).proxy_port
    tunnel = f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n".encode()
    assert status_of(exchange(port, tunnel)) == 403
    plain = f"GET http://{authority}/latest HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n".encode()
    assert status_of(exchange(port, plain)) == 403


def test_a_certificate_is_for_the_host_of_the_tunnel_alone(platform: Running) -> None:
    port = Platform.load(platform.data).proxy_port
    context = ssl.create_default_context(cafile=str(DataDir(platform.data).tls / "ca.pem"))
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"CONNECT sts.amazonaws.com:443 HTTP/1.1\r\nhost: sts.amazonaws.com:443\r\n\r\n")
        assert status_of(connection.recv(4096)) == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(connection, server_hostname="s3.amazonaws.com")


def test_temporary_credentials_of_two_sessions_do_not_mix(platform: Running) -> None:
    sts = platform.client("sts")
    role = f"arn:aws:iam::{Platform.load(platform.data).account_id}:role/"
    one, two = (sts.assume_role(RoleArn=role + name, RoleSessionName=name)["Credentials"] for name in ("one", "two"))
    for secret, token in (
        (one["SecretAccessKey"], two["SessionToken"]),
        (two["SecretAccessKey"], one["SessionToken"]),
        (one["SecretAccessKey"], None),
    ):
        headers = signed(platform, LIST_MODELS, access_key_id=one["AccessKeyId"], secret=secret, session_token=token)
        assert status_of(send(platform, headers)) == 400


EAVESDROPPER = """
import subprocess
def model_fn(folder):
    return None
def input_fn(body, content_type):
    return body.decode() if isinstance(body, bytes) else body
def predict_fn(command, model):
    return subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True).stdout
def output_fn(text, accept):
    return text
"""


def test_a_model_server_reaches_no_socket_but_its_own(platform: Running) -> None:
    called = jobs.endpoint(platform, {"inference.py": EAVESDROPPER})
    described = jobs.wait_endpoint(platform, called)
    assert described["EndpointStatus"] == "InService", described
    runtime = platform.client("sagemaker-runtime", config=Config(retries={"total_max_attempts": 1}))

    def run(command: str) -> str:
        answer = runtime.invoke_endpoint(EndpointName=called, ContentType="text/plain", Body=command.encode())
        return str(answer["Body"].read().decode())

    directory = DataDir(platform.data)
    try:
        seen = run("find / -type s -not -path '/proc/*' 2>/dev/null; find / -name master.key 2>/dev/null")
        assert seen.split() == ["/run/sagesmith/http.sock"]
        assert run(f"cat {directory.keys}/master.key {directory.platform_file}; ls {directory.tasks}") == ""
        # The socket that the platform speaks to becomes a link to the platform's own.
        run(f"cd /run/sagesmith && mv http.sock moved && ln -s {directory.api_socket} http.sock")
        # Connections that are kept open still lead to the model server; more of them than there are must be made anew.
        # Requests that are too large for a frame need one each.
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: _outcome(run), range(4)))
        assert "ServiceUnavailable" in answers
        assert set(answers) <= {"ServiceUnavailable", "from the model server\n"}
    finally:
        jobs.delete_endpoint(platform, called)


def _outcome(run: Any) -> str:
    try:
        return str(run("sleep 0.5; echo from the model server" + " " * 70_000))
    except ClientError as error:
        return str(error.response["Error"]["Code"])


# Knocks at every port of this machine that it is told, itself and by way of the proxy, and then uses the platform.
KNOCK = """
import os, socket, sys
import boto3
proxy = os.environ["HTTPS_PROXY"].removeprefix("http://").split(":")
for port in map(int, sys.argv[1:]):
    for host in ("127.0.0.1", "127.0.0.2", "::1"):
        try:
            socket.create_connection((host, port), timeout=30)
            print("OPEN", host, port)
        except OSError:
            pass
    for host in ("127.0.0.1", "localhost", "[::1]"):
        tunnel = socket.create_connection(proxy, timeout=30)
        tunnel.sendall(f"CONNECT {host}:{port} HTTP/1.1\\r\\nHost: {host}:{port}\\r\\n\\r\\n".encode())
        if tunnel.recv(100).split()[1] != b"403":
            print("OPEN BY PROXY", host, port)
print(boto3.client("s3").list_buckets()["ResponseMetadata"]["HTTPStatusCode"])
print(boto3.client("sts", endpoint_url="https://sts.us-east-1.amazonaws.com").get_caller_identity()["Arn"])
"""


def inner_ports(platform: Running) -> str:
    """The TCP ports that the platform's processes listen on, but the front door and the proxy."""
    facts = Platform.load(platform.data)
    processes = [psutil.Process(each["pid"]) for each in platform.status()["processes"]]
    connections = [each for process in processes for each in process.net_connections("tcp")]
    listening = {each.laddr.port for each in connections if each.status == psutil.CONN_LISTEN}
    assert {facts.admin_port, urlsplit(facts.s3_endpoint).port} < listening
    return " ".join(map(str, listening - {facts.port, facts.proxy_port}))


def knocked(platform: Running) -> list[str]:
    """What the program prints that found nothing open."""
    account = Platform.load(platform.data).account_id
    return ["200", f"arn:aws:sts::{account}:assumed-role/SageMakerExecutionRole/SageMaker"]


def test_a_job_reaches_the_front_door_and_the_proxy_and_no_other_port_of_this_machine(platform: Running) -> None:
    script = KNOCK.replace("sys.argv[1:]", repr(inner_ports(platform).split()))
    job = jobs.script_job(platform, script)
    described = jobs.wait_job(platform, job)
    lines = jobs.job_log(platform, job)
    assert described["TrainingJobStatus"] == "Completed", lines
    assert not [line for line in lines if line.startswith("OPEN")]
    assert set(knocked(platform)) < set(lines)


def test_a_model_server_reaches_the_same(platform: Running) -> None:
    called = jobs.endpoint(platform, {"inference.py": EAVESDROPPER})
    assert jobs.wait_endpoint(platform, called)["EndpointStatus"] == "InService"
    script = f"cat > /tmp/knock.py <<'END'{KNOCK}END\npython /tmp/knock.py {inner_ports(platform)} 2>&1"
    try:
        answer = platform.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=called, ContentType="text/plain", Body=script.encode()
        )
        assert answer["Body"].read().decode().splitlines() == knocked(platform)
    finally:
        jobs.delete_endpoint(platform, called)


def test_a_job_knows_its_own_credentials_and_no_others(platform: Running) -> None:
    script = (
        "import os, pathlib\n"
        "found = []\n"
        "for root in ('/proc/self/environ', '/proc/1/environ', '/proc/1/cmdline'):\n"
        "    try: found.append(pathlib.Path(root).read_bytes())\n"
        "    except OSError: pass\n"
        "for folder, _, names in os.walk('/'):\n"
        "    if folder.startswith(('/proc', '/sys', '/usr', '/dev')) or '/lib/python3' in folder: continue\n"
        "    for name in names:\n"
        "        path = os.path.join(folder, name)\n"
        "        try:\n"
        "            if os.path.isfile(path) and os.path.getsize(path) < 100_000:\n"
        "                found.append(open(path, 'rb').read())\n"
        "        except OSError: pass\n"
        "open('/opt/ml/model/found', 'wb').write(b''.join(found))\n"
    )
    job = jobs.script_job(platform, script)
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described
    bucket, _, key = described["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    packed = platform.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        entry = tar.extractfile("found")
        assert entry is not None
        found = entry.read()
    assert b"AWS_SECRET_ACCESS_KEY" in found
    for secret in secrets(platform.data):
        assert secret not in found


def secrets(data: Path) -> list[bytes]:
    """Everything below keys/ that must be seen nowhere else."""
    keys = DataDir(data).keys
    store = json.loads((keys / "object_store.json").read_text())
    return [
        json.loads((keys / "access_key.json").read_text())["secret_access_key"].encode(),
        store["secret_access_key"].encode(),
        store["jwt_key"].encode(),
        (keys / "admin.token").read_bytes().strip(),
        (keys / "master.key").read_bytes(),
        (keys / "ca.key").read_bytes().splitlines()[1],
    ]


def test_no_secret_stands_in_a_log_or_on_a_command_line(platform: Running) -> None:
    # Whatever ran before in this session has written its lines; a refused presigned URL is sure to be among them.
    exchange(
        urlsplit(platform.url).port or 0,
        b"GET /bucket/key?X-Amz-Algorithm=x&X-Amz-Signature=presigned-signature&X-Amz-Security-Token=presigned-token"
        b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    hidden = [*secrets(platform.data), b"presigned-signature", b"presigned-token"]
    for log in DataDir(platform.data).logs.iterdir():
        text = log.read_bytes()
        assert not [secret for secret in hidden if secret in text], log
    for process in psutil.process_iter(["cmdline"]):
        line = "\0".join(process.info["cmdline"] or []).encode("utf-8", "replace")
        assert not [secret for secret in hidden if secret in line], process


def test_what_the_platform_keeps_is_its_owners_alone(platform: Running) -> None:
    directory = DataDir(platform.data)
    for folder in (directory.root, directory.keys, directory.objects, directory.sockets, directory.sockets.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    private = [*directory.keys.iterdir(), directory.platform_file, directory.objects / "s3.json"]
    for file in [*private, directory.objects / "grpc.key"]:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
