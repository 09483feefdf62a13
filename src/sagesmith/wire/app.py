"""From a verified request to an answer: find the operation, parse, validate, call its handler, serialise."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from sagesmith import logging
from sagesmith.http.messages import Headers, Response
from sagesmith.wire.answers import UNKNOWN_OPERATION, error_response
from sagesmith.wire.audit import Audit, Recorder
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import AwsError, InternalFailure, NotImplementedException, ServiceUnavailable
from sagesmith.wire.models import Operation, ServiceModel, UnknownService, load_model, services_of
from sagesmith.wire.protocols import Call, Codec, Protocol, protocol_of
from sagesmith.wire.protocols.cbor import CborProtocol, named_by
from sagesmith.wire.protocols.compression import decompressed
from sagesmith.wire.protocols.json import JsonProtocol, target_of
from sagesmith.wire.protocols.query import QueryProtocol, fields_of
from sagesmith.wire.protocols.rest_json import RestJsonProtocol
from sagesmith.wire.validation import Validator

log = logging.get("wire")

_UNAVAILABLE = "The request has failed due to a temporary failure of the server."
_INTERNAL_FAILURE = "The request processing has failed because of an unknown error, exception or failure."
_CODECS: dict[Protocol, Callable[[ServiceModel], Codec]] = {
    Protocol.JSON: JsonProtocol,
    Protocol.QUERY: QueryProtocol,
    Protocol.REST_JSON: RestJsonProtocol,
    Protocol.CBOR: CborProtocol,
}


@dataclass(frozen=True, slots=True)
class _Plan:
    """An operation with everything that its requests need."""

    parse: Callable[[Call], Params]
    validate: Callable[[Params], None]
    handle: Handler
    serialize: Callable[[Params, str], Response]

    def read(self, call: Call) -> Params:
        """The input, parsed and validated.

        Raises:
            AwsError: it does not fit its shape.
        """
        try:
            params = self.parse(call)
            self.validate(params)
        except RecursionError as error:
            raise AwsError("SerializationException", "The request is nested too deeply.", 400) from error
        return params


class _Service:
    """One service in one protocol; its operations' plans are made at their first request."""

    def __init__(
        self,
        model: ServiceModel,
        protocol: Protocol,
        handlers: Mapping[str, Handler],
        not_built: Mapping[str, str],
        audit: Audit | None,
    ) -> None:
        self.model = model
        self.codec = _CODECS[protocol](model)
        self._validator = Validator(model)
        self._handlers = handlers
        self._not_built = not_built
        self._audit = audit
        self._plans: dict[str, _Plan] = {}
        self._recorders: dict[str, Recorder | None] = {}

    def plan(self, operation: Operation) -> _Plan:
        """
        Raises:
            NotImplementedException: nothing handles this operation.
        """
        plan = self._plans.get(operation.name)
        if plan is None:
            handler = self._handlers.get(operation.name)
            if handler is None:
                said = f"{operation.name} ({self.model.service}) is not implemented"
                capability = self._not_built.get(operation.name)
                raise NotImplementedException(f"{said}: it comes with {capability}." if capability else f"{said}.")
            recorder = self._recorder(operation)
            plan = self._plans[operation.name] = _Plan(
                self.codec.parser(operation),
                self._validator.compile(operation),
                handler if recorder is None else recorder.wrap(handler),
                self.codec.serializer(operation),
            )
        return plan

    def record_refusal(
        self, operation: Operation, context: RequestContext, params: Params | None, error: AwsError
    ) -> None:
        """Have a record kept of a call that is about to be refused; never raises."""
        try:
            recorder = self._recorder(operation)
            if recorder is not None:
                recorder.refused(context, params, error)
        except Exception:
            # What was refused has changed nothing, and the client is to learn why it was.
            log.exception("a refusal could not be recorded", **_fields(context))

    def _recorder(self, operation: Operation) -> Recorder | None:
        if self._audit is None:
            return None
        if operation.name not in self._recorders:
            self._recorders[operation.name] = self._audit.recorder(self.model, operation)
        return self._recorders[operation.name]


