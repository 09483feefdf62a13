"""The audit trail: a record of every call that changes something, or would have.

Which calls those are is CloudTrail's distinction of management events that write: neither those that only read (for
which it counts AssumeRole and cryptography with KMS keys) nor data events, such as PutLogEvents and BatchPutMetrics.

Sources: https://docs.aws.amazon.com/awscloudtrail/latest/userguide/logging-management-events-with-cloudtrail.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/logging-using-cloudtrail.html
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import orjson

from sagesmith.credentials import Principal
from sagesmith.store import AuditRecord, Store, Transaction
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import AwsError
from sagesmith.wire.models import Operation, ServiceModel, Shape, ShapeCompiler

HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
"""What CloudTrail has in the place of a secret."""

MAX_ELEMENTS_BYTES = 102_400
"""Of requestParameters and of responseElements; what is longer is left out, as CloudTrail does."""

RESOURCE_PREFIXES = {"iam": "AWS::IAM", "kms": "AWS::KMS", "logs": "AWS::Logs", "sagemaker": "AWS::SageMaker"}
"""The services whose calls are recorded, and what their types of resources begin with."""

_READING = re.compile(r"(?:Batch)?(?:Describe|Filter|Get|List|Query|Render|Search|Simulate)[A-Z]|Search$")
_NOT_RECORDED: Mapping[str, re.Pattern[str]] = {
    "kms": re.compile(r"(?:De|En|ReEn)crypt|Generate\w+|Sign|Verify\w*"),
    "logs": re.compile(r"PutLogEvents"),
}
_NAMING = re.compile(r"(\w+?)(Name|Arn|Id)")
_ARN = re.compile(r"arn:[^:]+:[^:]+:[^:]*:[^:]*:(.+)")

Redact = Callable[[Any], Any]


def _unchanged(value: Any) -> Any:
    """Hides nothing: what a shape without secrets is compiled to."""
    return value


class AuditTrail:
    """Keeps the records in the store; a `wire.audit.Audit`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._redactors: dict[str, ShapeCompiler[Redact]] = {}

    def recorder(self, model: ServiceModel, operation: Operation) -> "OperationRecorder | None":
        if not is_recorded(model.service, operation.name):
            return None
        compiler = self._redactors.setdefault(model.service, ShapeCompiler(model, _redactor))
        return OperationRecorder(self._store, model, operation, compiler)


def is_recorded(service: str, operation: str) -> bool:
    """Whether calls of an operation change something. `service` is botocore's name."""
    if service not in RESOURCE_PREFIXES or _READING.match(operation):
        return False
    exceptions = _NOT_RECORDED.get(service)
    return exceptions is None or not exceptions.fullmatch(operation)


class OperationRecorder:
    """Keeps the records of one operation's calls; a `wire.audit.Recorder`."""

    def __init__(
        self, store: Store, model: ServiceModel, operation: Operation, compiler: ShapeCompiler[Redact]
    ) -> None:
        self._store = store
        self._service = model.service
        self._operation = operation.name
        self._redact_input = compiler(operation.input) if operation.input else _unchanged
        self._redact_output = compiler(operation.output) if operation.output else _unchanged
        self._names = _naming_members(model, operation)

    def wrap(self, handler: Handler) -> Handler:
        """The handler, whose last transaction has a record of the call in it."""
        store = self._store

        def handle(context: RequestContext, params: Params) -> Params:
            def record(tx: Transaction, answer: Params) -> None:
                tx.put_audit_record(self._record(context, params, answer, None))

            return store.completed(lambda: handler(context, params), record)

        return handle

    def refused(self, context: RequestContext, params: Params | None, error: AwsError) -> None:
        """Keep a record of a refusal, in a transaction of its own."""
        record = self._record(context, params, None, error)
        with self._store.write() as tx:
            tx.put_audit_record(record)

    def _record(
        self, context: RequestContext, params: Params | None, answer: Params | None, error: AwsError | None
    ) -> AuditRecord:
        kind, resource = self._resource(params or {}, answer or {})
        principal = context.principal
        details = {
            "principal": _identity(principal),
            "source_ip": context.source_ip,
            "user_agent": context.user_agent,
            "request_id": context.request_id,
            "request": _fitting(self._redact_input, params, "requestParameters"),
            "response": _fitting(self._redact_output, answer, "responseElements"),
        }
        if error is not None:
            details |= {"error_code": error.code, "error_message": error.message}
        return AuditRecord(
            time.time_ns() // 1000,
            context.region,
            self._service,
            self._operation,
            principal.arn.rpartition("/")[2],
            principal.access_key_id,
            kind,
            resource,
            details,
        )

    def _resource(self, params: Params, answer: Params) -> tuple[str, str]:
        """Type and name of what a call is about: what it names, else what it was answered with."""
        for member, noun in self._names:
            value = params.get(member) or answer.get(member)
            if isinstance(value, str):
                return self._named(noun, value)
        for value in answer.values():
            arn = value.get("Arn") if isinstance(value, dict) else None
            if isinstance(arn, str):
                return self._named("", arn)
        return "", ""

    def _named(self, noun: str, value: str) -> tuple[str, str]:
        kind, name = split_arn(value)
        noun = noun or kind
        return (f"{RESOURCE_PREFIXES[self._service]}::{noun}" if noun else ""), name


