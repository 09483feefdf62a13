"""Lineage entities, the associations between them, and walks along these."""

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked, refused
from tests.unit.services.sagemaker.world import World

PREFIX = "arn:aws:sagemaker:us-east-1:123456789012"
GROUP = f"{PREFIX}:lineage-group/sagemaker-default-lineage-group"
HOUR = 3600.0


def artifact(world: World, uri: str, type_: str = "DataSet", **members: Any) -> str:
    answer = checked(world, "CreateArtifact", Source={"SourceUri": uri}, ArtifactType=type_, **members)
    return str(answer["ArtifactArn"])


def action(world: World, name: str, type_: str = "Training", **members: Any) -> str:
    source = {"SourceUri": f"s3://b/{name}"}
    return str(checked(world, "CreateAction", ActionName=name, Source=source, ActionType=type_, **members)["ActionArn"])


def context(world: World, name: str, type_: str = "Endpoint", **members: Any) -> str:
    source = {"SourceUri": f"s3://b/{name}"}
    answer = checked(world, "CreateContext", ContextName=name, Source=source, ContextType=type_, **members)
    return str(answer["ContextArn"])


def component(world: World, name: str, **members: Any) -> str:
    return str(checked(world, "CreateTrialComponent", TrialComponentName=name, **members)["TrialComponentArn"])


def associate(world: World, *arns: str, type_: str = "ContributedTo") -> None:
    """A chain of associations."""
    for source, destination in itertools.pairwise(arns):
        answer = checked(world, "AddAssociation", SourceArn=source, DestinationArn=destination, AssociationType=type_)
        assert answer == {"SourceArn": source, "DestinationArn": destination}


def listed(world: World, **query: Any) -> list[Params]:
    return list(checked(world, "ListAssociations", **query)["AssociationSummaries"])


def pairs(world: World, **query: Any) -> list[tuple[str, str]]:
    return [(each["SourceArn"], each["DestinationArn"]) for each in listed(world, **query)]


def reached(world: World, *starts: str, **query: Any) -> list[str]:
    answer = checked(world, "QueryLineage", StartArns=list(starts), **query)
    assert answer.get("Edges") is None or query.get("IncludeEdges")
    return [vertex["Arn"] for vertex in answer["Vertices"]]


def edges(answer: Params) -> list[tuple[str, str]]:
    return [(edge["SourceArn"], edge["DestinationArn"]) for edge in answer["Edges"]]


MAKERS: Mapping[str, Callable[..., str]] = {"Action": action, "Artifact": artifact, "Context": context}


class Chain:
    """data -> training -> model -> endpoint."""

    def __init__(self, world: World) -> None:
        self.data = artifact(world, "s3://b/data", Properties={"team": "red"})
        self.training = action(world, "training")
        self.model = artifact(world, "s3://b/model", "Model", Properties={"team": "blue", "size": "1"})
        self.endpoint = context(world, "endpoint")
        self.all = [self.data, self.training, self.model, self.endpoint]
        associate(world, *self.all)


@pytest.fixture
def chain(world: World) -> Chain:
    return Chain(world)


# Entities


def test_an_artifact_is_described_with_its_source_its_maker_and_its_group(world: World) -> None:
    source = {"SourceUri": "s3://b/k", "SourceTypes": [{"SourceIdType": "S3ETag", "Value": "e"}]}
    members = {"ArtifactName": "Data-1", "Properties": {"a": "1"}, "MetadataProperties": {"CommitId": "c"}}
    arn = checked(world, "CreateArtifact", Source=source, ArtifactType="DataSet", **members)["ArtifactArn"]
    assert arn.startswith(f"{PREFIX}:artifact/")
    described = checked(world, "DescribeArtifact", ArtifactArn=arn)
    assert {member: described[member] for member in members} == members
    assert (described["Source"], described["ArtifactType"]) == (source, "DataSet")
    assert described["LineageGroupArn"] == GROUP
    assert described["CreatedBy"] == described["LastModifiedBy"]
    (summary,) = checked(world, "ListArtifacts")["ArtifactSummaries"]
    assert summary == {member: described[member] for member in summary}


