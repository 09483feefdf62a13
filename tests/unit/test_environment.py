"""What clients are told, as a pure function of what the user had."""

from pathlib import Path

import pytest

from sagesmith.config import Platform
from sagesmith.credentials import Credentials
from sagesmith.environment import CA_VARIABLES, client_environment, write_bundle
from sagesmith.gateway.tls import ensure_ca

KEY = Credentials("AKIAEXAMPLE", "secret")


def platform(data: str = "/data", host: str = "127.0.0.1") -> Platform:
    return Platform(
        data, host, 9900, 9901, 9902, "123456789012", "us-east-1", "sqlite://", "http://s3", "a", "b", "/c", 1
    )


def test_clients_get_the_endpoint_the_keys_and_both_spellings_of_the_proxy() -> None:
    variables = client_environment(platform(), KEY, {})
    assert variables["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9900"
    assert variables["AWS_ACCESS_KEY_ID"] == "AKIAEXAMPLE"
    assert variables["AWS_SECRET_ACCESS_KEY"] == "secret"
    assert variables["AWS_REGION"] == variables["AWS_DEFAULT_REGION"] == "us-east-1"
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        assert variables[name] == "http://127.0.0.1:9901"
    for name in CA_VARIABLES:
        assert variables[name] == "/data/tls/bundle.pem"
    assert variables["AWS_EC2_METADATA_DISABLED"] == "true"


def test_what_would_mislead_a_client_is_unset() -> None:
    environ = {
        "AWS_PROFILE": "work",
        "AWS_SESSION_TOKEN": "old",
        "AWS_ENDPOINT_URL_S3": "https://elsewhere",
        "HOME": "/h",
    }
    variables = client_environment(platform(), KEY, environ)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_ROLE_ARN", "ALL_PROXY"):
        assert variables[name] is None
    assert "HOME" not in variables


def test_temporary_credentials_bring_their_token() -> None:
    variables = client_environment(platform(), Credentials("ASIA", "s", "token", 1.0), {"AWS_SESSION_TOKEN": "old"})
    assert variables["AWS_SESSION_TOKEN"] == "token"


@pytest.mark.parametrize(
    ("users", "kept"),
    [
        ("", ""),
        ("corp.example,10.0.0.0/8", ",corp.example,10.0.0.0/8"),
        (".amazonaws.com, s3.eu-west-1.amazonaws.com,*.api.aws,corp.example", ",corp.example"),
        ("*", ""),
        (".com,aws,amazonaws.com:443,notamazonaws.com", ",notamazonaws.com"),
        ("127.0.0.1,169.254.169.254", ",169.254.169.254"),
    ],
)
def test_no_proxy_keeps_the_users_list_but_lets_nothing_slip_past_to_aws(users: str, kept: str) -> None:
    variables = client_environment(platform(), KEY, {"NO_PROXY": users})
    assert variables["NO_PROXY"] == variables["no_proxy"] == "localhost,127.0.0.1,::1" + kept


def test_both_spellings_of_no_proxy_are_carried_over() -> None:
    variables = client_environment(platform(), KEY, {"NO_PROXY": "a.example", "no_proxy": "b.example"})
    assert variables["no_proxy"] == "localhost,127.0.0.1,::1,b.example,a.example"


def test_the_bundle_is_the_users_and_ours_and_never_grows(tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    ensure_ca(tmp_path / "keys", tmp_path / "tls")
    ours = (tmp_path / "tls" / "ca.pem").read_text().strip()
    other = tmp_path / "other"
    other.mkdir()
    ensure_ca(other / "keys", other)
    users = tmp_path / "users.pem"
    users.write_text("# a comment\n" + (other / "ca.pem").read_text())
    bundle = write_bundle(tmp_path / "tls", {"REQUESTS_CA_BUNDLE": str(users), "SSL_CERT_FILE": "/nonexistent"})
    first = bundle.read_text()
    assert first.count("BEGIN CERTIFICATE") == 2
    assert ours in first
    assert (other / "ca.pem").read_text().strip() in first
    write_bundle(tmp_path / "tls", {"REQUESTS_CA_BUNDLE": str(users), "AWS_CA_BUNDLE": str(bundle)})
    assert bundle.read_text() == first


def test_a_bundle_that_cannot_be_read_gives_way_to_the_systems(tmp_path: Path) -> None:
    ensure_ca(tmp_path / "keys", tmp_path)
    system = write_bundle(tmp_path, {}).read_text()
    assert write_bundle(tmp_path, {"SSL_CERT_FILE": str(tmp_path / "none")}).read_text() == system
