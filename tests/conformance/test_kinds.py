"""The life of one resource of every kind: created, described, listed, changed, tagged, searched, deleted."""

from typing import Any

from tests.conformance import generate
from tests.conformance.checks import check
from tests.conformance.generate import Draw, Size
from tests.conformance.model import SERVICE, Params, input_of, items_of, shape_at
from tests.conformance.platform import Refused
from tests.conformance.subject import MISSING, Resource, Subject, first_at, shown

SIZES = (Size.MINIMAL, Size.ANY, Size.MAXIMAL)


@check()
def test_what_was_created_is_described(subject: Subject, draw: Draw) -> None:
    for size in SIZES:
        resource = subject.create(draw, subject.platform.new_region(), size)
        expect_shown(subject, resource.request, subject.describe(resource), subject.operations.create)


def expect_shown(subject: Subject, given: Params, described: Params, operation: str) -> None:
    """Every member that an operation was given and that Describe has comes back as it was."""
    for member, value in given.items():
        path = subject.facts.shown.get(member, member)
        shape = shape_at(subject.described_shape(), path) if path is not None else None
        if path is None or shape is None or member == "Tags":
            continue
        found = first_at(described, path)
        same = shown(value, found, shape, operation == subject.operations.update)
        subject.expect(same, f"{operation}.{member}: not shown", f"{value!r} is shown as {found!r}")


@check(needs="list")
def test_a_list_has_what_was_created_as_describe_shows_it(subject: Subject, draw: Draw) -> None:
    for size in SIZES:
        resource = subject.create(draw, subject.platform.new_region(), size)
        described = subject.describe(resource)
        summaries = subject.listed(resource)
        subject.expect(len(summaries) == 1, f"{subject.operations.list}: does not have the one", summaries)
        for summary in summaries:
            expect_consistent(subject, summary, described)


def expect_consistent(subject: Subject, summary: Params, described: Params) -> None:
    """A summary says what Describe says."""
    operation = subject.operations.list
    for member in items_of(operation)[1].members:
        path = subject.facts.summary.get(member, member)
        if path.partition(".")[0] in subject.described_shape().members:
            one, other = summary.get(member), first_at(described, path)
            same = one == other or (not one and not other and [] in (one, other))
            subject.expect(same, f"{operation}.{member}: not as described", f"{one!r} against {other!r}")


@check(needs="update")
def test_what_was_updated_is_described(subject: Subject, draw: Draw) -> None:
    if subject.facts.lives:
        return
    for size in SIZES:
        resource = subject.create(draw, subject.platform.new_region(), size)
        request = update_request(subject, draw, resource, size)
        subject.call(resource.region, subject.operations.update, **request)
        expect_shown(subject, request, subject.describe(resource), subject.operations.update)


def update_request(subject: Subject, draw: Draw, resource: Resource, size: Size) -> Params:
    """An Update of members that Describe shows, and of those without which there is no Update."""
    operation = subject.operations.update
    shape, rules = input_of(operation), subject.rules(subject.kept(resource))
    identity = subject.identity(operation, resource)
    drawn = generate.request(draw, operation, size, rules)
    kept = {
        member: value
        for member, value in drawn.items()
        if member in subject.described_shape().members
        or member in shape.required_members
        or any(path.partition(":")[2].partition(".")[0] == member for path in rules.always if ":" in path)
    }
    return subject.facts.mend_update({**kept, **identity})


@check(examples=1)
def test_tags_come_with_a_resource_and_change_by_its_arn(subject: Subject, draw: Draw) -> None:
    if not subject.takes_tags:
        return
    given = [{"Key": "team", "Value": "a"}, {"Key": "stage", "Value": ""}]
    resource = subject.create(draw, subject.platform.new_region(), Size.MINIMAL, Tags=given)
    arn = subject.arn(resource, subject.describe(resource))

    def tags() -> dict[str, str]:
        return {
            each["Key"]: each["Value"] for each in subject.call(resource.region, "ListTags", ResourceArn=arn)["Tags"]
        }

    assert tags() == {"team": "a", "stage": ""}
    subject.call(resource.region, "AddTags", ResourceArn=arn, Tags=[{"Key": "team", "Value": "b"}])
    assert tags() == {"team": "b", "stage": ""}
    subject.call(resource.region, "DeleteTags", ResourceArn=arn, TagKeys=["stage"])
    assert tags() == {"team": "b"}


