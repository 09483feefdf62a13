"""Who is let in, as what, and who answers."""

import http.client
import json
import threading
import time
from typing import Any

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError

from sagesmith.credentials import Credentials
from tests.integration.gateway.doors import Door

LIST = {"x-amz-target": "SageMaker.ListModels", "content-type": "application/x-amz-json-1.1"}


def ask(
    door: Door,
    method: str = "POST",
    target: str = "/",
    headers: dict[str, str] | None = None,
    body: bytes = b"{}",
    sign: str | None = "sagemaker",
    send: bytes | None = None,
    region: str = "us-east-1",
) -> tuple[int, dict[str, str], bytes]:
    """One request, signed by botocore for a service; `send` is a body other than the one that was signed."""
    headers = dict(headers or {})
    if sign:
        request = AWSRequest(method, door.platform.url + target, headers=headers, data=body)
        root = door.keyring.root
        keys = botocore.session.Session()
        keys.set_credentials(root.access_key_id, root.secret_access_key)
        SigV4Auth(keys.get_credentials(), sign, region).add_auth(request)
        headers = dict(request.headers)
    connection = http.client.HTTPConnection("127.0.0.1", door.platform.port)
    connection.request(method, target, body if send is None else send, headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, content


def code_of(call: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as raised:
        call()
    response = raised.value.response
    assert response["ResponseMetadata"]["RequestId"]
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_verified_request_reaches_the_api_with_what_was_verified(door: Door) -> None:
    door.api()
    status, _, content = ask(door, target="/?a=b%20c", headers={**LIST, "x-custom": "kept"}, region="eu-west-1")
    seen = json.loads(content)
    assert (status, seen["target"], seen["size"]) == (200, "/?a=b%20c", 2)
    context = json.loads(seen["headers"]["x-sagesmith-context"])
    assert (context["service"], context["region"]) == ("sagemaker", "eu-west-1")
    assert context["principal"]["access_key_id"] == door.keyring.root.access_key_id
    assert seen["headers"]["x-custom"] == "kept"
    assert "authorization" not in seen["headers"]


def test_a_clients_own_context_is_dropped(door: Door) -> None:
    door.api()
    forged = '{"service":"forged"}'
    _, _, content = ask(door, headers={**LIST, "X-Sagesmith-Context": forged, "x-sagesmith-other": "1"})
    headers = json.loads(content)["headers"]
    assert json.loads(headers["x-sagesmith-context"])["service"] == "sagemaker"
    assert "x-sagesmith-other" not in headers


def test_an_unsigned_request_is_refused(door: Door) -> None:
    status, headers, content = ask(door, headers=LIST, sign=None)
    assert (status, headers["x-amzn-errortype"]) == (403, "MissingAuthenticationToken")
    assert json.loads(content)["__type"] == "MissingAuthenticationToken"
    assert headers["x-amzn-requestid"]


def test_an_unsigned_query_request_is_refused_in_xml(door: Door) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    status, _, content = ask(door, headers=form, body=b"Action=GetCallerIdentity&Version=2011-06-15", sign=None)
    assert status == 403
    assert b"<Code>MissingAuthenticationToken</Code>" in content


def test_an_unsigned_get_is_refused_as_s3_does(door: Door) -> None:
    status, _, content = ask(door, "GET", "/bucket/key", body=b"", sign=None)
    assert status == 403
    assert b"<Code>AccessDenied</Code>" in content


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("sagemaker", "list_models", ("UnrecognizedClientException", 400)),
        ("sts", "get_caller_identity", ("InvalidClientTokenId", 403)),
    ],
)
def test_an_unknown_key_is_refused(door: Door, service: str, operation: str, expected: tuple[str, int]) -> None:
    client = door.client(service, Credentials("AKIAUNKNOWN", "x"))
    assert code_of(getattr(client, operation)) == expected


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        ("sagemaker", "list_models", ("InvalidSignatureException", 400)),
        ("sts", "get_caller_identity", ("SignatureDoesNotMatch", 403)),
    ],
)
def test_a_wrong_secret_is_refused(door: Door, service: str, operation: str, expected: tuple[str, int]) -> None:
    client = door.client(service, Credentials(door.keyring.root.access_key_id, "wrong"))
    assert code_of(getattr(client, operation)) == expected


def test_a_token_that_is_over_is_refused(door: Door) -> None:
    over = door.keyring.mint("arn:aws:iam::123456789012:role/R", "s", -1)
    assert code_of(door.client("sagemaker", over).list_models) == ("ExpiredTokenException", 400)


def test_temporary_credentials_are_known_by_their_token(door: Door) -> None:
    door.api()
    minted = door.keyring.mint("arn:aws:iam::123456789012:role/R", "s", 60)
    assert door.client("sagemaker", minted).list_models()["ResponseMetadata"]["HTTPStatusCode"] == 200


@pytest.mark.parametrize("sent", [b"{ }", b"", b"{}x"])
def test_a_body_other_than_the_signed_one_is_refused(door: Door, sent: bytes) -> None:
    door.api()
    status, headers, _ = ask(door, headers=LIST, send=sent)
    assert (status, headers["x-amzn-errortype"]) == (400, "InvalidSignatureException")


def test_unsigned_payload_is_for_s3_only(door: Door) -> None:
    headers = {**LIST, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
    status, answered, _ = ask(door, headers=headers)
    assert (status, answered["x-amzn-errortype"]) == (400, "InvalidSignatureException")


def test_a_scope_without_a_region_is_refused(door: Door) -> None:
    status, headers, content = ask(door, headers=LIST, region="nowhere")
    assert (status, headers["x-amzn-errortype"]) == (400, "InvalidSignatureException")
    assert "valid region" in json.loads(content)["message"]


def test_half_a_signature_is_incomplete(door: Door) -> None:
    headers = {**LIST, "authorization": "AWS4-HMAC-SHA256 Credential=x"}
    status, answered, _ = ask(door, headers=headers, sign=None)
    assert (status, answered["x-amzn-errortype"]) == (400, "IncompleteSignatureException")


def test_a_body_over_ten_megabytes_is_too_large(door: Door) -> None:
    status, _, content = ask(door, headers=LIST, body=bytes(10_485_761))
    assert (status, content) == (413, b"HTTP content length exceeded 10485760 bytes.")


def test_a_request_waits_for_an_api_that_is_being_restarted(door: Door) -> None:
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(ask(door, headers=LIST)[0]))
    asking.start()
    door.api()
    asking.join()
    assert answers == [200]


def test_an_api_that_does_not_come_back_is_unavailable_for_now(door: Door) -> None:
    status, headers, _ = ask(door, headers=LIST)
    assert (status, headers["x-amzn-errortype"], headers["retry-after"]) == (503, "ServiceUnavailable", "1")


def test_refusals_are_logged_with_their_request_id_and_no_secret(door: Door) -> None:
    _, headers, _ = ask(door, headers=LIST, target="/?X-Amz-Security-Token=hidden", sign=None)
    wanted = headers["x-amzn-requestid"]
    deadline = time.monotonic() + 10
    lines: list[dict[str, Any]] = []
    while not lines and time.monotonic() < deadline:
        lines = [line for line in door.lines() if line.get("request_id") == wanted]
    assert lines[0]["error"] == "MissingAuthenticationToken"
    assert "hidden" not in door.log.read_text()
