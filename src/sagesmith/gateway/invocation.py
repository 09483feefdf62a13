"""What an invocation asks for, read from its path and its headers.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html and
API_runtime_InvokeEndpointWithResponseStream.html; lengths and patterns as in botocore's `sagemaker-runtime` model.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from sagesmith.gateway import target_models
from sagesmith.http.messages import Headers
from sagesmith.wire.errors import AwsError
from sagesmith.wire.validation import validation_message

NEW_SESSION = "NEW_SESSION"

_PATH = re.compile(rb"/endpoints/([^/]+)/(invocations|async-invocations|invocations-response-stream)/?")
_OPERATIONS = {
    b"invocations": "InvokeEndpoint",
    b"async-invocations": "InvokeEndpointAsync",
    b"invocations-response-stream": "InvokeEndpointWithResponseStream",
}
_CUSTOM_ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
TARGET_MODEL = b"x-amzn-sagemaker-target-model"
_SESSION_ID = b"x-amzn-sagemaker-session-id"
_TARGET_VARIANT = b"x-amzn-sagemaker-target-variant"
_COMPONENT = b"x-amzn-sagemaker-inference-component"
_TARGET_CONTAINER = b"x-amzn-sagemaker-target-container-hostname"
_STREAM_ACCEPT = b"x-amzn-sagemaker-accept"
_NAMES = (_TARGET_VARIANT, _SESSION_ID, TARGET_MODEL, _COMPONENT, _TARGET_CONTAINER)
"""What an `Invocation` names, in the order of its members."""
_NOT_OF_STREAMS = frozenset((b"accept", TARGET_MODEL))
_NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9])*"


@dataclass(frozen=True, slots=True)
class _Header:
    """A header of the API.

    Attributes:
        member: of the operation's input.
        limit: characters.
        pattern: what its value must match, as AWS's message shows it; None: anything.
        sent_as: by which name the model server gets it, None if it does not.
        needs: what an endpoint must have for it and none here has, None for what every endpoint takes.
    """

    member: str
    limit: int
    pattern: str | None = None
    sent_as: bytes | None = None
    needs: str | None = None


_HEADERS = {
    b"content-type": _Header("contentType", 1024, sent_as=b"content-type"),
    b"accept": _Header("accept", 1024, sent_as=b"accept"),
    _STREAM_ACCEPT: _Header("accept", 1024, sent_as=b"accept"),
    _CUSTOM_ATTRIBUTES: _Header("customAttributes", 1024, sent_as=_CUSTOM_ATTRIBUTES),
    b"x-amzn-sagemaker-inference-id": _Header("inferenceId", 64, sent_as=b"x-amzn-sagemaker-inference-id"),
    _TARGET_VARIANT: _Header("targetVariant", 63, _NAME),
    _SESSION_ID: _Header("sessionId", 256, f"^({NEW_SESSION})$|^{_NAME}$", sent_as=_SESSION_ID),
    b"x-amzn-sagemaker-prefix-aware-id": _Header("prefixAwareId", 256),
    TARGET_MODEL: _Header("targetModel", 1024, sent_as=TARGET_MODEL),
    _TARGET_CONTAINER: _Header("targetContainerHostname", 63, _NAME),
    _COMPONENT: _Header("inferenceComponentName", 63, r"[a-zA-Z0-9]([\-a-zA-Z0-9]*[a-zA-Z0-9])?"),
    b"x-amzn-sagemaker-enable-explanations": _Header("enableExplanations", 64, needs="an ExplainerConfig"),
}


@dataclass(frozen=True, slots=True)
class Invocation:
    """An invocation.

    Attributes:
        endpoint: as the client named it.
        headers: what the model server gets of the client's (AWS strips all others).
        target_variant: the variant that it is to go to, None for any.
        session: the session that it belongs to, `NEW_SESSION`, or None.
        target_model: which model of a multi-model endpoint it is for, None if it names none.
        component: the inference component that it is to go to.
        target_container: which of several containers it is for, None if it names none.
    """

    endpoint: str
    headers: Headers
    target_variant: str | None
    session: str | None
    target_model: str | None = None
    component: str | None = None
    target_container: str | None = None


def parse_path(method: str, path: bytes) -> tuple[str, str] | None:
    """The operation and the endpoint's name, None if the request is no invocation."""
    if method != "POST" or not path.startswith(b"/endpoints/"):
        return None
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    name = match[1].decode("latin-1")
    return _OPERATIONS[match[2]], unquote(name) if "%" in name else name


def read(operation: str, endpoint: str, headers: Headers) -> Invocation:
    """Read an invocation.

    Raises:
        AwsError: ValidationError, in AWS's words.
    """
    streams = operation == "InvokeEndpointWithResponseStream"
    kept: Headers = []
    named: dict[bytes, str] = {}
    problems: list[str] = []
    for name, value in headers:
        known = _HEADERS.get(name)
        if known is None or (streams and name in _NOT_OF_STREAMS) or (not streams and name == _STREAM_ACCEPT):
            continue
        if known.needs is not None:
            raise _not_for(endpoint, known)
        if len(value) > known.limit or known.pattern is not None:
            problems += _problems(known, value.decode("latin-1"))
        if known.sent_as is not None:
            kept.append((known.sent_as, value))
        if name in _NAMES:
            named[name] = value.decode("latin-1")
    if problems:
        raise AwsError("ValidationError", validation_message(problems), 400)
    if (model := named.get(TARGET_MODEL)) is not None:
        target_models.check(model)
    if streams and named.get(_SESSION_ID) == NEW_SESSION:
        raise AwsError("ValidationError", "InvokeEndpointWithResponseStream cannot create a session.", 400)
    return Invocation(endpoint, kept, *map(named.get, _NAMES))


def _not_for(endpoint: str, header: _Header) -> AwsError:
    member = header.member[0].upper() + header.member[1:]
    said = f"{member} can be specified only for an endpoint that has {header.needs}: endpoint {endpoint} has none."
    return AwsError("ValidationError", said, 400)


def _problems(header: _Header, value: str) -> list[str]:
    where = f"Value at '{header.member}' failed to satisfy constraint: Member must"
    problems = []
    if len(value) > header.limit:
        problems.append(f"{where} have length less than or equal to {header.limit}")
    if header.pattern is not None and re.fullmatch(header.pattern, value) is None:
        problems.append(f"{where} satisfy regular expression pattern: {header.pattern}")
    return problems