@check(examples=1)
def test_tags_are_reserved_and_limited(subject: Subject, draw: Draw) -> None:
    if not subject.takes_tags:
        return
    region = subject.platform.new_region()
    request = subject.draw_request(draw, Size.MINIMAL, subject.needed(draw, region))
    before = subject.platform.stored(region)
    for keys in (["aws:mine"], ["twice", "twice"]):
        tags = [{"Key": key, "Value": ""} for key in keys]
        refused = subject.refusal(region, subject.operations.create, **{**request, "Tags": tags})
        right = refused is not None and refused.code == "ValidationException"
        subject.expect(right, f"{subject.operations.create}: takes tags {keys}", refused)
    assert subject.platform.stored(region) == before


@check(examples=1)
def test_search_finds_what_was_created(subject: Subject, draw: Draw) -> None:
    found = searched_as(subject)
    if found is None:
        return
    resource_type, record = found
    resource = subject.create(draw, subject.platform.new_region(), Size.MAXIMAL)
    described = subject.describe(resource)
    member = f"{subject.facts.noun}Arn"
    filters = [{"Name": member, "Operator": "Equals", "Value": described[member]}]
    answer = subject.call(resource.region, "Search", Resource=resource_type, SearchExpression={"Filters": filters})[
        "Results"
    ]
    subject.expect(len(answer) == 1, "Search: not found", answer)
    for result in answer:
        members = SERVICE.shape_for("SearchRecord").members[record].members
        for name, value in described.items():
            if name in members:
                # Describe shows empty lists that Search leaves out where the API's list has one element at least.
                same = result[record].get(name, [] if value == [] else None) == value
                subject.expect(same, f"Search.{name}: not as described", f"{result[record].get(name)!r} is {value!r}")


def searched_as(subject: Subject) -> tuple[str, str] | None:
    """The resource type of Search and the member of its records that are a kind's, None if it is not searched."""
    noun = subject.facts.noun
    if "Search" not in subject.platform.built or noun not in SERVICE.shape_for("SearchRecord").members:
        return None
    types = SERVICE.shape_for("ResourceType").enum
    return next(((each, noun) for each in (noun, f"Experiment{noun}") if each in types), None)


@check(needs="delete")
def test_what_was_deleted_is_gone(subject: Subject, draw: Draw) -> None:
    if subject.facts.lives:
        return
    for size in SIZES:
        resource = subject.create(draw, subject.platform.new_region(), size)
        describe, delete = subject.operations.describe, subject.operations.delete
        asked, ended = subject.identity(describe, resource), subject.identity(delete, resource)
        shown_before = subject.listed(resource) if subject.operations.list else []
        subject.call(resource.region, delete, **ended)
        expect_missing(subject, resource.region, describe, asked)
        expect_missing(subject, resource.region, delete, ended)
        if shown_before:
            assert subject.listed(resource) == []


def expect_missing(subject: Subject, region: str, operation: str, identity: Params) -> None:
    """An operation on what is not there answers the kind's error."""
    codes = subject.missing_codes(operation)
    refused = subject.refusal(region, operation, **identity)
    right = refused is not None and refused.code in codes and refused.status == 400
    subject.expect(right, f"{operation}: missing is not {codes[0]}", refused)


@check(needs="delete")
def test_what_lives_begins_its_end_or_must_be_ended_before(subject: Subject, draw: Draw) -> None:
    if not subject.facts.lives:
        return
    resource = subject.create(draw, subject.platform.new_region(), Size.MINIMAL)
    delete = subject.operations.delete
    refused = subject.refusal(resource.region, delete, **subject.identity(delete, resource))
    right = refused is None or refused.code in ("ResourceInUse", "ConflictException", "ValidationException")
    subject.expect(right, f"{delete}: what runs is neither ended nor kept", refused)
    assert subject.describe(resource)


