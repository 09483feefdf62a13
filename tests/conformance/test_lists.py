"""List of every kind: pages, orders, and filters that must exclude."""

import datetime
import re
from collections.abc import Callable, Collection
from typing import Any

from tests.conformance.checks import check
from tests.conformance.generate import Draw, Size, scalar
from tests.conformance.model import Params, input_of, items_of, shape_at
from tests.conformance.subject import Resource, Subject, first_at

FEW = 3
_COLUMNS = {"name": "Name", "creationtime": "CreationTime", "lastmodifiedtime": "LastModifiedTime", "status": "Status"}
_TIMES = re.compile(r"(Creat|LastModified|Modified)\w*?(After|Before)$")
_PAGING = frozenset({"SortBy", "SortOrder", "MaxResults", "NextToken"})


def a_few(subject: Subject, draw: Draw) -> list[Resource]:
    """Resources that List shows together: of one region and, where they have one, of one parent."""
    region = subject.platform.new_region()
    needed = subject.needed(draw, region)
    made: dict[str, Resource] = {}
    for _ in range(min(FEW, subject.facts.most)):
        request = subject.draw_request(draw, Size.MINIMAL, {**needed, **another_name(subject, made)})
        answer = subject.call(region, subject.operations.create, **request)
        made[name_of(subject, request) or str(len(made))] = Resource(region, request, answer)
    return list(made.values())


def name_of(subject: Subject, request: Params) -> str:
    """What a resource is told from others by, empty if its request does not say."""
    return str(first_at(request, subject.unique) or "").lower() if subject.facts.named else ""


def another_name(subject: Subject, taken: Collection[str]) -> Params:
    """Names that are not taken; of a kind whose names need not differ, and of one that the facts name, nothing."""
    path = subject.unique
    if not subject.facts.named or path in subject.facts.values:
        return {}
    shape = shape_at(input_of(subject.operations.create), path)
    return {path: scalar(shape, path.rpartition(".")[2]).filter(lambda name: name.lower() not in taken)}


@check(needs="list")
def test_pages_of_one_walk_all_in_every_order(subject: Subject, draw: Draw) -> None:
    resources = a_few(subject, draw)
    one = resources[0]
    members = input_of(subject.operations.list).members
    every = [subject.key(each) for each in subject.listed(one)]
    assert len(every) == len(set(every)) == len(resources)
    if "NextToken" in members:
        given = {**subject.list_identity(one), "NextToken": "nonsense"}
        refused = subject.refusal(one.region, subject.operations.list, **given)
        known = refused is not None and refused.code == "ValidationException"
        subject.expect(known, f"{subject.operations.list}: takes any NextToken", refused)
    orders = members["SortOrder"].enum if "SortOrder" in members else [None]
    for column in members["SortBy"].enum if "SortBy" in members else [None]:
        for order in orders:
            asked = {name: value for name, value in (("SortBy", column), ("SortOrder", order)) if value}
            whole = subject.listed(one, **asked)
            if "MaxResults" in members:
                paged = subject.listed(one, MaxResults=1, **asked)
                subject.expect(paged == whole, f"{subject.operations.list} by {column} {order}: pages differ", paged)
            assert sorted(map(str, every)) == sorted(str(subject.key(each)) for each in whole)
            shown = [value for each in whole if (value := column_of(subject, each, column)) is not None]
            if order:
                right = sorted(shown, reverse=order.upper().startswith("DESC"))
                subject.expect(shown == right, f"{subject.operations.list} by {column} {order}: order", shown)


def column_of(subject: Subject, summary: Params, column: str | None) -> Any:
    """The value that a summary is sorted by, None if it is not to be seen."""
    plain = (column or "").replace("_", "").lower()
    ends = _COLUMNS.get(plain, column or "")
    names = (column, f"{subject.facts.noun}{ends}", ends)
    value = next((summary[name] for name in names if name in summary), None)
    if plain.endswith("name") and value is None:
        value = summary.get(subject.name_member)
    return value


