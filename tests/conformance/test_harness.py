"""The harness finds what is wrong: each fault that is put into an operation is met by the check that is for it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis.errors import FlakyFailure

from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import AwsError, ConflictException
from tests.conformance import test_kinds, test_lifecycles, test_lists, test_relations, test_rules, test_table
from tests.conformance.answers import problems
from tests.conformance.checks import CHECKS
from tests.conformance.model import input_of, output_of
from tests.conformance.run import Run
from tests.conformance.servers import Fault
from tests.conformance.violations import violations


def answering(change: Callable[[Params], Params]) -> Fault:
    """A fault that changes answers."""
    return lambda handler: lambda context, params: change(handler(context, params))


def asked(change: Callable[[Params], Params]) -> Fault:
    """A fault that changes requests."""
    return lambda handler: lambda context, params: handler(context, change(params))


def without(*members: str) -> Callable[[Params], Params]:
    """A change that drops members."""
    return lambda params: {name: value for name, value in params.items() if name not in members}


def doing_nothing(handler: Handler) -> Handler:
    """A fault of an operation that only answers."""
    return lambda context, params: {}


def everywhere(handler: Handler) -> Handler:
    """A fault of an operation that knows one region."""
    return lambda context, params: handler(_in(context, "us-east-1"), params)


def _in(context: RequestContext, region: str) -> RequestContext:
    return replace(context, region=region)


def leaving(handler: Handler) -> Handler:
    """A fault of a CreateCodeRepository that leaves something behind when it refuses."""

    def leave(context: RequestContext, params: Params) -> Params:
        try:
            return handler(context, params)
        except AwsError:
            handler(context, {**params, "CodeRepositoryName": f"left-{context.request_id}"})
            raise

    return leave


def forgiving(handler: Handler) -> Handler:
    """A fault of an operation that answers what it should refuse."""

    def forgive(context: RequestContext, params: Params) -> Params:
        try:
            return handler(context, params)
        except Exception:
            return {"CodeRepositoryArn": "arn:aws:sagemaker:us-east-1:123456789012:code-repository/x"}

    return forgive


def swallowing(handler: Handler) -> Handler:
    """A fault of an operation that answers nothing where it should refuse."""

    def swallow(context: RequestContext, params: Params) -> Params:
        try:
            return handler(context, params)
        except AwsError:
            return {}

    return swallow


def refusing_otherwise(handler: Handler) -> Handler:
    """A fault of an operation that refuses with another error than the one that is declared."""

    def refuse(context: RequestContext, params: Params) -> Params:
        try:
            return handler(context, params)
        except AwsError as error:
            raise ConflictException(error.message) from error

    return refuse


CODE = "CodeRepository"
FAULTS: list[tuple[str, str, Fault, Callable[..., None], str]] = [
    (
        CODE,
        "DescribeCodeRepository",
        answering(without("GitConfig")),
        test_kinds.test_what_was_created_is_described,
        "GitConfig: not shown",
    ),
    (
        CODE,
        "DescribeCodeRepository",
        answering(without("CreationTime")),
        test_kinds.test_what_was_created_is_described,
        "CreationTime: required",
    ),
    (
        CODE,
        "ListCodeRepositories",
        answering(
            lambda answer: {
                "CodeRepositorySummaryList": [
                    each | {"CreationTime": 1e9} for each in answer["CodeRepositorySummaryList"]
                ]
            }
        ),
        test_kinds.test_a_list_has_what_was_created_as_describe_shows_it,
        "CreationTime: not as described",
    ),
    (
        CODE,
        "UpdateCodeRepository",
        asked(without("GitConfig")),
        test_kinds.test_what_was_updated_is_described,
        "GitConfig: not shown",
    ),
    (CODE, "DeleteCodeRepository", doing_nothing, test_kinds.test_what_was_deleted_is_gone, "missing is not"),
    (CODE, "AddTags", doing_nothing, test_kinds.test_tags_come_with_a_resource_and_change_by_its_arn, "stage"),
    (CODE, "CreateCodeRepository", forgiving, test_kinds.test_a_name_that_is_taken_is_refused, "a taken name"),
    (
        CODE,
        "ListCodeRepositories",
        answering(without("NextToken")),
        test_lists.test_pages_of_one_walk_all_in_every_order,
        "pages differ",
    ),
    (
        CODE,
        "ListCodeRepositories",
        asked(without("SortOrder")),
        test_lists.test_pages_of_one_walk_all_in_every_order,
        "order",
    ),
    (
        CODE,
        "ListCodeRepositories",
        asked(without("NameContains")),
        test_lists.test_filters_exclude_what_they_must,
        "NameContains",
    ),
    (
        CODE,
        "ListCodeRepositories",
        asked(without("CreationTimeAfter")),
        test_lists.test_filters_exclude_what_they_must,
        "CreationTimeAfter",
    ),
    (
        "Space",
        "CreateSpace",
        forgiving,
        test_kinds.test_what_is_not_there_cannot_be_referred_to,
        "DomainId: not missed",
    ),
    (
        "UserProfile",
        "DeleteDomain",
        doing_nothing,
        test_kinds.test_what_others_belong_to_is_not_deleted_before_them,
        "with children",
    ),
    (
        "TrainingJob",
        "StopTrainingJob",
        swallowing,
        test_lifecycles.test_what_a_state_refuses_is_refused_and_changes_nothing,
        "StopTrainingJob in state Completed: not refused",
    ),
    (
        "TrainingJob",
        "StopTrainingJob",
        refusing_otherwise,
        test_lifecycles.test_what_a_state_refuses_is_refused_and_changes_nothing,
        "StopTrainingJob in state Completed: not refused",
    ),
    (
        "Workteam",
        "DeleteWorkforce",
        swallowing,
        test_relations.test_what_others_name_is_not_deleted_before_them,
        "DeleteWorkforce: named by WorkforceArn",
    ),
    (
        "Action",
        "DeleteAction",
        swallowing,
        test_relations.test_what_is_associated_is_not_deleted,
        "DeleteAction: associated",
    ),
    (
        "TrialComponent",
        "UpdateTrialComponent",
        swallowing,
        test_rules.test_what_the_documentation_rules_out_is_refused,
        "UpdateTrialComponent: Only one of NumberValue or StringValue",
    ),
    (CODE, "CreateCodeRepository", leaving, test_kinds.test_a_name_that_is_taken_is_refused, "left-"),
]


@pytest.mark.parametrize(
    ("noun", "operation", "fault", "check", "said"),
    FAULTS,
    ids=[f"{each[1]}-{each[2].__name__}-{each[4]}" for each in FAULTS],
)
def test_a_fault_is_found(noun: str, operation: str, fault: Fault, check: Callable[..., None], said: str) -> None:
    run = Run({operation: fault})
    try:
        with pytest.raises((pytest.fail.Exception, AssertionError), match=said):
            check(run.subjects[noun])
    finally:
        run.close()


def test_an_operation_that_knows_one_region_is_found() -> None:
    operations = [f"{verb}CodeRepository" for verb in ("Create", "Describe", "Update", "Delete")]
    run = Run(dict.fromkeys(operations, everywhere))
    try:
        with pytest.raises(pytest.fail.Exception, match=CODE):
            test_kinds.test_two_regions_do_not_mix(run.subjects[CODE])
    finally:
        run.close()


def remembering(operation: str, *forgotten_by: str) -> dict[str, Fault]:
    """Faults of a server that remembers its answers until it changes something itself."""
    known: dict[str, Params] = {}

    def remember(handler: Handler) -> Handler:
        def answer(context: RequestContext, params: Params) -> Params:
            asked = f"{context.region} {params}"
            if asked not in known:
                known[asked] = handler(context, params)
            return known[asked]

        return answer

    def forget(handler: Handler) -> Handler:
        def change(context: RequestContext, params: Params) -> Params:
            known.clear()
            return handler(context, params)

        return change

    return {operation: remember, **dict.fromkeys(forgotten_by, forget)}


@pytest.mark.postgres
def test_a_server_that_does_not_see_what_another_one_changed_is_found() -> None:
    check = test_kinds.test_tags_come_with_a_resource_and_change_by_its_arn
    alone = Run(remembering("ListTags", "AddTags", "DeleteTags"))
    try:
        check(alone.subjects[CODE])
    finally:
        alone.close()
    run = Run(remembering("ListTags", "AddTags", "DeleteTags"), two_servers=True)
    try:
        # Which server answers depends on the calls before, so that hypothesis does not see the failure twice.
        with pytest.raises((AssertionError, FlakyFailure)):
            check(run.subjects[CODE])
    finally:
        run.close()


def test_an_exception_that_no_check_meets_is_found() -> None:
    run = Run()
    try:
        subject = run.subjects[CODE]
        subject.facts = replace(subject.facts, exceptions={"DescribeCodeRepository: of no use": "nobody knows"})
        subject.checked = set(CHECKS)
        with pytest.raises(AssertionError, match="of no use"):
            test_table.test_every_exception_is_needed(subject)
    finally:
        run.close()


RIGHT: dict[str, Any] = {
    "CodeRepositoryName": "name",
    "CodeRepositoryArn": "arn:aws:sagemaker:us-east-1:123456789012:code-repository/name",
    "CreationTime": 1_767_268_800.123,
    "LastModifiedTime": 1_767_268_800.123,
    "GitConfig": {"RepositoryUrl": "https://example.com/x"},
}
WRONG: list[tuple[Params, str]] = [
    ({"CodeRepositoryName": "-"}, "CodeRepositoryName: pattern"),
    ({"CodeRepositoryName": "a" * 64}, "CodeRepositoryName: length"),
    ({"CodeRepositoryName": 1}, "CodeRepositoryName: type"),
    ({"CreationTime": "2026-01-01T00:00:00Z"}, "CreationTime: type"),
    ({"CreationTime": True}, "CreationTime: type"),
    ({"CreationTime": 1_767_268_800_123}, "CreationTime: timestamp"),
    ({"GitConfig": {}}, "GitConfig.RepositoryUrl: required"),
    ({"Url": "x"}, "Url: unknown"),
    ({"GitConfig": {"RepositoryUrl": "https://example.com/x", "Url": ""}}, "GitConfig.Url: unknown"),
]


@pytest.mark.parametrize(("change", "said"), WRONG, ids=[said for _, said in WRONG])
def test_an_answer_that_does_not_fit_its_shape_is_found(change: Params, said: str) -> None:
    shape = output_of("DescribeCodeRepository")
    assert problems(RIGHT, shape) == []
    assert said in [f"{each.path}: {each.rule}" for each in problems({**RIGHT, **change}, shape)]


def test_a_list_that_is_not_there_and_a_word_that_is_not_of_its_enum_are_found() -> None:
    assert [each.rule for each in problems({}, output_of("ListModels"))] == ["missing list", "required"]
    shape = output_of("DescribeTrainingJob").members["TrainingJobStatus"]
    wrong = {"TrainingJobStatus": "Running"}
    assert "enum" in {each.rule for each in problems(wrong, output_of("DescribeTrainingJob")) if "Status" in each.path}
    assert "Running" not in shape.enum


def test_every_sort_of_constraint_is_broken() -> None:
    request = {
        "CodeRepositoryName": "name",
        "GitConfig": {"RepositoryUrl": "https://example.com/x", "Branch": "main"},
        "Tags": [{"Key": "a", "Value": "b"}],
    }
    found = list(violations(request, input_of("CreateCodeRepository")))
    said = " ".join(" ".join(each.said) for each in found)
    for constraint in ("not be null", "greater than or equal to 1", "less than or equal to 63", "regular expression"):
        assert constraint in said
    assert {each.code for each in found} == {"ValidationException", "SerializationException"}
    assert all(each.applied(request) != request for each in found)