@check()
def test_what_others_belong_to_is_not_deleted_before_them(subject: Subject, draw: Draw) -> None:
    parent = subject.parent
    if parent is None or not parent.operations.delete:
        return
    resource = subject.create(draw, subject.platform.new_region(), Size.MINIMAL)
    before = subject.platform.stored(resource.region)
    owner = Resource(resource.region, subject.owner(resource), {})
    delete = parent.operations.delete
    refused = subject.refusal(resource.region, delete, **parent.identity(delete, owner))
    subject.expect(refused is not None and refused.status in (400, 409), f"{delete}: with children", refused)
    assert subject.platform.stored(resource.region) == before


@check()
def test_what_is_not_there_cannot_be_referred_to(subject: Subject, draw: Draw) -> None:
    elsewhere = subject.needed(draw, subject.platform.new_region())
    for path, value in elsewhere.items():
        region = subject.platform.new_region()
        other = draw_another(draw, shape_at(input_of(subject.operations.create), path), value)
        try:
            needed = subject.needed(draw, region, {path: other})
        except Refused:  # the others belong to what is not there
            needed = {**elsewhere, path: other}
        request = subject.draw_request(draw, Size.MAXIMAL, needed)
        if first_at(request, path) is None:
            continue
        before = subject.platform.stored(region)
        refused = subject.refusal(region, subject.operations.create, **request)
        right = refused is not None and refused.code in MISSING
        subject.expect(right, f"{subject.operations.create}.{path}: not missed", refused)
        assert subject.platform.stored(region) == before


def draw_another(draw: Draw, shape: Any, value: Any) -> Any:
    """A value of a shape that is not this one, and not the word that names nothing in the patterns of ARNs."""
    return draw(generate.scalar(shape, shape.name).filter(lambda each: each not in (value, "None")))


@check()
def test_a_name_that_is_taken_is_refused(subject: Subject, draw: Draw) -> None:
    if not subject.facts.named:
        return
    resource = subject.create(draw, subject.platform.new_region(), Size.MINIMAL)
    before = subject.platform.stored(resource.region)
    request = {name: value for name, value in resource.request.items() if name not in TOKENS}
    refused = subject.refusal(resource.region, subject.operations.create, **request)
    code = subject.taken_code()
    subject.expect(refused is not None and refused.code == code, f"a taken name is not {code}", refused)
    assert subject.platform.stored(resource.region) == before


TOKENS = ("ClientToken", "ClientRequestToken")


@check(examples=1)
def test_one_token_makes_one_resource(subject: Subject, draw: Draw) -> None:
    members = input_of(subject.operations.create).members
    token = next((each for each in TOKENS if each in members), None)
    if token is None:
        return
    value: Any = "a0b1c2d3-0000-4000-8000-abcdefabcdef"
    resource = subject.create(draw, subject.platform.new_region(), Size.MINIMAL, **{token: value})
    before = subject.platform.stored(resource.region)
    assert subject.same_again(resource, resource.region).answer == resource.answer
    assert subject.platform.stored(resource.region) == before
    other = {**subject.draw_request(draw, Size.MAXIMAL, subject.kept(resource)), token: value}
    if other != resource.request:
        refused = subject.refusal(resource.region, subject.operations.create, **other)
        subject.expect(refused is not None and refused.status < 500, "another request of one token", refused)
        assert subject.platform.stored(resource.region) == before


@check()
def test_two_regions_do_not_mix(subject: Subject, draw: Draw) -> None:
    resource = subject.create(draw, subject.platform.new_region(), Size.MINIMAL)
    other = subject.platform.new_region()
    describe = subject.operations.describe
    expect_missing(subject, other, describe, subject.identity(describe, resource))
    subject.needed(draw, other)
    if subject.operations.list and not subject.list_identity(resource):
        own = {subject.key(each) for each in subject.listed(resource)}
        there = Resource(other, resource.request, resource.answer)
        assert own.isdisjoint(subject.key(each) for each in subject.listed(there))
