"""A platform that serves other machines: real clients by TLS, at an address that is not the one of loopback."""

import json
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import aws
from tests.integration import jobs
from tests.integration.conftest import ROOT, Running, environment_python, sagesmith, start

ADDRESS = "127.0.0.9"
"""Not where the platform serves without TLS, so that it stands for another machine's way here."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("served") / "data"
    running = start(data, "--host", "0.0.0.0", "--port", "0", environ={"SAGESMITH_TLS_NAMES": ADDRESS})
    yield running
    assert running.cli("down").returncode == 0


@pytest.fixture(scope="module")
def machine(served: Running, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of another machine's shell after it has read the script."""
    home = tmp_path_factory.mktemp("home")
    script = served.cli("env", "--for", ADDRESS)
    assert script.returncode == 0, script.stderr
    (home / "sagesmith.sh").write_text(script.stdout)
    before = {"HOME": str(home), "PATH": "/usr/bin:/bin", "AWS_PROFILE": "x", "AWS_ENDPOINT_URL_S3": "http://y"}
    ended = subprocess.run(
        ["sh", "-c", '. "$HOME/sagesmith.sh" && . "$HOME/sagesmith.sh" && env -0'],
        env=before,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stderr == ""
    return dict(line.split("=", 1) for line in ended.stdout.split("\0") if "=" in line)


def program(machine: dict[str, str], python: str, text: str) -> str:
    ended = subprocess.run([python, "-c", text], env=machine, cwd=machine["HOME"], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def secure(served: Running) -> str:
    return served.url.replace("http://127.0.0.1", f"https://{ADDRESS}")


def test_the_script_names_the_other_machines_way_here(served: Running, machine: dict[str, str]) -> None:
    assert machine["AWS_ENDPOINT_URL"] == secure(served)
    assert machine["HTTPS_PROXY"].endswith(f"@{ADDRESS}:{secure(served).rpartition(':')[2]}")
    assert "AWS_PROFILE" not in machine
    assert "AWS_ENDPOINT_URL_S3" not in machine
    assert Path(machine["AWS_CA_BUNDLE"]).read_text().count("BEGIN CERTIFICATE") >= 2


def test_objects_and_presigned_urls_go_by_tls(served: Running, machine: dict[str, str]) -> None:
    session = aws.session(machine["AWS_ACCESS_KEY_ID"], machine["AWS_SECRET_ACCESS_KEY"])
    options = {"endpoint_url": machine["AWS_ENDPOINT_URL"], "verify": machine["AWS_CA_BUNDLE"]}
    s3 = session.client("s3", **options)
    s3.create_bucket(Bucket="by-tls")
    body = bytes(range(256)) * 40_000
    s3.put_object(Bucket="by-tls", Key="a b", Body=body)
    assert s3.get_object(Bucket="by-tls", Key="a b")["Body"].read() == body
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "by-tls", "Key": "a b"})
    assert url.startswith(f"https://{ADDRESS}:")
    trusted = ssl.create_default_context(cafile=machine["AWS_CA_BUNDLE"])
    with urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusted)
    ).open(url) as answer:
        assert answer.read() == body

    sagemaker = session.client("sagemaker", **options)
    rendered = sagemaker.render_ui_template(
        UiTemplate={"Content": '<img src="{{ "s3://by-tls/x.png" | grant_read_access }}">'},
        Task={"Input": "{}"},
        RoleArn=jobs.ROLE,
    )["RenderedContent"]
    assert f'src="https://{ADDRESS}:' in rendered
    assert sagemaker.list_models()["Models"] == []


@pytest.mark.parametrize("environment", ["sdk-v2", "sdk-v3"])
def test_sessions_of_the_sdks_work_from_another_machine(environment: str, machine: dict[str, str]) -> None:
    """Both ask `sts.<region>.amazonaws.com`, whatever endpoint is set: by way of the proxy."""
    module = "sagemaker" if environment == "sdk-v2" else "sagemaker.core.helper.session_helper"
    text = (
        f"from {module} import Session\ns = Session()\n"
        "print(s.upload_string_as_file_body('hello', s.default_bucket(), 'x'))"
    )
    assert program(machine, environment_python(environment), text).endswith("s3://sagemaker-us-east-1-123456789012/x")


def test_the_aws_cli_works_from_another_machine(machine: dict[str, str]) -> None:
    command = str(Path(environment_python("aws-cli")).with_name("aws"))
    ended = subprocess.run(
        [command, "sts", "get-caller-identity", "--endpoint-url", "https://sts.us-east-1.amazonaws.com"],
        env=machine,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["Account"] == "123456789012"


def test_http_without_tls_is_for_loopback_alone(served: Running) -> None:
    refused = served.url.replace("127.0.0.1", ADDRESS)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as answer:
        opener.open(refused)
    assert answer.value.code == 400
    assert f"by TLS alone: https://{ADDRESS}:" in answer.value.read().decode()
    assert served.client("sagemaker").list_models()["Models"] == []


def test_the_proxy_opens_nothing_for_whoever_has_no_token(served: Running, machine: dict[str, str]) -> None:
    text = (
        "import sys, requests\n"
        "try: print(requests.get('https://sts.us-east-1.amazonaws.com', proxies={'https': sys.argv[1]}).status_code)\n"
        "except requests.exceptions.ProxyError as error: print(error)"
    )
    python = environment_python("sdk-v2")
    without = {name: value for name, value in machine.items() if "proxy" not in name.lower()}
    for proxy, said in ((secure(served), "407"), (machine["HTTPS_PROXY"], "403")):
        ended = subprocess.run([python, "-c", text, proxy], env=without, capture_output=True, text=True)
        assert said in ended.stdout, ended.stderr


def test_jobs_reach_the_platform_as_before(served: Running) -> None:
    program = (
        "import http.client as h, os; c = h.HTTPConnection(os.environ['AWS_ENDPOINT_URL'][7:]); c.request('GET', '/'); "
        "assert c.getresponse().status == 403"
    )
    job = jobs.shell_job(served, f'python3 -c "{program}"')
    assert jobs.wait_job(served, job)["TrainingJobStatus"] == "Completed"


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    certificate = tmp_path / "cert.pem"
    certificate.write_text("nothing")
    for words, said in (
        (["--tls-cert", str(certificate)], f"{certificate} cannot be used as a certificate with its private key"),
        (["--tls-key", str(certificate)], "--tls-key (SAGESMITH_TLS_KEY) wants the certificate too"),
    ):
        ended = sagesmith("up", "--host", "0.0.0.0", "--port", "0", "--data", str(tmp_path / "data"), *words, cwd=ROOT)
        assert ended.returncode == 1
        assert said in ended.stderr
        assert ended.stderr.count("\n") == 1