def test_there_is_one_artifact_of_a_source_whatever_its_type_or_name(world: World) -> None:
    types = [{"SourceIdType": "S3ETag", "Value": "1"}, {"SourceIdType": "Custom", "Value": "2"}]
    source = {"SourceUri": "s3://b/k", "SourceTypes": types}
    arn = checked(world, "CreateArtifact", Source=source, ArtifactType="DataSet")["ArtifactArn"]
    same = {"SourceUri": "s3://b/k", "SourceTypes": types[::-1]}
    error = refused(world, "CreateArtifact", Source=same, ArtifactType="Model", ArtifactName="other")
    assert (error.code, error.message) == ("ValidationException", f"Artifact '{arn}' already exists.")
    assert artifact(world, "s3://b/k") != arn
    assert checked(world, "DescribeArtifact", ArtifactArn=arn)["ArtifactType"] == "DataSet"


def test_artifacts_may_share_a_name(world: World) -> None:
    assert artifact(world, "s3://b/1", ArtifactName="same") != artifact(world, "s3://b/2", ArtifactName="same")


def test_an_artifact_is_deleted_by_its_arn_its_source_or_both(world: World) -> None:
    for given in (("ArtifactArn",), ("Source",), ("ArtifactArn", "Source")):
        arn = artifact(world, "s3://b/k")
        named = {"ArtifactArn": arn, "Source": {"SourceUri": "s3://b/k"}}
        answer = checked(world, "DeleteArtifact", **{member: named[member] for member in given})
        assert answer == {"ArtifactArn": arn}
        assert refused(world, "DescribeArtifact", ArtifactArn=arn).code == "ResourceNotFound"


def test_which_artifact_to_delete_must_be_said_and_said_once(world: World) -> None:
    first, second = artifact(world, "s3://b/1"), artifact(world, "s3://b/2")
    error = refused(world, "DeleteArtifact")
    assert (error.code, error.message) == (
        "ValidationException",
        "Either ArtifactArn or Source must be specified.",
    )
    error = refused(world, "DeleteArtifact", ArtifactArn=first, Source={"SourceUri": "s3://b/2"})
    assert error.message == f"ArtifactArn and Source name different artifacts: {first}, {second}."
    error = refused(world, "DeleteArtifact", Source={"SourceUri": "s3://b/3"})
    assert error.code == "ResourceNotFound"
    assert len(checked(world, "ListArtifacts")["ArtifactSummaries"]) == 2


@pytest.mark.parametrize("noun", ["Action", "Context"])
def test_names_of_actions_and_contexts_are_unique(world: World, noun: str) -> None:
    params = {f"{noun}Name": "Same", "Source": {"SourceUri": "u"}, f"{noun}Type": "t"}
    arn = checked(world, f"Create{noun}", **params)[f"{noun}Arn"]
    assert arn == f"{PREFIX}:{noun.lower()}/same"
    error = refused(world, f"Create{noun}", **params)
    assert (error.code, error.message) == (
        "ValidationException",
        f"{noun} names must be unique within an AWS account and region. {noun} with name (Same) already exists.",
    )
    described = checked(world, f"Describe{noun}", **{f"{noun}Name": arn})
    assert (described[f"{noun}Name"], described["LineageGroupArn"]) == ("Same", GROUP)


@pytest.mark.parametrize("noun", ["Action", "Context"])
def test_an_action_or_context_that_is_not_there_is_not_found(world: World, noun: str) -> None:
    for operation in (f"Describe{noun}", f"Update{noun}", f"Delete{noun}"):
        error = refused(world, operation, **{f"{noun}Name": "none"})
        assert (error.code, error.message) == (
            "ResourceNotFound",
            f"{noun} '{PREFIX}:{noun.lower()}/none' does not exist.",
        )


@pytest.mark.parametrize("noun", ["Action", "Artifact", "Context"])
def test_an_update_replaces_properties_and_removes_others(world: World, noun: str) -> None:
    arn = MAKERS[noun](world, "it", Properties={"a": "1", "b": "2"})
    name = {"ArtifactArn": arn} if noun == "Artifact" else {f"{noun}Name": "it"}
    assert checked(world, f"Update{noun}", PropertiesToRemove=["a", "none"], **name) == {f"{noun}Arn": arn}
    assert checked(world, f"Describe{noun}", **name)["Properties"] == {"b": "2"}
    checked(world, f"Update{noun}", PropertiesToRemove=["d"], Properties={"c": "3", "d": "4"}, **name)
    described = checked(world, f"Describe{noun}", **name)
    assert described["Properties"] == {"c": "3"}
    assert described["CreationTime"] < described["LastModifiedTime"]


