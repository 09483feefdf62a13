"""Experiments, trials and trial components, and what belongs to what."""

import time
from typing import Any

import pytest

from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked, listed, refused
from tests.unit.services.sagemaker.world import World

ARN = "arn:aws:sagemaker:us-east-1:123456789012"
COMPONENT = f"{ARN}:experiment-trial-component"


def experiment(world: World, name: str = "Churn", *trials: str) -> None:
    checked(world, "CreateExperiment", ExperimentName=name)
    for trial in trials:
        checked(world, "CreateTrial", TrialName=trial, ExperimentName=name)


def component(world: World, name: str, *trials: str, **given: Any) -> None:
    checked(world, "CreateTrialComponent", TrialComponentName=name, **given)
    for trial in trials:
        checked(world, "AssociateTrialComponent", TrialComponentName=name, TrialName=trial)


def components(world: World, **query: Any) -> list[str]:
    return listed(world, "ListTrialComponents", "TrialComponentSummaries", "TrialComponentName", **query)


def trials(world: World, **query: Any) -> list[str]:
    return listed(world, "ListTrials", "TrialSummaries", "TrialName", **query)


def found(world: World, resource: str, record: str, **filters: str) -> list[Params]:
    expression = {"Filters": [{"Name": name, "Operator": "Equals", "Value": value} for name, value in filters.items()]}
    answer = checked(world, "Search", Resource=resource, SearchExpression=expression)
    return [each[record] for each in answer["Results"]]


def test_an_experiment_is_displayed_by_its_name_unless_it_is_given_another(world: World) -> None:
    assert checked(world, "CreateExperiment", ExperimentName="Churn") == {"ExperimentArn": f"{ARN}:experiment/churn"}
    described = checked(world, "DescribeExperiment", ExperimentName="churn")
    assert (described["ExperimentName"], described["DisplayName"]) == ("Churn", "Churn")
    assert described["CreatedBy"] == described["LastModifiedBy"]
    changed = checked(world, "UpdateExperiment", ExperimentName="churn", DisplayName="Better", Description="why")
    assert changed == {"ExperimentArn": f"{ARN}:experiment/churn"}
    described = checked(world, "DescribeExperiment", ExperimentName="Churn")
    assert (described["DisplayName"], described["Description"]) == ("Better", "why")
    (summary,) = checked(world, "ListExperiments")["ExperimentSummaries"]
    assert summary == {member: described[member] for member in summary}


def test_a_trial_belongs_to_an_experiment_that_must_exist(world: World) -> None:
    error = refused(world, "CreateTrial", TrialName="t", ExperimentName="Churn")
    assert (error.code, error.message) == ("ResourceNotFound", f"Experiment '{ARN}:experiment/churn' does not exist.")
    experiment(world, "Churn", "First")
    described = checked(world, "DescribeTrial", TrialName="first")
    assert described["TrialArn"] == f"{ARN}:experiment-trial/first"
    assert (described["ExperimentName"], described["DisplayName"]) == ("Churn", "First")


def test_names_are_unique_in_each_kind_whatever_their_case(world: World) -> None:
    experiment(world, "Same", "Same")
    component(world, "Same")
    for noun, more in (("Experiment", {}), ("Trial", {"ExperimentName": "same"}), ("TrialComponent", {})):
        error = refused(world, f"Create{noun}", **{f"{noun}Name": "sAME"}, **more)
        assert (error.code, error.message) == (
            "ValidationException",
            f"{noun} names must be unique within an AWS account and region. {noun} with name (sAME) already exists.",
        )


@pytest.mark.parametrize("noun", ["Experiment", "Trial", "TrialComponent"])
@pytest.mark.parametrize("verb", ["Describe", "Update", "Delete"])
def test_what_does_not_exist_is_not_found(world: World, noun: str, verb: str) -> None:
    error = refused(world, f"{verb}{noun}", **{f"{noun}Name": "none"})
    assert error.code == "ResourceNotFound"
    assert error.message.startswith(f"{noun} '{ARN}:experiment")
    assert error.message.endswith("/none' does not exist.")


