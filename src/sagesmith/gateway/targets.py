"""Which model server an invocation goes to. `choose` is the one place where that is decided."""

import random
from collections.abc import Callable

from sagesmith.gateway import components, target_models
from sagesmith.gateway.invocation import Invocation
from sagesmith.gateway.sessions import Session
from sagesmith.routes import EndpointRoute, VariantRoute
from sagesmith.wire.context import RequestContext
from sagesmith.wire.errors import AwsError

Choice = tuple[VariantRoute, list[str]]
"""A variant, and the addresses of its model servers that may be asked."""


def choose(
    context: RequestContext,
    route: EndpointRoute,
    invocation: Invocation,
    session: Session | None,
    down: set[str],
    outstanding: Callable[[str], int],
) -> Choice | None:
    """The variant and the model servers that an invocation may go to; None if there is none that can be asked now.

    A session's requests go to the instance that has it, else a variant that is named gets the request, else one by
    weight. What narrows the choice further (a model, a container, a component) belongs here.

    A model of a multi-model endpoint stays with one instance, and is another one's while that has much to do, or cannot
    be asked.

    Args:
        session: where the session is that the invocation names, None if it names none.
        down: addresses that just now did not answer.
        outstanding: how many requests are under way to an address.

    Raises:
        AwsError: the request names a variant or a component that the endpoint has not, or a session whose instance is
            gone, or a model where there is one alone, or none where there are many.
    """
    name = invocation.target_model
    variants = route.variants
    if route.components is not None or invocation.component is not None:
        variants = components.asked_for(context, route, invocation.component)
    if name is not None or (variants and variants[0].multi_model):
        variants = target_models.answerable(context, route, name)
    chosen = _among(context, route, variants, invocation, session, down)
    return (
        chosen if name is None or chosen is None else (chosen[0], target_models.nearest(chosen[1], name, outstanding))
    )


def _among(
    context: RequestContext,
    route: EndpointRoute,
    variants: list[VariantRoute],
    invocation: Invocation,
    session: Session | None,
    down: set[str],
) -> Choice | None:
    if session is not None:
        held = [one for one in variants if one.name == session.variant and session.address in one.addresses]
        if not held:
            raise session_not_found(session.id, route.name)
        return (held[0], [session.address]) if session.address not in down else None
    if invocation.target_variant is not None:
        variants = [one for one in variants if one.name == invocation.target_variant]
        if not variants and route.variants:
            raise AwsError(
                "ValidationError",
                f"Variant {invocation.target_variant} of endpoint {route.name} of account {context.account_id} not "
                "found.",
                400,
            )
    if len(variants) == 1 and not down:
        return (variants[0], variants[0].addresses) if variants[0].addresses else None
    alive = [(one, found) for one in variants if (found := [each for each in one.addresses if each not in down])]
    if len(alive) < 2:
        return alive[0] if alive else None
    weights = [one.weight if invocation.target_variant is None else one.share for one, _ in alive]
    if sum(weights) <= 0:
        return random.choice(alive)  # noqa: S311
    return random.choices(alive, weights)[0]  # noqa: S311


def session_not_found(session: str, endpoint: str) -> AwsError:
    """It was never there, it was closed, its time is over, or its instance ended."""
    return AwsError("ValidationError", f"Session {session} of endpoint {endpoint} not found.", 400)
