"""ClientToken and ClientRequestToken: the same request twice is one, and is answered twice the same.

A token is stored with a digest of its request and with the answer, in the request's own transaction, and kept for a
day. SageMaker's reference says only that "an idempotent operation completes no more than one time"; what other services
call IdempotentParameterMismatch is here the ConflictException that SageMaker's model has.
"""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import orjson

from sagesmith.services.sagemaker.engine.kind import Call
from sagesmith.store import AlreadyExists, Document, NotFound, Query, Store
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ConflictException

TOKEN_MEMBERS = ("ClientToken", "ClientRequestToken")
KEPT_SECONDS = 86_400.0
_KIND = "client-token"
_FORGOTTEN_AT_ONCE = 100


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


def forget(store: Store, before: float) -> int:
    """Remove the tokens that were given before a time, in seconds since the epoch; returns how many."""
    forgotten = 0
    with store.read() as tx:
        regions = tx.regions()
    for region in regions:
        query = Query(_KIND, region, created_before=before, descending=False, limit=_FORGOTTEN_AT_ONCE)
        while True:
            with store.write() as tx:
                old = tx.list(query).documents
                for token in old:
                    # Another API server on this database may be at it as well.
                    with contextlib.suppress(NotFound):
                        tx.delete(_KIND, region, token.key)
            forgotten += len(old)
            if len(old) < _FORGOTTEN_AT_ONCE:
                break
    return forgotten