def test_an_action_has_the_status_that_it_was_given_last(world: World) -> None:
    action(world, "a", Status="InProgress")
    checked(world, "UpdateAction", ActionName="a", Status="Completed", Description="done")
    described = checked(world, "DescribeAction", ActionName="a")
    assert (described["Status"], described["Description"]) == ("Completed", "done")
    (summary,) = checked(world, "ListActions")["ActionSummaries"]
    assert summary["Status"] == "Completed"


@pytest.mark.parametrize("noun", ["Action", "Artifact", "Context"])
def test_lists_are_of_a_source_a_type_or_a_time_the_newest_first(world: World, noun: str) -> None:
    uri = "s3://b/{}" if noun != "Artifact" else "{}"
    arns = [MAKERS[noun](world, name, type_) for name, type_ in (("b", "x"), ("a", "y"), ("c", "x"))]

    def found(**query: Any) -> list[int]:
        summaries = checked(world, f"List{noun}s", **query)[f"{noun}Summaries"]
        return [arns.index(each[f"{noun}Arn"]) for each in summaries]

    assert found() == [2, 1, 0]
    assert found(SortOrder="Ascending", SortBy="CreationTime") == [0, 1, 2]
    assert found(**{f"{noun}Type": "x"}) == [2, 0]
    assert found(SourceUri=uri.format("a")) == [1]
    assert found(SourceUri=uri.format("a"), **{f"{noun}Type": "x"}) == []
    now = time.time()
    assert found(CreatedAfter=now + HOUR) == found(CreatedBefore=now - HOUR) == []
    assert found(CreatedAfter=now - HOUR, CreatedBefore=now + HOUR) == [2, 1, 0]
    if noun != "Artifact":
        assert found(SortBy="Name", SortOrder="Ascending") == [1, 0, 2]


def test_entities_have_tags(world: World) -> None:
    for arn in (artifact(world, "u"), action(world, "a"), context(world, "c")):
        tags = [{"Key": "k", "Value": "v"}]
        checked(world, "AddTags", ResourceArn=arn, Tags=tags)
        assert checked(world, "ListTags", ResourceArn=arn)["Tags"] == tags


# The lineage group


def test_a_region_has_its_one_lineage_group_from_its_first_entity_on(world: World) -> None:
    name = GROUP.rpartition("/")[2]
    assert checked(world, "ListLineageGroups")["LineageGroupSummaries"] == []
    error = refused(world, "DescribeLineageGroup", LineageGroupName=name)
    assert (error.code, error.message) == ("ResourceNotFound", f"LineageGroup '{GROUP}' does not exist.")
    artifact(world, "u")
    first = checked(world, "DescribeLineageGroup", LineageGroupName=name)
    action(world, "a")
    component(world, "run")
    assert checked(world, "DescribeTrialComponent", TrialComponentName="run")["LineageGroupArn"] == GROUP
    (summary,) = checked(world, "ListLineageGroups")["LineageGroupSummaries"]
    assert summary == {member: first[member] for member in summary}
    assert (first["LineageGroupArn"], first["LineageGroupName"]) == (GROUP, name)
    assert world.call("ListLineageGroups", region="eu-west-1")["LineageGroupSummaries"] == []


def test_a_lineage_group_that_is_shared_with_nobody_has_no_policy(world: World) -> None:
    artifact(world, "u")
    for name in (GROUP, GROUP.rpartition("/")[2]):
        error = refused(world, "GetLineageGroupPolicy", LineageGroupName=name)
        assert (error.code, error.message) == ("ResourceNotFound", f"Cannot find resource policy for: {GROUP}")
    error = refused(world, "GetLineageGroupPolicy", LineageGroupName="other")
    assert error.message == f"LineageGroup '{PREFIX}:lineage-group/other' does not exist."


# Associations


