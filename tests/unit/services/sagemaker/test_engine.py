"""What Describe shows, what an Update changes, and operations that are written by hand."""

from dataclasses import replace
from typing import Any

import pytest

from sagesmith.credentials import Principal
from sagesmith.services.sagemaker.engine import Call, Kind, paged, updated, view_of, writing
from sagesmith.store import Document, Query
from sagesmith.wire.context import Params
from sagesmith.wire.errors import AwsError, ValidationException
from tests.unit.services.sagemaker.answers import checked, declare, listed, refused
from tests.unit.services.sagemaker.small_kinds import create_pipeline, experiments, pipelines
from tests.unit.services.sagemaker.world import ACCOUNT, REGION, ROLE, World, context

ARN = "arn:aws:sagemaker:us-east-1:123456789012"
OTHER_USER = Principal(f"arn:aws:iam::{ACCOUNT}:user/other", ACCOUNT, "AKIB", "AIDAOTHER")


def call_as_other(world: World, operation: str, **params: Any) -> Params:
    return world.operations[operation](replace(context(operation), principal=OTHER_USER), params)


def test_an_answer_that_nests_the_resource_is_nested(world: World) -> None:
    workteam = Kind(noun="Workteam", deleted={"Success": True}, initial=lambda call, params: {"SubDomain": "s"})
    declare(world, workteam)
    members = [{"OidcMemberDefinition": {"Groups": ["g"]}}]
    checked(world, "CreateWorkteam", WorkteamName="T", MemberDefinitions=members, Description="d")
    described = checked(world, "DescribeWorkteam", WorkteamName="t")["Workteam"]
    assert (described["WorkteamName"], described["SubDomain"]) == ("T", "s")
    assert described["CreateDate"] == described["LastUpdatedDate"]
    changed = checked(world, "UpdateWorkteam", WorkteamName="t", Description="e")["Workteam"]
    assert (changed["Description"], changed["MemberDefinitions"]) == ("e", members)
    assert changed["LastUpdatedDate"] > changed["CreateDate"]
    assert checked(world, "ListWorkteams", SortBy="CreateDate")["Workteams"] == [changed]
    assert checked(world, "DeleteWorkteam", WorkteamName="t") == {"Success": True}


def test_who_made_a_resource_and_who_changed_it_are_shown(world: World) -> None:
    declare(world, *experiments())
    checked(world, "CreateExperiment", ExperimentName="e")
    call_as_other(world, "UpdateExperiment", ExperimentName="e", Description="changed")
    described = checked(world, "DescribeExperiment", ExperimentName="e")
    assert described["CreatedBy"]["IamIdentity"]["PrincipalId"] == "AROA:s"
    assert described["LastModifiedBy"] == {"IamIdentity": {"Arn": OTHER_USER.arn, "PrincipalId": OTHER_USER.user_id}}


def test_what_lies_in_other_resources_is_described_but_not_listed(world: World) -> None:
    def count(call: Call, document: Document, params: Params) -> Params:
        found = call.tx.count(Query("image-version", document.region, parent=document.key))
        return {"Description": f"{found} versions"}

    image = Kind(noun="Image", rests_as="CREATED", lookup=count)
    declare(world, image)
    checked(world, "CreateImage", ImageName="i", RoleArn=ROLE)
    assert checked(world, "DescribeImage", ImageName="i")["Description"] == "0 versions"
    assert "Description" not in checked(world, "ListImages")["Images"][0]


def test_a_status_that_is_given_is_selected_by_and_updated(world: World) -> None:
    card = Kind(noun="ModelCard", initial=lambda call, params: {"ModelCardVersion": 1})
    declare(world, card)
    for name, status in (("a", "Draft"), ("b", "Approved")):
        checked(world, "CreateModelCard", ModelCardName=name, Content="{}", ModelCardStatus=status)
    query = {"ModelCardStatus": "Approved"}
    assert listed(world, "ListModelCards", "ModelCardSummaries", "ModelCardName", **query) == ["b"]
    checked(world, "UpdateModelCard", ModelCardName="a", ModelCardStatus="Approved")
    assert checked(world, "DescribeModelCard", ModelCardName="a")["ModelCardStatus"] == "Approved"
    assert listed(world, "ListModelCards", "ModelCardSummaries", "ModelCardName", **query) == ["b", "a"]


