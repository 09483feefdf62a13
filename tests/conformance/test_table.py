"""The table of facts stays true. This module's name is the last, so that its tests see what the others have met."""

import pytest

from tests.conformance.checks import CHECKS
from tests.conformance.subject import Subject


def test_every_exception_is_needed(subject: Subject) -> None:
    if set(CHECKS) - subject.checked:
        pytest.skip("not all checks of this kind have run")
    assert sorted(set(subject.facts.exceptions) - subject.used) == []
