"""What every operation of every kind refuses, in AWS's words, without having stored anything."""

from typing import Any

from tests.conformance import generate
from tests.conformance.checks import check
from tests.conformance.generate import Draw, Rules, Size
from tests.conformance.model import Params, input_of
from tests.conformance.subject import Subject
from tests.conformance.violations import violations


@check(examples=1)
def test_every_constraint_of_an_input_holds(subject: Subject, draw: Draw) -> None:
    region = subject.platform.new_region()
    for operation in subject.operations:
        request = subject.platform.written(operation, generate.request(draw, operation, Size.WHOLE, Rules()))
        for violation in violations(request, input_of(operation)):
            refused = subject.platform.send(region, operation, violation.applied(request))
            right = (
                refused is not None
                and (refused.code, refused.status) == (violation.code, 400)
                and all(part in refused.message for part in violation.said)
            )
            subject.expect(right, f"{operation}: {violation}", f"{refused} instead of {violation.said}")
            subject.platform.coverage.violations[operation] += 1
    assert subject.platform.stored(region) == []


@check(examples=1)
def test_what_is_not_built_is_refused_whole(subject: Subject, draw: Draw) -> None:
    create = subject.operations.create
    region = subject.platform.new_region()
    needed = subject.needed(draw, region)
    before = subject.platform.stored(region)
    for path, values in subject.refused.items():
        request = with_refused(subject, draw, path, values, needed)
        refused = subject.refusal(region, create, **request)
        right = refused is not None and (refused.code, refused.status) == ("NotImplementedException", 501)
        subject.expect(right, f"{create}.{path}: not refused", refused)
        subject.platform.coverage.violations[create] += 1
    assert subject.platform.stored(region) == before


def with_refused(subject: Subject, draw: Draw, path: str, values: Any, needed: Params) -> Params:
    """A request with something at a path that is not built."""
    rules = subject.rules(needed)
    steps = path.split(".")
    above = {".".join(steps[: length + 1]) for length in range(len(steps))}
    above |= {each.removesuffix("[]") for each in above}
    forced: dict[str, Any] = {path: True} if values is None and _is_flag(subject, path) else {}
    if values:
        forced = {path: sorted(values)[0]}
    changed = Rules(
        values={**rules.values, **forced},
        always=rules.always | above,
        without=rules.without - above,
        refused={each: refused for each, refused in rules.refused.items() if each not in above},
    )
    return subject.facts.mend(generate.request(draw, subject.operations.create, Size.MAXIMAL, changed))


def _is_flag(subject: Subject, path: str) -> bool:
    shape = input_of(subject.operations.create)
    for step in path.split("."):
        shape = shape.members[step.removesuffix("[]")]
        shape = shape.member if step.endswith("[]") else shape
    return bool(shape.type_name == "boolean")