def test_an_association_is_listed_with_names_and_types_of_its_ends(world: World) -> None:
    source = artifact(world, "u", ArtifactName="Data")
    destination = context(world, "c")
    checked(world, "AddAssociation", SourceArn=source, DestinationArn=destination)
    (summary,) = listed(world)
    assert summary.pop("CreationTime") > 0
    assert summary.pop("CreatedBy")["IamIdentity"]["PrincipalId"] == "AROA:s"
    assert summary == {
        "SourceArn": source,
        "DestinationArn": destination,
        "SourceType": "DataSet",
        "DestinationType": "Endpoint",
        "SourceName": "Data",
        "DestinationName": "c",
    }
    checked(world, "UpdateArtifact", ArtifactArn=source, ArtifactName="Renamed")
    assert listed(world)[0]["SourceName"] == "Renamed"


def test_two_entities_are_associated_once_in_each_direction(world: World) -> None:
    first, second = artifact(world, "1"), artifact(world, "2")
    associate(world, first, second, first)
    error = refused(world, "AddAssociation", SourceArn=first, DestinationArn=second, AssociationType="Produced")
    assert (error.code, error.message) == (
        "ValidationException",
        f"Association '{first} -> {second}' already exists.",
    )
    assert [each["AssociationType"] for each in listed(world)] == ["ContributedTo", "ContributedTo"]


def test_both_ends_of_an_association_must_exist_in_the_region(world: World) -> None:
    here = artifact(world, "u")
    for missing in (f"{PREFIX}:artifact/none", f"{PREFIX}:context/none", here.replace("us-east-1", "eu-west-1")):
        noun = "Context" if "context" in missing else "Artifact"
        for ends in ({"SourceArn": here, "DestinationArn": missing}, {"SourceArn": missing, "DestinationArn": here}):
            error = refused(world, "AddAssociation", **ends)
            assert (error.code, error.message) == ("ResourceNotFound", f"{noun} '{missing}' does not exist.")
    assert listed(world) == []


def test_experiment_entities_are_associated_with_others_and_not_with_each_other(world: World) -> None:
    first, second, data = component(world, "a"), component(world, "b"), artifact(world, "u")
    error = refused(world, "AddAssociation", SourceArn=first, DestinationArn=second)
    assert (error.code, error.message) == (
        "ValidationException",
        "Associations cannot be created between two experiment entities.",
    )
    associate(world, first, data, second)
    assert pairs(world, SourceType="SageMakerExperimentTrialComponent") == [(first, data)]


def test_a_deleted_association_is_gone_and_can_be_made_again(world: World) -> None:
    first, second = artifact(world, "1"), artifact(world, "2")
    ends = {"SourceArn": first, "DestinationArn": second}
    error = refused(world, "DeleteAssociation", **ends)
    assert (error.code, error.message) == (
        "ResourceNotFound",
        f"Association '{first} -> {second}' does not exist.",
    )
    associate(world, first, second)
    assert refused(world, "DeleteAssociation", SourceArn=second, DestinationArn=first).code == "ResourceNotFound"
    assert checked(world, "DeleteAssociation", **ends) == ends
    assert listed(world) == []
    associate(world, first, second)


def test_what_is_associated_cannot_be_deleted(world: World, chain: Chain) -> None:
    for operation, name, arn in (
        ("DeleteArtifact", {"Source": {"SourceUri": "s3://b/data"}}, chain.data),
        ("DeleteAction", {"ActionName": "training"}, chain.training),
        ("DeleteContext", {"ContextName": "endpoint"}, chain.endpoint),
    ):
        error = refused(world, operation, **name)
        noun = operation.removeprefix("Delete")
        assert (error.code, error.message) == (
            "ValidationException",
            f"{noun} '{arn}' is linked to 1 or more associations and cannot be deleted.",
        )
    checked(world, "DeleteAssociation", SourceArn=chain.data, DestinationArn=chain.training)
    checked(world, "DeleteArtifact", ArtifactArn=chain.data)


def test_associations_go_with_experiment_entities(world: World, chain: Chain) -> None:
    run = component(world, "run")
    checked(world, "CreateExperiment", ExperimentName="e")
    experiment = world.call("DescribeExperiment", ExperimentName="e")["ExperimentArn"]
    associate(world, chain.data, run, chain.model)
    associate(world, experiment, chain.model)
    assert reached(world, experiment, MaxDepth=0) == [experiment]
    checked(world, "DeleteTrialComponent", TrialComponentName="run")
    checked(world, "DeleteExperiment", ExperimentName="e")
    assert pairs(world, SortOrder="Ascending") == list(itertools.pairwise(chain.all))


