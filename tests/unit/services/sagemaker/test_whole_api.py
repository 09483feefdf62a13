"""Every operation of the API is declared, written by hand, or said not to be built."""

from collections import Counter
from typing import Any, cast

from sagesmith.services.sagemaker import KINDS, written
from sagesmith.services.sagemaker.engine import handlers_of, sagemaker_shapes
from sagesmith.services.sagemaker.not_built import NOT_BUILT

NO_HOME = cast("Any", None)


def test_every_operation_is_declared_written_by_hand_or_listed_as_not_built() -> None:
    operations = sagemaker_shapes().model.operations.keys()
    ways = Counter([*handlers_of(NO_HOME, KINDS), *written(NO_HOME), *NOT_BUILT])
    assert sorted(operations - ways.keys()) == [], "in no way"
    assert sorted(ways.keys() - operations) == [], "no operations of the API"
    assert sorted(operation for operation, count in ways.items() if count > 1) == [], "in two ways"


def test_two_kinds_do_not_share_a_resource_type_or_an_arn() -> None:
    assert [kind for kind, count in Counter(kind.id for kind in KINDS).items() if count > 1] == []
    forms = Counter(kind.arn_form or kind.id for kind in KINDS)
    assert [form for form, count in forms.items() if count > 1] == []


def test_of_a_kind_that_cannot_be_created_nothing_is_described_or_listed() -> None:
    nouns = [each.removeprefix("Create") for each in NOT_BUILT if each.startswith("Create")]
    others = [f"{verb}{noun}{ending}" for noun in nouns for verb, ending in (("Describe", ""), ("List", "s"))]
    there = sagemaker_shapes().model.operations.keys() & others
    assert "ListTrainingPlans" in there
    assert sorted(there - NOT_BUILT.keys()) == []