def test_a_component_keeps_its_status_times_parameters_and_artifacts(world: World) -> None:
    given: Params = {
        "DisplayName": "run-1",
        "Status": {"PrimaryStatus": "InProgress", "Message": "on its way"},
        "StartTime": 1_700_000_000.25,
        "Parameters": {"rate": {"NumberValue": 0.125}, "model": {"StringValue": "xgb"}},
        "InputArtifacts": {"data": {"MediaType": "text/csv", "Value": "s3://b/data.csv"}},
        "OutputArtifacts": {"model": {"Value": "s3://b/model.tar.gz"}},
        "MetadataProperties": {"CommitId": "abc", "Repository": "https://git.example/r"},
    }
    component(world, "Run", **given)
    by_name = checked(world, "DescribeTrialComponent", TrialComponentName="run")
    assert {member: by_name[member] for member in given} == given
    assert by_name == checked(world, "DescribeTrialComponent", TrialComponentName=f"{COMPONENT}/run")
    (summary,) = checked(world, "ListTrialComponents")["TrialComponentSummaries"]
    assert summary == {member: by_name[member] for member in summary}
    assert summary["Status"]["PrimaryStatus"] == "InProgress"


def test_a_component_without_parameters_and_artifacts_has_none_of_them(world: World) -> None:
    component(world, "run")
    (record,) = found(world, "ExperimentTrialComponent", "TrialComponent", TrialComponentName="run")
    described = checked(world, "DescribeTrialComponent", TrialComponentName="run")
    for shown in (record, described):
        assert {member: shown[member] for member in ("Parameters", "InputArtifacts", "OutputArtifacts")} == {
            "Parameters": {},
            "InputArtifacts": {},
            "OutputArtifacts": {},
        }


def test_an_update_of_a_component_merges_maps_and_removes_what_it_names(world: World) -> None:
    component(
        world,
        "run",
        Parameters={"a": {"NumberValue": 1.0}, "b": {"NumberValue": 2.0}},
        InputArtifacts={"x": {"Value": "s3://b/x"}},
        Status={"PrimaryStatus": "InProgress", "Message": "busy"},
    )
    checked(
        world,
        "UpdateTrialComponent",
        TrialComponentName="run",
        Parameters={"a": {"StringValue": "one"}, "c": {"NumberValue": 3.0}},
        ParametersToRemove=["b", "never there"],
        InputArtifactsToRemove=["x"],
        OutputArtifacts={"y": {"Value": "s3://b/y"}},
        Status={"PrimaryStatus": "Completed"},
        EndTime=1_700_000_100.0,
    )
    described = checked(world, "DescribeTrialComponent", TrialComponentName="run")
    assert described["Parameters"] == {"a": {"StringValue": "one"}, "c": {"NumberValue": 3.0}}
    assert described["InputArtifacts"] == {}
    assert described["OutputArtifacts"] == {"y": {"Value": "s3://b/y"}}
    assert described["Status"] == {"PrimaryStatus": "Completed"}
    assert described["EndTime"] == 1_700_000_100.0


@pytest.mark.parametrize(
    ("member", "most"),
    [("Parameters", 300), ("InputArtifacts", 60), ("OutputArtifacts", 60)],
    ids=str,
)
def test_updates_together_hold_no_more_than_one_may(world: World, member: str, most: int) -> None:
    value = {"NumberValue": 1.0} if member == "Parameters" else {"Value": "s3://b/x"}
    component(world, "run", **{member: {f"k{number}": value for number in range(most)}})
    error = refused(world, "UpdateTrialComponent", TrialComponentName="run", **{member: {"one-more": value}})
    assert (error.code, error.message) == (
        "ValidationException",
        f"A trial component has at most {most} {member}: there would be {most + 1}.",
    )
    assert len(checked(world, "DescribeTrialComponent", TrialComponentName="run")[member]) == most
    swapped = {member: {"one-more": value}, f"{member}ToRemove": ["k0"]}
    checked(world, "UpdateTrialComponent", TrialComponentName="run", **swapped)


