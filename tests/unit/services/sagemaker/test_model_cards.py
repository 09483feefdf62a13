"""Model cards: versions, the way to approval, and what a content may say."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked, refused
from tests.unit.services.sagemaker.world import World

ARN = "arn:aws:sagemaker:us-east-1:123456789012:model-card"


def content(**sections: Any) -> str:
    return json.dumps(sections or {"model_overview": {"model_description": "d"}})


def create(world: World, name: str = "Card", said: str | None = None, status: str = "Draft", **members: Any) -> str:
    made = checked(
        world, "CreateModelCard", ModelCardName=name, Content=said or content(), ModelCardStatus=status, **members
    )
    return str(made["ModelCardArn"])


def describe(world: World, name: str = "Card", **members: Any) -> Params:
    return checked(world, "DescribeModelCard", ModelCardName=name, **members)


def update(world: World, name: str = "Card", **members: Any) -> Params:
    return checked(world, "UpdateModelCard", ModelCardName=name, **members)


def versions(world: World, name: str = "Card", **filters: Any) -> list[tuple[int, str]]:
    listed = checked(world, "ListModelCardVersions", ModelCardName=name, **filters)["ModelCardVersionSummaryList"]
    return [(each["ModelCardVersion"], each["ModelCardStatus"]) for each in listed]


def test_a_card_is_described_as_it_was_made(world: World) -> None:
    assert create(world, SecurityConfig={"KmsKeyId": "k"}) == f"{ARN}/card"
    described = describe(world, f"{ARN}/card")
    assert described == describe(world, "card")
    assert (described["ModelCardVersion"], described["ModelCardStatus"]) == (1, "Draft")
    assert (described["Content"], described["SecurityConfig"]) == (content(), {"KmsKeyId": "k"})
    assert described["CreatedBy"]["IamIdentity"]["PrincipalId"] == "AROA:s"
    assert described.keys() >= {"CreationTime", "LastModifiedTime", "LastModifiedBy"}
    assert "ModelCardProcessingStatus" not in described
    (summary,) = checked(world, "ListModelCards")["ModelCardSummaries"]
    assert summary == {member: described[member] for member in summary}


def test_a_new_content_is_a_version_and_a_new_status_is_none(world: World) -> None:
    create(world)
    assert update(world, ModelCardStatus="PendingReview") == {"ModelCardArn": f"{ARN}/card"}
    assert versions(world) == [(1, "PendingReview")]
    second = content(intended_uses={"risk_rating": "Low"})
    update(world, Content=second)
    update(world, ModelCardStatus="Approved")
    assert versions(world) == [(2, "Approved"), (1, "PendingReview")]
    assert versions(world, SortBy="Version", SortOrder="Ascending") == [(1, "PendingReview"), (2, "Approved")]
    assert versions(world, f"{ARN}/card", ModelCardStatus="Approved") == [(2, "Approved")]
    latest = describe(world)
    assert (latest["ModelCardVersion"], latest["ModelCardStatus"], latest["Content"]) == (2, "Approved", second)
    assert describe(world, ModelCardVersion=2)["Content"] == second
    first = describe(world, ModelCardVersion=1)
    assert (first["ModelCardVersion"], first["ModelCardStatus"], first["Content"]) == (1, "PendingReview", content())
    assert first["ModelCardArn"] == latest["ModelCardArn"] == f"{ARN}/card"


def test_contents_that_are_updated_at_once_are_a_version_each(world: World) -> None:
    create(world)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: update(world, Content=content()), range(16)))
    assert versions(world, MaxResults=100) == [(number, "Draft") for number in range(17, 0, -1)]


def test_versions_are_listed_a_page_at_a_time(world: World) -> None:
    create(world)
    for _ in range(2):
        update(world, Content=content())
    page = checked(world, "ListModelCardVersions", ModelCardName="Card", MaxResults=2)
    assert [each["ModelCardVersion"] for each in page["ModelCardVersionSummaryList"]] == [3, 2]
    rest = checked(world, "ListModelCardVersions", ModelCardName="Card", MaxResults=2, NextToken=page["NextToken"])
    assert [each["ModelCardVersion"] for each in rest["ModelCardVersionSummaryList"]] == [1]
    assert rest["ModelCardVersionSummaryList"][0]["ModelCardArn"] == f"{ARN}/card"


def test_a_card_that_is_there_or_is_not_is_worded_as_aws_words_it(world: World) -> None:
    create(world)
    error = refused(world, "CreateModelCard", ModelCardName="Card", Content=content(), ModelCardStatus="Draft")
    assert (error.code, error.message) == ("ConflictException", "Modelcard Card already exists")
    for operation in ("DescribeModelCard", "DeleteModelCard", "ListModelCardVersions"):
        error = refused(world, operation, ModelCardName="other")
        assert (error.code, error.message) == ("ResourceNotFound", "Modelcard other does not exist")
    error = refused(world, "DescribeModelCard", ModelCardName="Card", ModelCardVersion=3)
    assert error.code == "ResourceNotFound"
    assert error.message == "Modelcard with name Card and version: 3 does not exist"


def test_content_and_status_are_not_updated_in_one_call(world: World) -> None:
    create(world)
    error = refused(world, "UpdateModelCard", ModelCardName="Card", Content=content(), ModelCardStatus="Approved")
    assert error.code == "ValidationException"
    assert error.message == "You cannot update both model card content and model card status in a single call."
    assert refused(world, "UpdateModelCard", ModelCardName="Card").code == "ValidationException"
    assert versions(world) == [(1, "Draft")]


@pytest.mark.parametrize("change", [{"Content": content()}, {"ModelCardStatus": "Draft"}])
def test_an_archived_card_is_not_updated(world: World, change: Params) -> None:
    create(world)
    update(world, ModelCardStatus="Archived")
    error = refused(world, "UpdateModelCard", ModelCardName="Card", **change)
    assert (error.code, error.message) == ("ConflictException", "Modelcard Card is archived and cannot be updated")
    assert versions(world) == [(1, "Archived")]


def test_a_card_is_deleted_with_its_versions(world: World) -> None:
    create(world)
    update(world, Content=content())
    assert world.call("DeleteModelCard", ModelCardName="Card") == {}
    create(world)
    assert versions(world) == [(1, "Draft")]


def test_lists_of_cards_exclude_other_names_and_statuses(world: World) -> None:
    create(world, "Fraud")
    create(world, "Churn", status="Approved")

    def names(**filters: Any) -> list[str]:
        return [each["ModelCardName"] for each in checked(world, "ListModelCards", **filters)["ModelCardSummaries"]]

    assert names() == ["Churn", "Fraud"]
    assert names(ModelCardStatus="Draft") == ["Fraud"]
    assert names(NameContains="Chu") == ["Churn"]
    assert names(SortBy="Name", SortOrder="Descending") == ["Fraud", "Churn"]
    update(world, "Fraud", ModelCardStatus="Approved")
    assert names(ModelCardStatus="Draft") == []


def test_metadata_alone_are_what_identifies_the_model_and_its_risk(world: World) -> None:
    said = content(
        model_overview={"model_id": "m", "model_name": "n", "problem_type": "p"},
        intended_uses={"risk_rating": "High", "purpose_of_model": "p"},
        training_details={"training_observations": "secret"},
    )
    create(world, said=said)
    kept = {"model_overview": {"model_id": "m", "model_name": "n"}, "intended_uses": {"risk_rating": "High"}}
    assert json.loads(describe(world, IncludedData="MetadataOnly")["Content"]) == kept
    assert json.loads(describe(world, ModelCardVersion=1, IncludedData="MetadataOnly")["Content"]) == kept
    assert describe(world, IncludedData="AllData")["Content"] == said


def test_a_card_is_searched_for_by_what_its_content_says(world: World) -> None:
    create(world, said=content(model_overview={"model_id": "arn:1"}, intended_uses={"risk_rating": "High"}))
    create(world, "other")

    def found(name: str, value: str) -> list[Params]:
        wanted = {"Filters": [{"Name": name, "Operator": "Equals", "Value": value}]}
        results = checked(world, "Search", Resource="ModelCard", SearchExpression=wanted)["Results"]
        return [each["ModelCard"] for each in results]

    (card,) = found("ModelId", "arn:1")
    assert (card["ModelCardName"], card["RiskRating"]) == ("Card", "High")
    update(world, Content=content(model_overview={"model_id": "arn:2"}))
    assert found("ModelId", "arn:1") == []
    assert [each["ModelCardVersion"] for each in found("ModelId", "arn:2")] == [2]
    update(world, Content=content(model_package_details={"model_package_arn": "p", "model_package_group_name": "g"}))
    (card,) = found("ModelPackageGroupName", "g")
    assert card["ModelId"] == "p"


METRIC = {"name": "accuracy", "type": "number", "value": 0.5}


def evaluated(*metrics: Any) -> list[Params]:
    return [{"name": "e", "metric_groups": [{"name": "g", "metric_data": list(metrics)}]}]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"overview": {}}, "#/overview is not permitted"),
        ({"model_overview": []}, "#/model_overview must be an object"),
        ({"model_overview": {"model_name": 1}}, "#/model_overview/model_name must be a string"),
        (
            {"model_overview": {"model_name": "n" * 1025}},
            "#/model_overview/model_name must have at most 1024 characters, and has 1025",
        ),
        ({"model_overview": {"model_version": 0}}, "#/model_overview/model_version must be at least 1"),
        ({"model_overview": {"model_version": True}}, "#/model_overview/model_version must be a number"),
        (
            {"model_overview": {"model_artifact": ["s3://a"] * 16}},
            "#/model_overview/model_artifact must have at most 15 elements, and has 16",
        ),
        (
            {"intended_uses": {"risk_rating": "Extreme"}},
            "#/intended_uses/risk_rating must be one of High, Medium, Low, Unknown",
        ),
        ({"evaluation_details": [{}]}, "#/evaluation_details/0 must have name"),
        ({"evaluation_details": [{"name": ""}]}, "#/evaluation_details/0/name must have at least 1 characters"),
        (
            {"evaluation_details": evaluated({**METRIC, "type": "sum"})},
            "#/evaluation_details/0/metric_groups/0/metric_data/0/type must be one of number, string, boolean, "
            "linear_graph, bar_chart, matrix",
        ),
        (
            {"evaluation_details": evaluated({**METRIC, "value": [1]})},
            "#/evaluation_details/0/metric_groups/0/metric_data/0/value must be a number, a string or a boolean",
        ),
        (
            {"evaluation_details": evaluated({**METRIC, "type": "linear_graph", "value": [[1, 2], [3]]})},
            "#/evaluation_details/0/metric_groups/0/metric_data/0/value/1 must have at least 2 elements, and has 1",
        ),
        (
            {"additional_information": {"custom_details": {"a": 1}}},
            "#/additional_information/custom_details/a must be a string",
        ),
    ],
)
def test_a_content_that_the_schema_does_not_allow_is_refused_with_its_place(
    world: World, said: Params, why: str
) -> None:
    error = refused(world, "CreateModelCard", ModelCardName="c", Content=content(**said), ModelCardStatus="Draft")
    assert (error.code, error.message) == ("ValidationException", f"Invalid model card content: {why}.")
    assert checked(world, "ListModelCards")["ModelCardSummaries"] == []


@pytest.mark.parametrize("said", ["", "text", '{"model_overview": '])
def test_a_content_that_is_no_json_is_refused(world: World, said: str) -> None:
    error = refused(world, "CreateModelCard", ModelCardName="c", Content=said, ModelCardStatus="Draft")
    assert error.message.startswith("Invalid model card content: # is no JSON:")


def test_a_content_that_says_all_there_is_to_say_is_kept(world: World) -> None:
    metrics = [{"name": "m", "value": 1, "notes": "n"}]
    said = content(
        model_overview={"model_version": 1.5, "inference_environment": {"container_image": ["i"]}},
        business_details={"line_of_business": "b"},
        training_details={
            "objective_function": {"function": {"function": "Maximize", "facet": "Loss"}, "notes": "n"},
            "training_job_details": {
                "training_environment": {"container_image": ["i"]},
                "training_metrics": metrics,
                "hyper_parameters": [{"name": "h", "value": "1"}],
            },
        },
        evaluation_details=evaluated(
            METRIC,
            {**METRIC, "type": "boolean", "value": True, "x_axis_name": "x"},
            {**METRIC, "type": "linear_graph", "value": [[1, 2]]},
            {**METRIC, "type": "bar_chart", "value": [1], "x_axis_name": ["x"], "y_axis_name": "y"},
            {**METRIC, "type": "matrix", "value": [[1, 2], [3, 4]], "y_axis_name": ["y"]},
        ),
        additional_information={"custom_details": {"a": "b"}},
        model_package_details={
            "model_package_arn": "arn",
            "inference_specification": {"containers": [{"image": "i"}]},
            "source_algorithms": [{"algorithm_name": "a"}],
        },
    )
    create(world, said=said)
    assert describe(world)["Content"] == said
