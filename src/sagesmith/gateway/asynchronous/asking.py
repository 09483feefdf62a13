"""What an InvokeEndpointAsync asks for, read from its headers and its body.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointAsync.html; lengths and
patterns as in botocore's `sagemaker-runtime` model.
"""

import re
from dataclasses import dataclass

from sagesmith.gateway.asynchronous.objects import Place, PlaceInvalid, parse_place
from sagesmith.http.messages import Headers
from sagesmith.wire.errors import AwsError
from sagesmith.wire.validation import validation_message, violation

MAX_INLINE_BYTES = 128_000
DEFAULT_TTL_SECONDS = 21_600
DEFAULT_TIMEOUT_SECONDS = 900

_ONE_INPUT = "Body and InputLocation are mutually exclusive. Provide exactly one of them."


@dataclass(frozen=True, slots=True)
class _Text:
    """A member that is a text: what botocore's model says of it, and by which name the model server gets it."""

    member: str
    least: int
    most: int
    pattern: str | None = None
    sent_as: bytes | None = None


@dataclass(frozen=True, slots=True)
class _Number:
    member: str
    least: int
    most: int


_TEXTS = {
    b"x-amzn-sagemaker-content-type": _Text("contentType", 0, 1024, sent_as=b"content-type"),
    b"x-amzn-sagemaker-accept": _Text("accept", 0, 1024, sent_as=b"accept"),
    b"x-amzn-sagemaker-custom-attributes": _Text(
        "customAttributes", 0, 1024, sent_as=b"x-amzn-sagemaker-custom-attributes"
    ),
    b"x-amzn-sagemaker-inference-id": _Text(
        "inferenceId", 1, 64, r"\S[ -~]*", sent_as=b"x-amzn-sagemaker-inference-id"
    ),
    b"x-amzn-sagemaker-inputlocation": _Text("inputLocation", 1, 1024, r"^(https|s3)://([^/]+)/?(.*)$"),
    b"x-amzn-sagemaker-s3outputpathextension": _Text(
        "s3OutputPathExtension", 1, 512, r"^(?!s3:|https:)[a-zA-Z0-9!_.*'()/-]+$"
    ),
    b"x-amzn-sagemaker-filename": _Text("filename", 1, 32, r"^(?!.*\..*\.)[a-zA-Z0-9][a-zA-Z0-9-_\.]*$"),
}
_NUMBERS = {
    b"x-amzn-sagemaker-requestttlseconds": _Number("requestTTLSeconds", 60, 21_600),
    b"x-amzn-sagemaker-invocationtimeoutseconds": _Number("invocationTimeoutSeconds", 1, 3600),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request.

    Attributes:
        headers: what the model server gets of the client's.
        texts: the members that are texts, by the API's names, those that were given.
        input: where the input lies, None if it came with the request.
        ttl_seconds: how old it may become before a model server is asked.
        timeout_seconds: how long a model server may take.
    """

    headers: Headers
    texts: dict[str, str]
    input: Place | None
    ttl_seconds: int
    timeout_seconds: int


def read(headers: Headers, body: bytes) -> Asked:
    """Read a request.

    Raises:
        AwsError: ValidationError, in AWS's words.
    """
    texts: dict[str, str] = {}
    numbers: dict[str, int] = {}
    sent: Headers = []
    problems: list[str] = []
    for name, value in headers:
        if (text := _TEXTS.get(name)) is not None:
            said = value.decode("latin-1")
            problems += _text_problems(text, said)
            texts[text.member] = said
            if text.sent_as is not None:
                sent.append((text.sent_as, value))
        elif (number := _NUMBERS.get(name)) is not None:
            numbers[number.member], found = _number(number, value.decode("latin-1"))
            problems += found
    if len(body) > MAX_INLINE_BYTES:
        where = "failed to satisfy constraint: Member must have length less than or equal to"
        problems.append(f"Value at 'body' {where} {MAX_INLINE_BYTES}")
    if problems:
        raise _refused(validation_message(problems))
    location = texts.get("inputLocation")
    if (location is None) == (not body):
        raise _refused(_ONE_INPUT)
    _check_extension(texts.get("s3OutputPathExtension"))
    try:
        place = None if location is None else parse_place(location)
    except PlaceInvalid as error:
        raise _refused(str(error)) from error
    return Asked(
        sent,
        texts,
        place,
        numbers.get("requestTTLSeconds", DEFAULT_TTL_SECONDS),
        numbers.get("invocationTimeoutSeconds", DEFAULT_TIMEOUT_SECONDS),
    )


def _check_extension(extension: str | None) -> None:
    """An object store that keeps files takes these for the directories that they are elsewhere."""
    if extension is not None and {".", ".."} & set(extension.split("/")):
        raise _refused("S3OutputPathExtension must not have the segments '.' and '..'.")


def _text_problems(text: _Text, said: str) -> list[str]:
    constraints = []
    if len(said) < text.least:
        constraints.append(f"Member must have length greater than or equal to {text.least}")
    if len(said) > text.most:
        constraints.append(f"Member must have length less than or equal to {text.most}")
    if text.pattern is not None and re.fullmatch(text.pattern, said) is None:
        constraints.append(f"Member must satisfy regular expression pattern: {text.pattern}")
    return [violation(said, text.member, each) for each in constraints]


def _number(number: _Number, said: str) -> tuple[int, list[str]]:
    if not re.fullmatch(r"-?\d{1,18}", said):
        return 0, [violation(said, number.member, "Member must be an integer")]
    value = int(said)
    if value < number.least:
        constraint = f"Member must have value greater than or equal to {number.least}"
    elif value > number.most:
        constraint = f"Member must have value less than or equal to {number.most}"
    else:
        return value, []
    return value, [violation(value, number.member, constraint)]


def _refused(message: str) -> AwsError:
    return AwsError("ValidationError", message, 400)