def test_associations_are_listed_by_their_ends_types_and_time(world: World, chain: Chain) -> None:
    associate(world, chain.data, chain.endpoint, type_="DerivedFrom")
    direct, first = (chain.data, chain.endpoint), (chain.data, chain.training)
    produced, served = (chain.training, chain.model), (chain.model, chain.endpoint)
    assert pairs(world) == [direct, served, produced, first]
    assert pairs(world, SourceArn=chain.data) == [direct, first]
    assert pairs(world, DestinationArn=chain.endpoint) == [direct, served]
    assert pairs(world, SourceArn=chain.data, DestinationArn=chain.endpoint) == [direct]
    assert pairs(world, SourceType="DataSet") == [direct, first]
    assert pairs(world, SourceType="DataSet", DestinationType="Training") == [first]
    assert pairs(world, AssociationType="DerivedFrom") == [direct]
    assert pairs(world, AssociationType="DerivedFrom", SourceType="Model") == []
    assert pairs(world, SourceArn=f"{PREFIX}:artifact/none") == []
    now = time.time()
    assert pairs(world, CreatedAfter=now + HOUR) == pairs(world, CreatedBefore=now - HOUR) == []
    assert len(pairs(world, CreatedAfter=now - HOUR, CreatedBefore=now + HOUR)) == 4
    assert world.call("ListAssociations", region="eu-west-1")["AssociationSummaries"] == []


@pytest.mark.parametrize("order", ["Ascending", "Descending"])
@pytest.mark.parametrize("by", ["SourceArn", "DestinationArn", "SourceType", "DestinationType", "CreationTime"])
def test_associations_are_sorted_and_paged_by_each_of_their_values(world: World, by: str, order: str) -> None:
    entities = [artifact(world, str(number), "ABC"[number % 3]) for number in range(4)]
    for source in entities:
        for destination in entities:
            associate(world, source, destination)
    found: list[Params] = []
    token = None
    while True:
        more: Params = {"NextToken": token} if token else {}
        answer = checked(world, "ListAssociations", SortBy=by, SortOrder=order, MaxResults=3, **more)
        found += answer["AssociationSummaries"]
        if (token := answer.get("NextToken")) is None:
            break
    values = [each[by] for each in found]
    assert values == sorted(values, reverse=order == "Descending")
    assert len({(each["SourceArn"], each["DestinationArn"]) for each in found}) == len(found) == 16


def test_a_token_continues_its_own_list_only(world: World, chain: Chain) -> None:
    token = checked(world, "ListAssociations", MaxResults=1)["NextToken"]
    for query in ({"SortBy": "SourceArn"}, {"SourceType": "Model"}, {"SortOrder": "Ascending"}):
        error = refused(world, "ListAssociations", NextToken=token, **query)
        assert (error.code, error.message) == ("ValidationException", "Invalid NextToken.")
    assert refused(world, "ListAssociations", NextToken="x").message == "Invalid NextToken."


# Walks


def test_a_walk_goes_down_up_or_both_ways(world: World, chain: Chain) -> None:
    assert reached(world, chain.model, Direction="Descendants") == [chain.model, chain.endpoint]
    assert reached(world, chain.model, Direction="Ascendants") == [chain.model, chain.training, chain.data]
    assert set(reached(world, chain.model)) == set(reached(world, chain.model, Direction="Both")) == set(chain.all)


def test_a_walk_both_ways_turns_at_every_entity(world: World, chain: Chain) -> None:
    image, other = artifact(world, "image", "Image"), context(world, "other")
    associate(world, image, chain.training)
    associate(world, image, other)
    assert other in reached(world, chain.endpoint, Direction="Both")
    assert other not in reached(world, chain.endpoint, Direction="Ascendants")