class Dispatcher:
    """Answers the requests of all services. Thread safe; models are loaded and shapes compiled at their first use.

    Args:
        handlers: botocore's service name → operation → handler.
        not_built: service name → operation → the capability that will bring it, for the error that says so.
        audit: keeps records of calls; None: nobody does.
        away: the exception of a handler whose database does not answer at present.
    """

    def __init__(
        self,
        handlers: Mapping[str, Mapping[str, Handler]],
        not_built: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
        audit: Audit | None = None,
        away: type[Exception] | tuple[()] = (),
    ) -> None:
        self._handlers = handlers
        self._away = away
        self._audit = audit
        self._not_built = not_built
        self._services: dict[tuple[str, Protocol], _Service] = {}

    def prepare(self) -> None:
        """Do at once what every operation's first request would do, so that none of them waits for it.

        Takes some 0.3 s; meant for a thread of its own while requests are answered.
        """
        for name in self._handlers:
            model = load_model(name)
            service = self._service(name, model, model.protocols[0])
            for operation in self._handlers[name]:
                service.plan(model.operations[operation])

    def dispatch(self, context: RequestContext, method: str, target: bytes, headers: Headers, body: bytes) -> Response:
        """Answer one request; never raises. The answer's `close` writes the request's line into the log.

        Args:
            context: as the router verified it; its `service` is the name in the signature's scope.
            target: the raw request target.
        """
        started = time.perf_counter()
        signing_name = context.service
        service: _Service | None = None
        operation: Operation | None = None
        params: Params | None = None
        error: AwsError | None = None
        try:
            service, operation, call = self._find(signing_name, method, Call(target, headers, body))
            context = context.of(service.model.service, operation.name)
            plan = service.plan(operation)
            params = plan.read(call)
            response = plan.serialize(plan.handle(context, params), context.request_id)
        except AwsError as raised:
            error = raised
        except self._away as raised:
            log.error("operation not possible at present", reason=str(raised), **_fields(context))
            error = ServiceUnavailable(_UNAVAILABLE)
        except Exception:
            log.exception("operation failed", **_fields(context))
            error = InternalFailure(_INTERNAL_FAILURE)
        if error is not None:
            if service is not None and operation is not None:
                # Records are kept in the same database.
                if not isinstance(error, ServiceUnavailable):
                    service.record_refusal(operation, context, params, error)
                response = service.codec.error(error, context.request_id)
            else:
                response = error_response(signing_name, target, headers, error, context.request_id)
        milliseconds = round((time.perf_counter() - started) * 1000, 2)

        def note() -> None:
            code = error.code if error is not None else None
            log.info("request", **_fields(context), status=response.status, error=code, milliseconds=milliseconds)

        # The client need not wait for it.
        response.close = note
        return response

    def _find(self, signing_name: str, method: str, call: Call) -> tuple[_Service, Operation, Call]:
        protocol = protocol_of(signing_name, call.target, call.headers)
        call = decompressed(call)
        services = self._candidates(signing_name, protocol)
        match protocol:
            case Protocol.JSON | Protocol.CBOR:
                prefix, name = target_of(call) if protocol is Protocol.JSON else named_by(call)
                for service in services:
                    if service.model.target_prefix == prefix and name in service.model.operations:
                        return service, service.model.operations[name], call
                raise AwsError("UnknownOperationException", UNKNOWN_OPERATION, 400)
            case Protocol.QUERY:
                fields = dict(fields_of(call))
                name = fields.get("Action", "")
                for service in services:
                    if name in service.model.operations:
                        return service, service.model.operations[name], call
                if not name:
                    raise AwsError("MissingAction", "The request is missing an action or a required parameter.", 400)
                version = fields.get("Version", "")
                raise AwsError("InvalidAction", f"Could not find operation {name} for version {version}", 400)
            case Protocol.REST_JSON:
                path = call.target.partition(b"?")[0].decode("latin-1")
                for service in services:
                    found = service.model.match_path(method, path)
                    if found is not None:
                        return service, service.model.operations[found[0]], replace(call, labels=found[1])
                raise AwsError("UnknownOperationException", UNKNOWN_OPERATION, 404)

    def _candidates(self, signing_name: str, protocol: Protocol) -> Iterator[_Service]:
        known = False
        for name in services_of(signing_name):
            service = self._services.get((name, protocol))
            if service is None:
                try:
                    model = load_model(name)
                except UnknownService:
                    continue
                known = True
                if protocol not in model.protocols:
                    continue
                service = self._service(name, model, protocol)
            known = True
            yield service
        if not known:
            raise NotImplementedException(f"The service {signing_name} is not implemented.")

    def _service(self, name: str, model: ServiceModel, protocol: Protocol) -> _Service:
        made = _Service(model, protocol, self._handlers.get(name, {}), self._not_built.get(name, {}), self._audit)
        return self._services.setdefault((name, protocol), made)


def _fields(context: RequestContext) -> dict[str, str]:
    return {
        "request_id": context.request_id,
        "service": context.service,
        "operation": context.operation,
        "region": context.region,
        "principal": context.principal.arn,
        "source_ip": context.source_ip,
    }