@pytest.mark.parametrize("value", [{}, {"NumberValue": 1.0, "StringValue": "1"}])
def test_a_parameter_is_either_a_number_or_a_text(world: World, value: Params) -> None:
    error = refused(world, "CreateTrialComponent", TrialComponentName="run", Parameters={"p": value})
    assert error.code == "ValidationException"
    component(world, "run")
    error = refused(world, "UpdateTrialComponent", TrialComponentName="run", Parameters={"p": value})
    assert error.message == "Exactly one of NumberValue and StringValue must be specified: parameter p."


def test_a_component_may_be_in_several_trials_and_a_trial_have_several(world: World) -> None:
    experiment(world, "Churn", "First", "Second")
    experiment(world, "Other", "Third")
    component(world, "Both", "first", "SECOND")
    component(world, "Single", "second")
    component(world, "Elsewhere", "third")
    component(world, "Loose")
    assert components(world) == ["Loose", "Elsewhere", "Single", "Both"]
    assert components(world, TrialName="Second", SortBy="Name", SortOrder="Ascending") == ["Both", "Single"]
    assert components(world, TrialName="fiRST") == ["Both"]
    assert components(world, ExperimentName="churn") == ["Single", "Both"]
    assert components(world, ExperimentName="Other") == ["Elsewhere"]
    assert trials(world, TrialComponentName="both") == ["Second", "First"]
    assert trials(world, TrialComponentName="Both", SortBy="Name", SortOrder="Ascending") == ["First", "Second"]
    assert trials(world, TrialComponentName="Both", ExperimentName="Other") == []
    assert trials(world, TrialComponentName="Loose") == []
    assert trials(world, ExperimentName="churn") == ["Second", "First"]


def test_trials_of_a_component_are_paged_and_selected_by_time(world: World) -> None:
    names = [f"t{number}" for number in range(5)]
    experiment(world, "Churn", *names)
    component(world, "run", *names)
    pages, token = [], None
    while True:
        answer = world.call("ListTrials", TrialComponentName="run", MaxResults=2, NextToken=token)
        pages.append([each["TrialName"] for each in answer["TrialSummaries"]])
        token = answer["NextToken"]
        if token is None:
            break
    assert pages == [["t4", "t3"], ["t2", "t1"], ["t0"]]
    assert trials(world, TrialComponentName="run", CreatedAfter=time.time() + 60) == []
    assert trials(world, TrialComponentName="run", CreatedBefore=time.time() - 60) == []
    assert len(trials(world, TrialComponentName="run", CreatedBefore=time.time() + 60)) == 5


def test_lists_of_what_belongs_to_nothing_say_so(world: World) -> None:
    for operation, query, noun in (
        ("ListTrialComponents", {"TrialName": "none"}, "Trial"),
        ("ListTrialComponents", {"ExperimentName": "none"}, "Experiment"),
        ("ListTrials", {"ExperimentName": "none"}, "Experiment"),
        ("ListTrials", {"TrialComponentName": "none"}, "TrialComponent"),
    ):
        error = refused(world, operation, **query)
        assert error.code == "ResourceNotFound"
        assert error.message.startswith(f"{noun} '")
    assert components(world, SourceArn=f"{ARN}:training-job/none") == []


def test_components_are_selected_by_one_thing_at_a_time(world: World) -> None:
    experiment(world, "Churn", "First")
    error = refused(world, "ListTrialComponents", TrialName="First", ExperimentName="Churn")
    assert (error.code, error.message) == (
        "ValidationException",
        "Only one of ExperimentName, TrialName, SourceArn can be specified.",
    )


def test_an_association_twice_is_one_and_its_end_is_no_change_of_the_component(world: World) -> None:
    experiment(world, "Churn", "First")
    component(world, "run", "First", "First")
    before = checked(world, "DescribeTrialComponent", TrialComponentName="run")
    names = {"TrialComponentName": "RUN", "TrialName": "first"}
    arns = {"TrialArn": f"{ARN}:experiment-trial/first", "TrialComponentArn": f"{COMPONENT}/run"}
    assert checked(world, "AssociateTrialComponent", **names) == arns
    assert checked(world, "DisassociateTrialComponent", **names) == arns
    assert components(world, TrialName="First") == []
    assert checked(world, "DescribeTrialComponent", TrialComponentName="run") == before
    error = refused(world, "DisassociateTrialComponent", **names)
    assert (error.code, error.message) == (
        "ResourceNotFound",
        f"TrialComponent '{arns['TrialComponentArn']}' is not associated with Trial '{arns['TrialArn']}'.",
    )