def test_vertices_have_types_and_edges_their_associations(world: World, chain: Chain) -> None:
    answer = checked(world, "QueryLineage", StartArns=[chain.model], Direction="Ascendants", IncludeEdges=True)
    assert answer["Vertices"] == [
        {"Arn": chain.model, "Type": "Model", "LineageType": "Artifact"},
        {"Arn": chain.training, "Type": "Training", "LineageType": "Action"},
        {"Arn": chain.data, "Type": "DataSet", "LineageType": "Artifact"},
    ]
    assert sorted(edges(answer)) == sorted([(chain.data, chain.training), (chain.training, chain.model)])
    assert {edge["AssociationType"] for edge in answer["Edges"]} == {"ContributedTo"}


def test_a_trial_component_is_a_vertex_of_the_type_of_its_source(world: World) -> None:
    data, run = artifact(world, "u"), component(world, "run")
    associate(world, data, run)
    (_, vertex) = checked(world, "QueryLineage", StartArns=[data], Direction="Descendants")["Vertices"]
    assert vertex == {"Arn": run, "Type": "ExperimentTrialComponent", "LineageType": "TrialComponent"}
    assert reached(world, run, Direction="Ascendants") == [run, data]


def test_a_walk_ends_at_its_depth_and_at_ten(world: World) -> None:
    arns = [artifact(world, str(number)) for number in range(13)]
    associate(world, *arns)
    for depth in (0, 1, 2):
        assert reached(world, arns[0], MaxDepth=depth) == arns[: depth + 1]
    assert reached(world, arns[0], Direction="Descendants") == arns[:11]
    assert "less than or equal to 10" in refused(world, "QueryLineage", StartArns=arns[:1], MaxDepth=11).message


def test_cycles_and_diamonds_are_walked_once(world: World) -> None:
    top, left, right, bottom = arns = [artifact(world, name) for name in ("top", "left", "right", "bottom")]
    associate(world, top, left, bottom, top)
    associate(world, top, right, bottom)
    associate(world, left, left)
    for direction in ("Descendants", "Ascendants", "Both"):
        answer = checked(world, "QueryLineage", StartArns=[top], Direction=direction, IncludeEdges=True)
        found = [vertex["Arn"] for vertex in answer["Vertices"]]
        assert (found[0], sorted(found)) == (top, sorted(arns))
        assert sorted(edges(answer)) == sorted(
            [(top, left), (left, bottom), (bottom, top), (top, right), (right, bottom), (left, left)]
        )


def test_filters_choose_what_is_returned_and_not_what_is_walked(world: World, chain: Chain) -> None:
    def found(**filters: Any) -> list[str]:
        return reached(world, chain.endpoint, Direction="Ascendants", Filters=filters)

    assert found(Types=["DataSet"]) == [chain.data]
    assert found(Types=["DataSet", "Model"]) == [chain.model, chain.data]
    assert found(LineageTypes=["Action", "Context"]) == [chain.endpoint, chain.training]
    assert found(LineageTypes=["Artifact"], Types=["Training"]) == []
    assert found(Properties={"team": "red"}) == [chain.data]
    assert found(Properties={"team": "red", "size": "1"}) == [chain.model, chain.data]
    assert found(Properties={"team": "green"}) == []
    assert found() == chain.all[::-1]


def test_filters_of_time_choose_by_creation_and_by_change(world: World, chain: Chain) -> None:
    created = world.call("DescribeArtifact", ArtifactArn=chain.data)["CreationTime"]
    document = world.stored("artifact", chain.data.rpartition("/")[2])
    with world.store.write() as tx:
        tx.update(replace(document, updated_at=created + HOUR), touch=False)

    def found(**filters: Any) -> set[str]:
        return set(reached(world, chain.endpoint, Filters=filters))

    others = set(chain.all) - {chain.data}
    assert found(CreatedBefore=created + HOUR) == found(CreatedAfter=created - HOUR) == set(chain.all)
    assert found(CreatedBefore=created - HOUR) == found(CreatedAfter=created + HOUR) == set()
    assert chain.data not in found(CreatedBefore=created) | found(CreatedAfter=created)
    assert found(ModifiedBefore=created + HOUR / 2) == others
    assert found(ModifiedAfter=created + HOUR / 2) == {chain.data}
    assert found(ModifiedAfter=created + HOUR / 2, Types=["Model"]) == set()