@check(needs="list")
def test_filters_exclude_what_they_must(subject: Subject, draw: Draw) -> None:
    resources = a_few(subject, draw)
    one = resources[0]
    shape = input_of(subject.operations.list)
    summary = items_of(subject.operations.list)[1]
    # What Describe does not show, a summary may.
    listed = {str(subject.key(each)): each for each in subject.listed(one)}
    described = [subject.describe(each) for each in resources]
    described = [{**listed.get(str(described_key(subject, each, summary)), {}), **each} for each in described]
    for member in shape.members:
        if member in _PAGING or member in subject.list_identity(one):
            continue
        expected = _expectation(subject, draw, member, shape.members[member], described)
        if expected is None:
            subject.expect(False, f"{subject.operations.list}.{member}: say in `filters` what it selects by")
            continue
        excludes = False
        for value, selects in expected:
            refused, found = _selected(subject, one, member, value)
            right = {str(described_key(subject, each, summary)) for each in described if selects(each)}
            # Where a filter names a resource, one that is not there is refused instead of having nothing.
            excludes |= len(right) < len(described)
            if refused is None or right:
                subject.expect(found == right, f"{subject.operations.list}.{member}: {value!r}", f"{found} not {right}")
        subject.expect(excludes, f"{subject.operations.list}.{member}: excludes nothing")


def _selected(subject: Subject, one: Resource, member: str, value: Any) -> tuple[Any, set[str]]:
    refused = subject.refusal(one.region, subject.operations.list, **{**subject.list_identity(one), member: value})
    if refused is not None:
        return refused, set()
    return None, {str(subject.key(each)) for each in subject.listed(one, **{member: value})}


def described_key(subject: Subject, described: Params, summary: Any) -> Any:
    """The key that the summary of what is described has."""
    projected = {name: first_at(described, subject.facts.summary.get(name, name)) for name in summary.members}
    return subject.key({name: value for name, value in projected.items() if value is not None})


Selection = tuple[Any, Callable[[Params], bool]]


def _expectation(
    subject: Subject, draw: Draw, member: str, shape: Any, described: list[Params]
) -> list[Selection] | None:
    """Values of a filter, each with which of the resources it has to let through."""
    if member == "CrossAccountFilterOption":
        return [("SameAccount", lambda each: True), ("CrossAccount", lambda each: False)]
    if member in subject.facts.filters:
        return _equal(draw, subject.facts.filters[member], shape, described)
    if found := _TIMES.match(member):
        return _times(subject, found[1] == "Creat", found[2] == "After", described)
    if member.endswith(("NameContains", "NamePrefix")):
        return _named(subject, member.endswith("Prefix"), described)
    plain = member.removesuffix("Equals")
    names = (plain, f"{subject.facts.noun}{plain}", f"{plain}Name")
    path = next((name for name in names if name in subject.described_shape().members), None)
    return None if path is None else _equal(draw, path, shape, described)


def _equal(draw: Draw, path: str, shape: Any, described: list[Params]) -> list[Selection]:
    def equals(value: Any) -> Callable[[Params], bool]:
        return lambda each: first_at(each, path) == value

    present = {value for each in described if isinstance(value := first_at(each, path), str | int)}
    others = getattr(shape, "enum", None) or [
        draw(scalar(shape, path.rpartition(".")[2]).filter(lambda other: other not in present))
    ]
    return [(value, equals(value)) for value in sorted({*present, *others}, key=str)]


def _named(subject: Subject, prefix: bool, described: list[Params]) -> list[Selection]:
    member = subject.name_member

    def has(part: str) -> Callable[[Params], bool]:
        return lambda each: each[member].startswith(part) if prefix else part in each[member]

    names = [each[member] for each in described if member in each]
    return [(part, has(part)) for name in names for part in {name, name[: len(name) // 2 + 1].rstrip("-_"), "zzzzzz"}]


def _times(subject: Subject, created: bool, after: bool, described: list[Params]) -> list[Selection] | None:
    members = [*subject.described_shape().members, *items_of(subject.operations.list)[1].members]
    names = [name for name in members if name.startswith("Creat" if created else "LastModified")]
    member = next((name for name in names if name.endswith(("Time", "At", "Date"))), None)
    if member is None:
        return None
    second = datetime.timedelta(seconds=1)
    moments = sorted(each[member] for each in described)

    def within(bound: datetime.datetime) -> Callable[[Params], bool]:
        return lambda each: bool(each[member] > bound if after else each[member] < bound)

    return [(bound, within(bound)) for bound in (moments[0] - second, *moments, moments[-1] + second)]