@pytest.mark.parametrize("operation", ["AssociateTrialComponent", "DisassociateTrialComponent"])
def test_both_ends_of_an_association_must_exist(world: World, operation: str) -> None:
    experiment(world, "Churn", "first")
    error = refused(world, operation, TrialComponentName="none", TrialName="first")
    assert (error.code, error.message) == ("ResourceNotFound", f"TrialComponent '{COMPONENT}/none' does not exist.")
    component(world, "run")
    error = refused(world, operation, TrialComponentName="run", TrialName="none")
    assert (error.code, error.message) == ("ResourceNotFound", f"Trial '{ARN}:experiment-trial/none' does not exist.")


def test_what_others_are_linked_to_is_deleted_after_them(world: World) -> None:
    experiment(world, "Churn", "First")
    component(world, "run", "First")
    for noun, name, arn, others in (
        ("Experiment", "churn", f"{ARN}:experiment/churn", "trials"),
        ("Trial", "first", f"{ARN}:experiment-trial/first", "trial components"),
        ("TrialComponent", "run", f"{COMPONENT}/run", "trials"),
    ):
        error = refused(world, f"Delete{noun}", **{f"{noun}Name": name})
        assert (error.code, error.message) == (
            "ValidationException",
            f"{noun} '{arn}' is linked to 1 or more {others} and cannot be deleted.",
        )
    checked(world, "DisassociateTrialComponent", TrialComponentName="run", TrialName="First")
    for noun, name in (("TrialComponent", "run"), ("Trial", "First"), ("Experiment", "Churn")):
        assert list(checked(world, f"Delete{noun}", **{f"{noun}Name": name})) == [f"{noun}Arn"]
        assert refused(world, f"Describe{noun}", **{f"{noun}Name": name}).code == "ResourceNotFound"


def test_a_component_is_found_by_the_trials_and_parameters_that_it_has(world: World) -> None:
    experiment(world, "Churn", "First", "Second")
    component(world, "run-1", "First", Parameters={"rate": {"NumberValue": 0.5}})
    component(world, "run-2", "First", "Second", Parameters={"rate": {"NumberValue": 0.25}})
    first, second = ({"TrialName": name, "ExperimentName": "Churn"} for name in ("First", "Second"))
    kind = ("ExperimentTrialComponent", "TrialComponent")
    (record,) = found(world, *kind, **{"Parents.TrialName": "First", "TrialComponentName": "run-2"})
    assert record["Parents"] == [first, second]
    (record,) = found(world, *kind, **{"Parents.TrialName": "First", "Parameters.rate": "0.5"})
    assert record["TrialComponentName"] == "run-1"
    checked(world, "DisassociateTrialComponent", TrialComponentName="run-2", TrialName="First")
    assert len(found(world, *kind, **{"Parents.TrialName": "First"})) == 1
    assert len(found(world, *kind, **{"Parents.ExperimentName": "Churn"})) == 2


def test_search_shows_the_components_of_a_trial(world: World) -> None:
    experiment(world, "Churn", "First")
    component(world, "run-1", "First")
    component(world, "run-2", "First")
    (record,) = found(world, "ExperimentTrial", "Trial", ExperimentName="Churn")
    names = [each["TrialComponentName"] for each in record["TrialComponentSummaries"]]
    assert names == ["run-1", "run-2"]
    assert record["TrialComponentSummaries"][0]["TrialComponentArn"] == f"{COMPONENT}/run-1"
    (record,) = found(world, "Experiment", "Experiment", ExperimentName="Churn")
    assert record["ExperimentArn"] == f"{ARN}:experiment/churn"
