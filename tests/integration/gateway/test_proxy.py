"""The proxy, as clients use it."""

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from sagesmith.hosts import TASKS_SOURCE_ADDRESS
from sagesmith.http.messages import Request, Response
from tests.integration.gateway.doors import Door, opened


def inside(door: Door, host: str) -> http.client.HTTPSConnection:
    """An HTTPS connection to a host through the proxy, trusting the bundle that clients are given."""
    context = ssl.create_default_context(cafile=str(door.platform.dir.tls / "bundle.pem"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    connection = http.client.HTTPSConnection("127.0.0.1", door.platform.proxy_port, context=context)
    connection.set_tunnel(host)
    return connection


def connect(door: Door, target: str) -> tuple[int, bytes]:
    """A CONNECT that is expected to be refused."""
    with socket.create_connection(("127.0.0.1", door.platform.proxy_port)) as plain:
        plain.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        response = http.client.HTTPResponse(plain)
        response.begin()
        return response.status, response.read()


@contextlib.contextmanager
def echo_server() -> Iterator[int]:
    """Sends back what comes, and closes when its peer does."""

    def serve(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listening.accept()
                with peer:
                    while piece := peer.recv(65536):
                        peer.sendall(piece)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        yield listening.getsockname()[1]


def test_a_client_that_believes_to_speak_with_aws_speaks_with_us(door: Door) -> None:
    seen: list[Request] = []

    async def handler(request: Request) -> Response:
        seen.append(request)
        await request.body.read(10_000)
        xml = b"<R><GetCallerIdentityResult><Account>1</Account></GetCallerIdentityResult></R>"
        return Response(200, [(b"content-type", b"text/xml")], xml)

    door.api(handler)
    assert door.proxied("sts", "eu-west-1").get_caller_identity()["Account"] == "1"
    assert dict(seen[0].headers)[b"host"] == b"sts.eu-west-1.amazonaws.com"
    assert json.loads(dict(seen[0].headers)[b"x-sagesmith-context"])["region"] == "eu-west-1"


def test_one_tunnel_serves_many_requests(door: Door) -> None:
    connection = inside(door, "sagemaker.us-east-1.amazonaws.com")
    for _ in range(3):
        connection.request("POST", "/", b"{}", {"x-amz-target": "SageMaker.ListModels"})
        response = connection.getresponse()
        assert (response.status, b"MissingAuthenticationToken" in response.read()) == (403, True)
    connection.close()


def test_telemetry_is_answered_with_nothing(door: Door) -> None:
    connection = inside(door, "sm-pysdk-t-us-west-2.s3.us-west-2.amazonaws.com")
    connection.request("GET", "/telemetry?x=1")
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"")
    connection.close()


def test_a_bucket_host_is_s3(door: Door) -> None:
    connection = inside(door, "my-bucket.s3.us-east-1.amazonaws.com")
    connection.request("GET", "/key")
    response = connection.getresponse()
    assert (response.status, b"<Code>AccessDenied</Code>" in response.read()) == (403, True)
    connection.close()


def test_an_aws_service_that_we_have_not_says_so(door: Door) -> None:
    connection = inside(door, "public.ecr.us-east-1.amazonaws.com")
    connection.request("GET", "/v2/", headers={"authorization": "Basic eA=="})
    response = connection.getresponse()
    assert response.status == 501
    assert b"no service of that name" in response.read()
    connection.close()


def test_a_signed_request_to_a_service_that_we_have_not_is_the_apis_to_refuse(door: Door) -> None:
    seen: list[str] = []

    async def handler(request: Request) -> Response:
        seen.append(json.loads(request.header(b"x-sagesmith-context") or b"{}")["service"])
        return Response(501, [], b"<Response/>")

    door.api(handler)
    with pytest.raises(ClientError):
        door.proxied("ec2").describe_instances()
    assert seen == ["ec2"]


def test_other_hosts_are_tunnelled_untouched(door: Door) -> None:
    with echo_server() as port, socket.create_connection(("127.0.0.1", door.platform.proxy_port)) as plain:
        plain.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += plain.recv(1)
        assert head.startswith(b"HTTP/1.1 200")
        sent = bytes(range(256)) * 40_000
        threading.Thread(target=lambda: (plain.sendall(sent), plain.shutdown(socket.SHUT_WR))).start()
        received = b""
        while piece := plain.recv(1 << 20):
            received += piece
        assert received == sent


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("169.254.169.254:80", 403),
        ("[fd00:ec2::254]:80", 403),
        ("2852039166:80", 403),
        ("s3.amazonaws.com:8080", 501),
        ("nonsense", 400),
        ("does-not-exist.invalid:443", 502),
    ],
)
def test_what_is_not_tunnelled_says_why(door: Door, target: str, status: int) -> None:
    got, content = connect(door, target)
    assert got == status
    assert content