def split_arn(value: str) -> tuple[str, str]:
    """What an ARN says of the type, as CloudTrail spells it, and of the name; of another value that it is a name."""
    found = _ARN.fullmatch(value)
    if found is None:
        return "", value
    kind, separator, name = re.sub(r":", "/", found[1], count=1).partition("/")
    return ("".join(part.capitalize() for part in kind.split("-")), name) if separator else ("", found[1])


def _naming_members(model: ServiceModel, operation: Operation) -> Sequence[tuple[str, str]]:
    """The members by which an operation's input or output names its resource → the noun, the best first.

    That is `EndpointName` for UpdateEndpointWeightsAndCapacities: the longest noun that the operation's own begins
    with. Of AddTags, whose noun nothing is named by, it is the first required member that names anything.
    """
    noun = re.sub(r"^[A-Z][a-z]+", "", operation.name, count=1)
    stems: list[tuple[int, str, str]] = []
    for shape in (operation.input, operation.output):
        for member in model.shapes[shape].get("members", {}) if shape else ():
            named = _NAMING.fullmatch(member)
            stem = _capital(named[1]) if named else ""
            if stem != "Resource" and stem and noun.startswith(stem):
                stems.append((-len(stem), member, stem))
    if stems:
        return [(member, stem) for _, member, stem in sorted(stems, key=lambda each: each[0])]
    required = model.shapes[operation.input].get("required", ()) if operation.input else ()
    named_by = [found for member in required if (found := _NAMING.fullmatch(member))]
    return [(each[0], "" if each[2] == "Arn" else _capital(each[1])) for each in named_by[:1]]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


@lru_cache(maxsize=1024)
def _identity(principal: Principal) -> dict[str, str | None]:
    return {
        "arn": principal.arn,
        "account_id": principal.account_id,
        "user_id": principal.user_id,
        "job_arn": principal.job_arn,
    }


def _fitting(redact: Redact, value: Params | None, name: str) -> Any:
    """A request's or an answer's members without their secrets, as a JSON value."""
    if not value:
        return None
    content = orjson.dumps(redact(value), default=_hidden)
    if len(content) > MAX_ELEMENTS_BYTES:
        return {"omitted": True, "originalSize": len(content), "reason": f"{name} too large"}
    return orjson.Fragment(content)


def _hidden(value: object) -> str:
    """Blobs: most are key material."""
    return HIDDEN


def _redactor(name: str, shape: Shape, compile_shape: ShapeCompiler[Redact]) -> Redact:
    """What hides the secrets of a shape's values."""
    if shape.get("sensitive"):
        return _hidden
    match shape["type"]:
        case "structure":
            members = {
                member: _BY_NAME.get(member) or compile_shape(each["shape"])
                for member, each in shape.get("members", {}).items()
            }
            members = {member: redact for member, redact in members.items() if redact is not _unchanged}
            return _of_members(members) if members else _unchanged
        case "list":
            redact = compile_shape(shape["member"]["shape"])
            return _unchanged if redact is _unchanged else lambda value: [redact(each) for each in value]
        case "map":
            redact = compile_shape(shape["value"]["shape"])
            if redact is not _unchanged:
                return lambda value: {key: redact(each) for key, each in value.items()}
    return _unchanged


def _of_members(members: Mapping[str, Redact]) -> Redact:
    def redact(value: Any) -> Any:
        hidden = {member: hide(value[member]) for member, hide in members.items() if value.get(member) is not None}
        return {**value, **hidden} if hidden else value

    return redact


def _hide_values(value: Any) -> Any:
    """Of environment variables, which people put keys into, the names are kept."""
    return dict.fromkeys(value, HIDDEN) if isinstance(value, dict) else value


_BY_NAME: Mapping[str, Redact] = {
    "AuthorizedUrl": _hidden,
    "Environment": _hide_values,
    "PresignedUrl": _hidden,
    "SecretAccessKey": _hidden,
}
"""Secrets that the models do not mark as such."""
