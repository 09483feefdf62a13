"""What the documentation rules out is refused, and changes nothing."""

from typing import Any

from tests.conformance.checks import check
from tests.conformance.documentation import rule_sentences
from tests.conformance.generate import Draw, Size
from tests.conformance.model import Params, input_of
from tests.conformance.rules import Rule, changed, every_rule
from tests.conformance.rules.left_out import why
from tests.conformance.run import the_run
from tests.conformance.subject import Resource, Subject

RULES = every_rule()


@check(examples=1)
def test_what_the_documentation_rules_out_is_refused(subject: Subject, draw: Draw) -> None:
    for rule in (each for each in RULES if each.kind == subject.facts.noun):
        region = subject.platform.new_region()
        request = asked(subject, draw, region, rule)
        before = subject.platform.stored(region)
        refused = subject.refusal(region, rule.operation, **request)
        right = refused is not None and refused.code == rule.code and rule.refused in refused.message
        subject.expect(right, f"{rule.operation}: {rule.says or rule.refused}", refused or f"accepted: {request}")
        assert subject.platform.stored(region) == before
        subject.platform.coverage.violations[rule.operation] += 1


def test_every_sentence_that_sounds_like_a_rule_has_a_row_or_a_reason() -> None:
    sentences = rule_sentences(the_run().platform.built)
    quoted = [rule.says for rule in RULES if rule.says]
    missing = [
        sentence for sentence in sentences if not any(each in sentence[1] for each in quoted) and why(*sentence) is None
    ]
    assert missing == []
    assert [each for each in quoted if not any(each in sentence for _, sentence in sentences)] == []


def test_every_rule_is_of_a_kind_that_is_tested() -> None:
    assert {rule.kind for rule in RULES} <= the_run().subjects.keys()


def asked(subject: Subject, draw: Draw, region: str, rule: Rule) -> Params:
    """A request that breaks a rule and is right otherwise."""
    create = subject.operations.create
    valid = subject.draw_request(draw, Size.MINIMAL, subject.needed(draw, region))
    if rule.operation == create:
        for granted in rule.first:
            subject.call(region, create, **changed(valid, granted))
        return changed(valid, rule.asked)
    if rule.operation == "Search":
        return dict(rule.asked)
    request = changed(valid, rule.having)
    resource = Resource(region, request, subject.call(region, create, **request))
    identity = subject.identity(rule.operation, resource)
    for granted in rule.first:
        subject.call(region, rule.operation, **changed(identity, granted))
    known: Any = changed(identity, rule.asked)
    if known.get("ResourceArn") == "itself":
        known["ResourceArn"] = subject.arn(resource, subject.describe(resource))
    return {member: value for member, value in known.items() if member in input_of(rule.operation).members}
