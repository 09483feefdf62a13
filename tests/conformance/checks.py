"""How a check of every kind is written: examples drawn without chance, and a note of what has run."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st

from tests.conformance.generate import Draw
from tests.conformance.platform import Refused
from tests.conformance.subject import Subject

Check = Callable[[Subject, Draw], None]
EXAMPLES = 3
CHECKS: list[str] = []
"""The names of all checks; an exception that none of them has met is not needed."""


def check(needs: str = "", examples: int = EXAMPLES, recorded: bool = False) -> Callable[[Check], Callable[..., None]]:
    """Make a test of every kind out of a function.

    Args:
        needs: roles of operations, such as "list delete", without which there is nothing to check.
        examples: how many to draw, of each size that the function tries.
        recorded: whether the platform keeps events and an audit trail meanwhile.
    """

    def decorate(function: Check) -> Callable[..., None]:
        CHECKS.append(function.__name__)
        whole: list[str] = []

        @settings(
            max_examples=examples,
            derandomize=True,
            database=None,
            deadline=None,
            phases=(Phase.generate,),
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        @given(data=st.data())
        def drawn(subject: Subject, data: Any) -> None:
            try:
                function(subject, data.draw)
            except Refused as refused:
                pytest.fail(f"{subject.facts.noun}: {refused}", pytrace=False)
            whole.append(subject.facts.noun)

        @wraps(function)
        def test(subject: Subject) -> None:
            if concerns(subject):
                subject.platform.recording = recorded
                drawn(subject)
                assert subject.facts.noun in whole, "hypothesis has given every example up"
            subject.checked.add(function.__name__)

        def concerns(subject: Subject) -> bool:
            """Whether the kind has the operations that are needed."""
            return all(getattr(subject.operations, role) for role in needs.split())

        test.__dict__.pop("__wrapped__", None)
        test.__signature__ = None  # type: ignore[attr-defined]
        test.__dict__["concerns"] = concerns
        return test

    return decorate