def test_an_update_replaces_merges_and_removes(world: World) -> None:
    action = Kind(noun="Action", filters={"SourceUri": "Source.SourceUri"}, merges=frozenset({"Properties"}))
    declare(world, action)
    given: Params = {"ActionName": "a", "Source": {"SourceUri": "s3://a"}, "ActionType": "Deployment"}
    checked(world, "CreateAction", **given, Properties={"a": "1", "b": "1"}, Description="before")
    checked(
        world, "UpdateAction", ActionName="a", Properties={"b": "2", "c": "2"}, PropertiesToRemove=["a"], Description=""
    )
    described = checked(world, "DescribeAction", ActionName="a")
    assert (described["Properties"], described["Description"]) == ({"b": "2", "c": "2"}, "")
    assert listed(world, "ListActions", "ActionSummaries", "ActionName", SourceUri="s3://a") == ["a"]
    assert listed(world, "ListActions", "ActionSummaries", "ActionName", ActionType="Other") == []


def test_a_change_builds_on_the_update_of_the_model(world: World) -> None:
    def change(call: Call, document: Document, params: Params) -> Document:
        if params.get("Description") == "no":
            raise ValidationException("no")
        return updated(experiment, document, params)

    experiment = Kind(noun="Experiment", changes={"UpdateExperiment": change}, summary={"ExperimentSource": "Source"})
    declare(world, experiment)
    checked(world, "CreateExperiment", ExperimentName="e", DisplayName="E")
    before = checked(world, "DescribeExperiment", ExperimentName="e")
    assert refused(world, "UpdateExperiment", ExperimentName="e", Description="no").message == "no"
    assert checked(world, "DescribeExperiment", ExperimentName="e") == before
    assert checked(world, "UpdateExperiment", ExperimentName="e", Description="d") == {
        "ExperimentArn": f"{ARN}:experiment/e"
    }
    assert checked(world, "DescribeExperiment", ExperimentName="e")["DisplayName"] == "E"


def test_a_write_by_hand_is_one_transaction(world: World) -> None:
    def run(call: Call, params: Params) -> Params:
        call.tx.create(Document("thing", REGION, "a", "a", "", {}))
        raise ValidationException("no")

    with pytest.raises(AwsError, match="no"):
        writing(world.home, run)(context("X"), {})
    with world.store.read() as tx:
        assert tx.get("thing", REGION, "a") is None


def test_pages_of_a_sequence_follow_each_other_whatever_is_gone_meanwhile() -> None:
    items = [f"k{number}" for number in range(5)]
    first, token = paged(items, {"MaxResults": 2}, str)
    assert (first, token is not None) == (["k0", "k1"], True)
    items.remove("k1")
    assert paged(items, {"MaxResults": 3, "NextToken": token}, str) == (["k2", "k3", "k4"], None)
    last, token = paged(items, {"MaxResults": 2}, str, descending=True)
    assert last == ["k4", "k3"]
    assert paged(items, {"NextToken": token}, str, descending=True) == (["k2", "k0"], None)
    for wrong in ("nonsense", "WzFd", "WyJhIiwiYiJd"):
        with pytest.raises(AwsError, match="Invalid NextToken"):
            paged(items, {"NextToken": wrong}, str)


def test_what_describe_answers_can_be_had_of_a_document(world: World) -> None:
    declare(world, pipelines())
    create_pipeline(world, "p", "t")
    document = world.stored("pipeline", "p")
    assert view_of(pipelines()).describe(document) == checked(world, "DescribePipeline", PipelineName="p")
