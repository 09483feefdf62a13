"""A kind under test: makes its requests, calls its operations, and knows which difference from the rules is AWS's."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from sagesmith.services.sagemaker import KINDS
from sagesmith.services.sagemaker.engine import Kind
from tests.conformance import generate
from tests.conformance.answers import problems
from tests.conformance.facts import Facts
from tests.conformance.generate import Draw, Rules, Size
from tests.conformance.model import (
    Operations,
    Params,
    error_codes,
    input_of,
    items_of,
    operations_of,
    output_of,
    shape_at,
    values_at,
)
from tests.conformance.platform import Platform, Refused

MISSING = ("ResourceNotFound", "ValidationException")
_DECLARED = {kind.noun: kind for kind in KINDS}


@dataclass(frozen=True)
class Resource:
    """One that was created.

    Attributes:
        region: where it lives.
        request: what Create was given.
        answer: what Create answered.
    """

    region: str
    request: Params
    answer: Params

    @property
    def known(self) -> Params:
        return {**self.request, **self.answer}


@dataclass(repr=False)
class Subject:
    """One kind of the platform.

    Attributes:
        used: the exceptions that a check has met.
        checked: the checks that have run whole.
    """

    platform: Platform
    facts: Facts
    others: Callable[[str], "Subject"]
    used: set[str] = field(default_factory=set)
    checked: set[str] = field(default_factory=set)

    def __repr__(self) -> str:
        """Short, because every failure is shown with it, and each subject knows all others."""
        return f"Subject({self.facts.noun})"

    @property
    def operations(self) -> Operations:
        return operations_of(self.facts.noun, self.platform.built, **self.facts.operations)

    @property
    def declared(self) -> Kind:
        """Its declaration."""
        return _DECLARED[self.facts.noun]

    @property
    def refused(self) -> Mapping[str, frozenset[Any] | None]:
        """What its declaration says is not built: path of Create's input → values, None for all."""
        kind = _DECLARED.get(self.facts.noun)
        return {each.path: each.values for each in kind.unbuilt} if kind else {}

    @property
    def needs(self) -> dict[str, str]:
        """What must exist before one can: path of Create's input → a kind and its member that stands there."""
        kind, found = _DECLARED.get(self.facts.noun), {}
        if kind and kind.parent:
            owners = zip(kind.belongs_by, kind.parent.named_by, strict=True)
            found = {member: f"{kind.parent.noun}:{theirs}" for member, theirs in owners}
        for path, other in kind.refers.items() if kind else ():
            if shape_at(input_of(self.operations.create), path) is not None:
                found[path] = f"{other.noun}:{other.named_by[-1]}"
        never = {*self.refused, *self.facts.without}
        return {path: need for path, need in {**found, **self.facts.needs}.items() if need and path not in never}

    @property
    def parent(self) -> "Subject | None":
        """The kind that its resources belong to, if their owners cannot be deleted before them."""
        kind = _DECLARED.get(self.facts.noun)
        return self.others(kind.parent.noun) if kind and kind.parent and not kind.cascades else None

    def owner(self, resource: Resource) -> Params:
        """The identity of what a resource belongs to."""
        kind = _DECLARED[self.facts.noun]
        members = kind.parent.named_by if kind.parent else ()
        return {theirs: resource.known[own] for own, theirs in zip(kind.belongs_by, members, strict=True)}

    def kept(self, resource: Resource) -> Params:
        """What a resource refers to: path → value."""
        return {path: found for path in self.needs if (found := first_at(resource.request, path)) is not None}

    def expect(self, holds: bool, what: str, said: object = "") -> None:
        """Fail if something does not hold, unless the facts say why it need not."""
        if holds:
            return
        if what in self.facts.exceptions:
            self.used.add(what)
            return
        pytest.fail(f"{self.facts.noun}: {what}: {said}", pytrace=False)

    def call(self, region: str, operation: str, **params: Any) -> Params:
        """Call an operation and look at its answer strictly.

        Raises:
            Refused: it answered with an error.
        """
        answer, raw = self.platform.call(region, operation, params)
        for problem in problems(raw, output_of(operation)):
            self.expect(False, f"{operation}.{problem.path}: {problem.rule}", problem)
        return answer

    def refusal(self, region: str, operation: str, **params: Any) -> Refused | None:
        """The error that an operation answers with, None if it does what it is asked."""
        try:
            self.call(region, operation, **params)
        except Refused as refused:
            return refused
        return None

    def rules(self, needed: Mapping[str, Any] | None = None) -> Rules:
        """The facts as the drawing of requests wants them."""
        facts = self.facts
        return Rules(
            values={**facts.values, **(needed or {})},
            always=facts.always,
            without=frozenset(facts.without),
            refused=self.refused,
        )

    def needed(
        self,
        draw: Draw,
        region: str,
        present: Mapping[str, Any] | None = None,
        made: dict[str, Params] | None = None,
    ) -> Params:
        """Make one of each kind that requests refer to; what is to be put at which path.

        Args:
            present: what is there already: path → value.
            made: what has been made: noun → its members. What belongs together has one parent.
        """
        made = {} if made is None else made
        for noun, mend in self.facts.needed_as.items():
            if noun not in made:
                made[noun] = self.others(noun)._made(draw, region, mend, present, made)
        found = {path: value for path, value in (present or {}).items() if path in self.needs}
        for path, need in self.needs.items():
            if path in found:
                continue
            noun, _, member = need.partition(":")
            other = self.others(noun)
            if noun not in made:
                made[noun] = other._made(draw, region, lambda request: request, found, made)
            known = made[noun]
            member = member or path.rpartition(".")[2].rpartition(":")[2].rstrip("[]")
            found[path] = known[member] if member in known else known[other.name_member]
        return found

    def _made(
        self,
        draw: Draw,
        region: str,
        mend: Callable[[Params], Params],
        present: Mapping[str, Any] | None = None,
        made: dict[str, Params] | None = None,
    ) -> Params:
        """Create one, with all that it needs, and say all that is known of it."""
        request = mend(self.draw_request(draw, Size.MINIMAL, self.needed(draw, region, present, made)))
        one = Resource(region, request, self.call(region, self.operations.create, **request))
        return {**one.known, **self.describe(one)}

    def draw_request(self, draw: Draw, size: Size, needed: Mapping[str, Any]) -> Params:
        """A Create input."""
        return self.facts.mend(generate.request(draw, self.operations.create, size, self.rules(needed)))

    def create(self, draw: Draw, region: str, size: Size, **members: Any) -> Resource:
        """Create one, with all that it needs; `members` are given as they are."""
        request = {**self.draw_request(draw, size, self.needed(draw, region)), **members}
        return Resource(region, request, self.call(region, self.operations.create, **request))

    def same_again(self, resource: Resource, region: str) -> Resource:
        """Create one from the same request in another region."""
        return replace(resource, region=region, answer=self.call(region, self.operations.create, **resource.request))

    @property
    def name_member(self) -> str:
        """The member of Create's input that names one."""
        members = input_of(self.operations.create).members
        noun = self.facts.noun
        names: list[str] = [each for each in (f"{noun}Name", *members) if each in members and each.endswith("Name")]
        return names[0]

    @property
    def unique(self) -> str:
        """The path in Create's input of what tells one from others."""
        return self.facts.unique or self.name_member

    def identity(self, operation: str, resource: Resource) -> Params:
        """The members of an operation's input that say which one is meant."""
        members = input_of(operation).members
        wanted = [each for each in members if each in input_of(operation).required_members or each in self.facts.called]
        found = self._named(wanted or [each for each in members if each in resource.answer], resource.known)
        if operation != self.operations.describe and not set(wanted) <= found.keys():
            found = self._named(wanted, {**resource.known, **self.describe(resource)})
        return {
            name: value for name, value in found.items() if isinstance(value, str | int) or name in self.facts.called
        }

    def _named(self, members: Iterable[str], known: Params) -> Params:
        """Those of `members` of which one knows a value."""
        found = {}
        for member in members:
            source = self.facts.called.get(member, member)
            value = known.get(source) if isinstance(source, str) else source(known)
            if value is not None:
                found[member] = value
        return found

    def describe(self, resource: Resource) -> Params:
        """What Describe answers; of an answer that nests the resource, the resource."""
        operation = self.operations.describe
        answer = self.call(resource.region, operation, **self.identity(operation, resource))
        nested = answer.get(self.facts.noun)
        return nested if isinstance(nested, dict) else answer

    def described_shape(self) -> Any:
        """The shape of what `describe` returns."""
        shape = output_of(self.operations.describe)
        nested = shape.members.get(self.facts.noun)
        return nested if nested is not None and nested.type_name == "structure" else shape

    def list_identity(self, resource: Resource) -> Params:
        """The members without which List does not answer, or not with this resource."""
        shape = input_of(self.operations.list)
        return self._named(
            [each for each in shape.members if each in shape.required_members or each in self.facts.called],
            resource.known,
        )

    @property
    def takes_tags(self) -> bool:
        """Whether Create takes tags."""
        return "Tags" in input_of(self.operations.create).members and "Tags" not in self.facts.without

    def listed(self, resource: Resource, **params: Any) -> list[Params]:
        """All pages of List, as summaries."""
        return list(self._listed(resource, params))

    def _listed(self, resource: Resource, params: Params) -> Iterator[Params]:
        operation = self.operations.list
        items, _ = items_of(operation)
        shape = input_of(operation)
        asked = {
            **self.list_identity(resource),
            **({"MaxResults": 100} if "MaxResults" in shape.members else {}),
            **params,
        }
        if "MaxResults" in asked:
            asked["MaxResults"] = min(asked["MaxResults"], shape.members["MaxResults"].metadata.get("max", 100))
        while True:
            answer = self.call(resource.region, operation, **asked)
            if "MaxResults" in asked:
                self.expect(len(answer[items]) <= asked["MaxResults"], f"{operation}: more than MaxResults", answer)
            yield from answer[items]
            if not answer.get("NextToken"):
                return
            asked["NextToken"] = answer["NextToken"]

    def arn(self, resource: Resource, described: Params) -> str:
        """Its ARN."""
        known = {**resource.known, **described}
        members = (f"{self.facts.noun}Arn", *(each for each in resource.answer if each.endswith("Arn")), "Arn")
        return str(next((known[each] for each in members if each in known), ""))

    def key(self, summary: Params) -> Any:
        """What tells a summary from others."""
        names = [self.facts.summary.get(name, name) for name in summary]
        arns = [name for name in summary if name.endswith("Arn") and name != "RoleArn"]
        own = [name for name in (f"{self.facts.noun}Arn", "Arn", *arns) if name in summary]
        return summary[own[0]] if own else tuple(summary[name] for name in names if name.endswith(("Name", "Id")))

    def missing_codes(self, operation: str) -> tuple[str, ...]:
        """The code of an operation on what is not there: ResourceNotFound where the model has it, else either."""
        return MISSING[:1] if MISSING[0] in error_codes(operation) else MISSING

    def taken_code(self) -> str:
        """The code of a Create whose name is taken."""
        codes = error_codes(self.operations.create)
        return next((each for each in ("ResourceInUse", "ConflictException") if each in codes), "ValidationException")


def shown(given: Any, described: Any, shape: Any, merged: bool = False) -> bool:
    """Whether what was given is shown again: a structure may have more members, all else must be equal.

    Args:
        shape: of what is described. Members that it has not, such as secrets, are not looked for.
        merged: whether a map may have more entries, as it has after an Update that adds some.
    """
    if shape.type_name == "structure" and isinstance(given, dict) and isinstance(described, dict):
        return all(
            name in described and shown(value, described[name], member, merged)
            for name, value in given.items()
            if (member := shape.members.get(name)) is not None
        )
    if shape.type_name == "list" and isinstance(given, list) and isinstance(described, list):
        return len(given) == len(described) and all(
            shown(one, other, shape.member, merged) for one, other in zip(given, described, strict=True)
        )
    if shape.type_name == "map" and isinstance(given, dict) and isinstance(described, dict):
        same = given.keys() <= described.keys() if merged else given.keys() == described.keys()
        return same and all(shown(given[key], described[key], shape.value, merged) for key in given)
    return bool(given == described)


def first_at(value: Params, path: str) -> Any:
    """The first value at a path, None if there is none."""
    return next(values_at(value, path), None)
