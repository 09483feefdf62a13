"""ClientToken and ClientRequestToken: the same request twice is one, and is answered twice the same.

A token is stored with a digest of its request and with the answer, in the request's own transaction, for a day.
Source: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/Run_Instance_Idempotency.html; SageMaker's reference
says of its tokens only that "an idempotent operation completes no more than one time".
"""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import orjson

from sagesmith.services.sagemaker.engine.kind import Call
from sagesmith.store import AlreadyExists, Document, NotFound, Query
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ConflictException

TOKEN_MEMBERS = ("ClientToken", "ClientRequestToken")
KEPT_SECONDS = 86_400.0
_KIND = "client-token"
_PRUNED_AT_ONCE = 4


def token_of(params: Params) -> str | None:
    """The token of a request, None if it has none."""
    return next((params[member] for member in TOKEN_MEMBERS if params.get(member)), None)


def once(call: Call, token: str, params: Params, run: Callable[[Call, Params], Params]) -> Params:
    """Run an operation unless its token was there before.

    Raises:
        ConflictException: the token was there with other parameters.
    """
    region = call.context.region
    key = f"{call.context.operation}/{token}"
    digest = _digest(params)
    _prune(call)
    try:
        # Stored before the operation runs, so that of two at once the second waits for the first and sees its answer.
        stored = call.tx.create(Document(_KIND, region, key, "", "", {"request": digest}))
    except AlreadyExists:
        present = call.tx.get(_KIND, region, key)
        if present is None or present.body["request"] != digest:
            member = next(each for each in TOKEN_MEMBERS if params.get(each))
            raise ConflictException(
                f"The {member} {token} was used before with other parameters. Use another token for another request."
            ) from None
        answer: Params = present.body["answer"]
        return answer
    answer = run(call, params)
    call.tx.update(replace(stored, body={"request": digest, "answer": answer}))
    return answer


def _digest(params: Params) -> str:
    return sha256(orjson.dumps(params, default=bytes.hex, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _prune(call: Call) -> None:
    """Remove some of what is too old: more than one request adds."""
    query = Query(_KIND, call.context.region, created_before=call.now - KEPT_SECONDS, descending=False)
    for old in call.tx.list(replace(query, limit=_PRUNED_AT_ONCE)).documents:
        with contextlib.suppress(NotFound):
            call.tx.delete(_KIND, old.region, old.key)
