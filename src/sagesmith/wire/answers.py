"""Errors from where no service's model is at hand: in a router, which must not spend memory on models."""

from sagesmith.http.messages import Headers, Response
from sagesmith.wire.errors import AwsError
from sagesmith.wire.protocols import Protocol, cbor, json, protocol_of, query, rest_json

UNKNOWN_OPERATION = "The requested operation is not recognized by the service."


def error_response(signing_name: str, target: bytes, headers: Headers, error: AwsError, request_id: str) -> Response:
    """An error in the protocol that the request shows it speaks. Not for S3, which has its own XML.

    Args:
        signing_name: the service in the signature's scope, empty if the request is unsigned.
        target: the raw request target.
    """
    match protocol_of(signing_name, target, headers):
        case Protocol.JSON:
            return json.error_answer(error, request_id)
        case Protocol.QUERY:
            return query.error_answer(error, request_id)
        case Protocol.REST_JSON:
            return rest_json.error_answer(error, request_id)
        case Protocol.CBOR:
            return cbor.error_answer(error, request_id)
