"""Which names are AWS's, and what the proxy does about the others."""

import pytest

from sagesmith import hosts
from sagesmith.gateway.destinations import Client, Refused
from sagesmith.gateway.proxy import Upstream, _authority


@pytest.mark.parametrize(
    "host",
    ["sts.amazonaws.com", "b.s3.us-east-1.amazonaws.com", "s3.cn-north-1.amazonaws.com.cn", "x.us-east-1.api.aws"],
)
def test_aws_hosts_are_known(host: str) -> None:
    assert hosts.is_aws(host)


@pytest.mark.parametrize("host", ["pypi.org", "aws.amazon.com", "evilamazonaws.com", "amazonaws.com.evil.net", "aws"])
def test_other_hosts_are_left_alone(host: str) -> None:
    assert not hosts.is_aws(host)


def test_the_sdks_telemetry_is_known() -> None:
    assert hosts.is_telemetry("sm-pysdk-t-us-west-2.s3.us-west-2.amazonaws.com")
    assert hosts.is_telemetry("dev-exp-t-eu-west-1.s3.eu-west-1.amazonaws.com")
    assert not hosts.is_telemetry("my-bucket.s3.us-west-2.amazonaws.com")
    assert not hosts.is_telemetry(None)


@pytest.mark.parametrize(
    "host",
    [
        "sts.us-east-1.amazonaws.com",
        "iam.amazonaws.com",
        "runtime.sagemaker.x.amazonaws.com",
        "metrics.sagemaker.x.amazonaws.com",
    ],
)
def test_services_that_we_have_are_told_from_those_that_we_have_not(host: str) -> None:
    assert hosts.is_provided(host)
    assert not hosts.is_provided("ec2.us-east-1.amazonaws.com")


@pytest.mark.parametrize(
    ("text", "parsed"),
    [("a.example:443", ("a.example", 443)), ("[::1]:80", ("::1", 80)), ("A.Example.:8443", ("a.example", 8443))],
)
def test_a_connect_target_is_a_host_and_a_port(text: str, parsed: tuple[str, int]) -> None:
    assert _authority(text) == parsed


@pytest.mark.parametrize("text", ["", "a.net", "a.net:", "a.net:0", "a.net:70000", ":443", "u@h:1", "/x:1"])
def test_what_is_no_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        _authority(text)
    assert refused.value.status == 400


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "169.254.170.2"])
def test_metadata_addresses_are_refused(address: str) -> None:
    with pytest.raises(Refused) as refused:
        Client("127.0.0.1", ()).check(address, 80)
    assert refused.value.status == 403


def test_the_former_proxy_is_used_with_its_login_and_its_exceptions() -> None:
    environ = {"HTTPS_PROXY": "http://user:p%40ss@proxy.corp:3128", "NO_PROXY": "internal.corp,10.0.0.0/8"}
    upstream = Upstream.from_environment(environ, 9901)
    assert upstream is not None
    assert (upstream.host, upstream.port) == ("proxy.corp", 3128)
    assert upstream.authorization == b"Basic dXNlcjpwQHNz"
    assert upstream.serves("pypi.org")
    assert not upstream.serves("a.internal.corp")
    assert not upstream.serves("10.1.2.3")
    assert not upstream.serves("localhost")


def test_our_own_setting_beats_the_former_proxy() -> None:
    environ = {"HTTPS_PROXY": "http://a:1", "SAGESMITH_UPSTREAM_PROXY": "b:2", "SAGESMITH_UPSTREAM_NO_PROXY": "*"}
    upstream = Upstream.from_environment(environ, 9901)
    assert upstream is not None
    assert (upstream.host, upstream.port) == ("b", 2)
    assert not upstream.serves("pypi.org")


@pytest.mark.parametrize("environ", [{}, {"HTTPS_PROXY": "http://127.0.0.1:9901"}, {"https_proxy": "socks5://h:1"}])
def test_we_are_never_our_own_upstream(environ: dict[str, str]) -> None:
    assert Upstream.from_environment(environ, 9901) is None
