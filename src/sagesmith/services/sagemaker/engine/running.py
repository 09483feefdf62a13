"""How operations run: each is one transaction, and a write is run again when somebody else was faster."""

import time
from collections.abc import Callable

from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import idempotency
from sagesmith.services.sagemaker.engine.kind import Call
from sagesmith.store import NotFound, VersionConflict
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import ConflictException

_ATTEMPTS = 8

Run = Callable[[Call, Params], Params]
"""What an operation does within its transaction."""


def _no_check(params: Params) -> None:
    """The default of a check."""


def _as_given(home: Home, params: Params) -> Params:
    """The default of what prepares an input."""
    return params


def reading(home: Home, run: Run, indexed: bool = False) -> Handler:
    """An operation that reads, in one snapshot.

    Args:
        indexed: whether it searches, so that the full-text indexes must have everything.
    """

    def handler(context: RequestContext, params: Params) -> Params:
        with home.store.read(indexed) as tx:
            return run(Call(home, context, tx, time.time()), params)

    return handler


def writing(
    home: Home,
    run: Run,
    check: Callable[[Params], None] = _no_check,
    prepare: Callable[[Home, Params], Params] = _as_given,
) -> Handler:
    """An operation that changes something: `run` in one transaction, all of it or nothing.

    A request with a ClientToken (or ClientRequestToken) that was there before is answered as the first was.

    Args:
        check: looks at the input first, outside the transaction.
        prepare: completes the input then, still outside the transaction.
    """

    def handler(context: RequestContext, params: Params) -> Params:
        check(params)
        params = prepare(home, params)
        token = idempotency.token_of(params)
        for _ in range(_ATTEMPTS):
            try:
                with home.store.write() as tx:
                    call = Call(home, context, tx, time.time())
                    if token is None:
                        return run(call, params)
                    return idempotency.once(call, token, params, run)
            except (VersionConflict, NotFound):
                # Changed or deleted since it was read: the next attempt sees what became of it.
                continue
        raise ConflictException("The resource is being changed by other requests. Try again.")

    return handler