def test_with_edges_come_the_entities_on_the_way_to_what_is_filtered(world: World, chain: Chain) -> None:
    aside = artifact(world, "aside", "Other")
    associate(world, aside, chain.training)
    query = {"StartArns": [chain.endpoint], "Direction": "Ascendants", "Filters": {"Types": ["DataSet"]}}
    answer = checked(world, "QueryLineage", IncludeEdges=True, **query)
    assert [vertex["Arn"] for vertex in answer["Vertices"]] == chain.all[::-1]
    assert sorted(edges(answer)) == sorted(itertools.pairwise(chain.all))
    without = checked(world, "QueryLineage", IncludeEdges=False, **query)
    assert [vertex["Arn"] for vertex in without["Vertices"]] == [chain.data]
    query["Filters"] = {"Types": ["None"]}
    answer = checked(world, "QueryLineage", IncludeEdges=True, **query)
    assert (answer["Vertices"], answer["Edges"]) == ([], [])


@pytest.mark.parametrize("filters", [{}, {"LineageTypes": ["Artifact"]}, {"Types": ["DataSet"]}])
@pytest.mark.parametrize("with_edges", [True, False])
def test_pages_of_a_walk_have_each_vertex_and_each_edge_once(world: World, filters: Params, with_edges: bool) -> None:
    arns = [artifact(world, str(number), ("DataSet", "Model")[number % 2]) for number in range(9)]
    for source in range(9):
        for step in (1, 2, 7):
            associate(world, arns[source], arns[(source + step) % 9])
    query = {"StartArns": arns[:1], "Direction": "Descendants", "IncludeEdges": with_edges, "Filters": filters}
    whole = checked(world, "QueryLineage", **query)
    vertices: list[Params] = []
    found: list[Params] = []
    token = None
    while True:
        more: Params = {"NextToken": token} if token else {}
        page = checked(world, "QueryLineage", MaxResults=2, **query, **more)
        vertices += page["Vertices"]
        known = {vertex["Arn"] for vertex in vertices}
        found += page.get("Edges", [])
        assert all({edge["SourceArn"], edge["DestinationArn"]} <= known for edge in found)
        if (token := page.get("NextToken")) is None:
            break
    assert vertices == whole["Vertices"]
    assert sorted(edges({"Edges": found})) == sorted(edges({"Edges": whole.get("Edges", [])}))
    assert bool(found) == with_edges


def test_a_page_has_fifty_vertices_unless_fewer_are_asked_for(world: World) -> None:
    start = artifact(world, "start")
    for number in range(60):
        associate(world, start, artifact(world, str(number)))
    answer = checked(world, "QueryLineage", StartArns=[start], IncludeEdges=True)
    assert (len(answer["Vertices"]), len(answer["Edges"])) == (50, 49)
    rest = checked(world, "QueryLineage", StartArns=[start], IncludeEdges=True, NextToken=answer["NextToken"])
    assert (len(rest["Vertices"]), len(rest["Edges"]), rest.get("NextToken")) == (11, 11, None)


def test_what_cannot_be_walked_is_refused(world: World, chain: Chain) -> None:
    missing = f"{PREFIX}:artifact/none"
    error = refused(world, "QueryLineage", StartArns=[missing])
    assert (error.code, error.message) == ("ResourceNotFound", f"Artifact '{missing}' does not exist.")
    start = [chain.data]
    for query, part in (
        ({}, "StartArns must have at least one ARN."),
        ({"StartArns": []}, "StartArns must have at least one ARN."),
        ({"StartArns": start, "MaxResults": 0}, "Value '0' at 'maxResults'"),
        ({"StartArns": start, "MaxResults": 51}, "less than or equal to 50"),
        ({"StartArns": start, "MaxDepth": -1}, "Value '-1' at 'maxDepth'"),
        ({"StartArns": [chain.data, chain.model]}, "length less than or equal to 1"),
        ({"StartArns": start, "NextToken": "x"}, "Invalid NextToken."),
    ):
        error = refused(world, "QueryLineage", **query)
        assert error.code == "ValidationException"
        assert part in error.message
    token = checked(world, "QueryLineage", StartArns=start, MaxResults=1)["NextToken"]
    error = refused(world, "QueryLineage", StartArns=start, MaxResults=1, MaxDepth=2, NextToken=token)
    assert error.message == "Invalid NextToken."