def test_the_proxy_does_not_tunnel_to_itself(door: Door) -> None:
    assert connect(door, f"127.0.0.1:{door.platform.proxy_port}")[0] == 508


def asked_by_a_task(door: Door, target: str, request: str = "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n") -> int:
    """The status of the proxy's answer to user code, whose connections the node agent makes."""
    where = ("127.0.0.1", door.platform.proxy_port)
    with socket.create_connection(where, source_address=(TASKS_SOURCE_ADDRESS, 0)) as plain:
        plain.sendall(request.format(target).encode())
        return int(plain.makefile("rb").readline().split()[1])


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.9.9.9", "2130706433", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::]", "own"],
)
def test_user_code_does_not_reach_this_machines_ports_through_the_proxy(door: Door, host: str) -> None:
    with socket.create_server(("", 0)) as inner:
        port = inner.getsockname()[1]
        place = f"{own_address() if host == 'own' else host}:{port}"
        assert asked_by_a_task(door, place) == 403
        assert asked_by_a_task(door, place, "GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\n\r\n") == 403
        inner.setblocking(False)
        with pytest.raises(BlockingIOError):
            inner.accept()


def own_address() -> str:
    """One of this machine's addresses that is not loopback's, if it has any."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def test_user_code_reaches_the_front_door_through_the_proxy(door: Door) -> None:
    assert asked_by_a_task(door, f"127.0.0.1:{door.platform.port}") == 200
    unsigned = asked_by_a_task(door, f"127.0.0.1:{door.platform.port}", "GET http://{0}/ HTTP/1.1\r\nHost: {0}\r\n\r\n")
    assert unsigned == 403


def test_user_code_reaches_the_ports_that_were_opened_for_it(tmp_path: Path) -> None:
    with echo_server() as port, opened(tmp_path, job_ports=[port]) as door:
        assert asked_by_a_task(door, f"127.0.0.1:{port}") == 200


def test_a_former_proxy_on_this_machine_is_no_way_to_its_ports(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as upstream:
        upstream.setblocking(False)
        former = f"http://127.0.0.1:{upstream.getsockname()[1]}"
        with opened(tmp_path, {"HTTPS_PROXY": former}) as door:
            # The address 127.0.0.1 as a number, which is no name and not written as an address either.
            assert asked_by_a_task(door, "2130706433:5432") == 403
        with pytest.raises(BlockingIOError):
            upstream.accept()


class Origin(BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = json.dumps({"path": self.path, "headers": dict(self.headers), "body": body.decode()}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def origin() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Origin) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_plain_http_is_passed_on_without_a_trace_of_us(door: Door) -> None:
    with origin() as port:
        connection = http.client.HTTPConnection("127.0.0.1", door.platform.proxy_port)
        connection.request(
            "POST", f"http://127.0.0.1:{port}/a?b=c", b"hello", {"proxy-authorization": "Basic x", "x-y": "z"}
        )
        seen = json.loads(connection.getresponse().read())
        connection.close()
    assert (seen["path"], seen["body"]) == ("/a?b=c", "hello")
    headers = {name.lower(): value for name, value in seen["headers"].items()}
    assert headers["x-y"] == "z"
    assert headers["host"] == f"127.0.0.1:{port}"
    assert not {"via", "proxy-authorization", "x-forwarded-for", "proxy-connection"} & headers.keys()


def test_metadata_is_not_fetched_over_plain_http_either(door: Door) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", door.platform.proxy_port)
    connection.request("GET", "http://169.254.169.254/latest/meta-data/iam/security-credentials/")
    assert connection.getresponse().status == 403
    connection.close()


def test_the_users_former_proxy_is_asked_with_its_login(tmp_path: Path) -> None:
    asked: list[bytes] = []

    def upstream(listening: socket.socket) -> None:
        peer, _ = listening.accept()
        with peer:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += peer.recv(1)
            asked.append(head)
            peer.sendall(b"HTTP/1.1 200 OK\r\n\r\nearly")
            peer.sendall(peer.recv(5).upper())

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=upstream, args=(listening,), daemon=True).start()
        port = listening.getsockname()[1]
        with (
            opened(tmp_path, {"HTTPS_PROXY": f"http://me:pw@127.0.0.1:{port}"}) as door,
            socket.create_connection(("127.0.0.1", door.platform.proxy_port)) as plain,
        ):
            plain.sendall(b"CONNECT pypi.example:443 HTTP/1.1\r\nHost: pypi.example:443\r\n\r\n")
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += plain.recv(1)
            plain.sendall(b"hello")
            received = b""
            while piece := plain.recv(100):
                received += piece
    assert received == b"earlyHELLO"
    assert asked[0].startswith(b"CONNECT pypi.example:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic bWU6cHc=\r\n" in asked[0]
