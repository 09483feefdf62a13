"""Search: the expression language, and what it answers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from sagesmith.services.sagemaker import KINDS
from sagesmith.store import searching
from sagesmith.wire.errors import AwsError, NotImplementedException, ValidationException
from tests.unit.services.sagemaker.world import World, model, replace, training_job, variant

Filter = dict[str, Any]


def where(name: str, operator: str | None = None, value: str | None = None) -> Filter:
    given = {"Name": name, "Operator": operator, "Value": value}
    return {member: said for member, said in given.items() if said is not None}


def search(world: World, *filters: Filter, resource: str = "TrainingJob", **params: Any) -> list[str]:
    """The names of the training jobs found, in order."""
    expression = params.pop("expression", {"Filters": list(filters)} if filters else None)
    if expression is not None:
        params["SearchExpression"] = expression
    return [
        each["TrainingJob"]["TrainingJobName"] for each in world.call("Search", Resource=resource, **params)["Results"]
    ]


def found(world: World, *filters: Filter, **params: Any) -> set[str]:
    return set(search(world, *filters, MaxResults=100, **params))


def refused(world: World, *filters: Filter, **params: Any) -> str:
    with pytest.raises(ValidationException) as raised:
        search(world, *filters, **params)
    return raised.value.message


def finished(world: World, name: str, status: str = "Completed", **members: Any) -> None:
    """Make a job what its reconciler would have made it."""
    with world.store.write() as tx:
        job = tx.get("training-job", "us-east-1", name)
        assert job is not None
        tx.update(replace(job, status=status, body={**job.body, **members}))


def metric(name: str, value: float) -> dict[str, Any]:
    return {"MetricName": name, "Value": value, "Timestamp": 1.7e9}


@pytest.fixture
def jobs(world: World) -> World:
    """Three jobs: `fast` and `slow` of a project, `broken` of none."""
    project = [{"Key": "project", "Value": "churn"}]
    world.call("CreateTrainingJob", **training_job("fast", Tags=project, HyperParameters={"lr": "0.5", "depth": "7.9"}))
    channels = [
        {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://data/{at}"}}}
        for name, at in (("train", "cats"), ("test", "dogs"))
    ]
    world.call(
        "CreateTrainingJob",
        **training_job(
            "slow",
            Tags=[*project, {"Key": "a.b", "Value": "c"}],
            HyperParameters={"lr": "0.05", "optimizer": "adam"},
            InputDataConfig=channels,
            EnableNetworkIsolation=True,
        ),
    )
    world.call("CreateTrainingJob", **training_job("broken", HyperParameters={"lr": "x"}))
    finished(world, "fast", FinalMetricDataList=[metric("accuracy", 0.9), metric("loss", 0.1)])
    finished(
        world, "slow", FinalMetricDataList=[metric("accuracy", 0.95), metric("loss", 0.3)], BillableTimeInSeconds=9
    )
    finished(world, "broken", "Failed", FailureReason="AlgorithmError: it broke")
    return world


@pytest.mark.parametrize(
    ("filter_", "names"),
    [
        (where("TrainingJobName", "Equals", "fast"), {"fast"}),
        (where("TrainingJobName", "Contains", "a"), {"fast"}),
        (where("TrainingJobName", "In", "fast,broken, none"), {"fast", "broken"}),
        (where("TrainingJobName", "NotEquals", "fast"), {"slow", "broken"}),
        (where("TrainingJobStatus", "Equals", "Failed"), {"broken"}),
        (where("TrainingJobStatus", "NotEquals", "Failed"), {"fast", "slow"}),
        (where("TrainingJobArn", "Equals", "arn:aws:sagemaker:us-east-1:123456789012:training-job/slow"), {"slow"}),
        (where("FailureReason", "Exists"), {"broken"}),
        (where("FailureReason"), {"broken"}),
        (where("FailureReason", "NotExists"), {"fast", "slow"}),
        (where("FailureReason", "Contains", "broke"), {"broken"}),
        (where("Tags.project", "Equals", "churn"), {"fast", "slow"}),
        (where("Tags.project", None, "churn"), {"fast", "slow"}),
        (where("Tags.project", "NotExists"), {"broken"}),
        (where("Tags.project", "Contains", "hur"), {"fast", "slow"}),
        (where("Tags.a.b", "Equals", "c"), {"slow"}),
        (where("Metrics.accuracy", "GreaterThan", "0.9"), {"slow"}),
        (where("Metrics.accuracy", "GreaterThanOrEqualTo", "0.9"), {"fast", "slow"}),
        (where("Metrics.loss", "GreaterThan", "0.2"), {"slow"}),
        (where("Metrics.loss", "Equals", "0.1"), {"fast"}),
        (where("metrics.loss", "LessThan", "0.3"), {"fast"}),
        (where("Metrics.accuracy", "Exists"), {"fast", "slow"}),
        (where("FinalMetricDataList.MetricName", "Equals", "loss"), {"fast", "slow"}),
        (where("HyperParameters.lr", "LessThan", "0.5"), {"slow"}),
        (where("HyperParameters.lr", "LessThanOrEqualTo", "0.5"), {"fast", "slow"}),
        (where("HyperParameters.lr", "LessThan", "1"), {"fast", "slow"}),
        (where("HyperParameters.lr", "Equals", "0"), {"fast", "slow"}),
        (where("HyperParameters.lr", "Equals", "0.50"), {"fast"}),
        (where("HyperParameters.depth", "Equals", "7"), {"fast"}),
        (where("HyperParameters.depth", "GreaterThan", "7"), set()),
        (where("HyperParameters.depth", "GreaterThan", "7.0"), {"fast"}),
        (where("HyperParameters.optimizer", "Equals", "adam"), {"slow"}),
        (where("HyperParameters.optimizer", "In", "sgd,adam"), {"slow"}),
        (where("ResourceConfig.InstanceCount", "Equals", "1"), {"fast", "slow", "broken"}),
        (where("BillableTimeInSeconds", "LessThan", "10"), {"slow"}),
        (where("EnableNetworkIsolation", "Equals", "true"), {"slow"}),
        (where("EnableNetworkIsolation", "NotEquals", "True"), {"fast", "broken"}),
        (where("InputDataConfig.ChannelName", "Equals", "test"), {"slow"}),
        (where("InputDataConfig.DataSource.S3DataSource.S3Uri", "Contains", "dogs"), {"slow"}),
        (where("InputDataConfig", "Exists"), {"fast", "slow", "broken"}),
        (where("CheckpointConfig", "NotExists"), {"fast", "slow", "broken"}),
        (where("CreationTime", "GreaterThan", "2001-01-01T00:00:00"), {"fast", "slow", "broken"}),
        (where("CreationTime", "LessThan", "2001-01-01T00:00:00Z"), set()),
        (where("CreationTime", "LessThan", "978307200"), set()),
        (where("LastModifiedTime", "NotEquals", "2001-01-01"), {"fast", "slow", "broken"}),
        (
            where("SecondaryStatusTransitions.StartTime", "GreaterThan", "2001-01-01T00:00:00"),
            {"fast", "slow", "broken"},
        ),
    ],
)
def test_a_filter_finds_the_jobs_of_which_it_is_true(jobs: World, filter_: Filter, names: set[str]) -> None:
    assert found(jobs, filter_) == names


def test_a_time_that_was_shown_equals_its_own_resources(jobs: World) -> None:
    shown = jobs.call("DescribeTrainingJob", TrainingJobName="slow")["CreationTime"]
    text = datetime.fromtimestamp(round(shown, 3), UTC).isoformat()
    assert "slow" in found(jobs, where("CreationTime", "Equals", text))
    assert "slow" not in found(jobs, where("CreationTime", "GreaterThan", text))
    assert "slow" in found(jobs, where("CreationTime", "LessThanOrEqualTo", text))


def test_all_filters_must_hold_unless_the_operator_is_or(jobs: World) -> None:
    filters = [where("Tags.project", "Equals", "churn"), where("HyperParameters.lr", "LessThan", "0.5")]
    assert found(jobs, *filters) == {"slow"}
    assert found(jobs, expression={"Filters": filters, "Operator": "And"}) == {"slow"}
    assert found(jobs, expression={"Filters": filters, "Operator": "Or"}) == {"fast", "slow"}


def test_sub_expressions_nest(jobs: World) -> None:
    either = {
        "SubExpressions": [
            {"Filters": [where("TrainingJobStatus", "Equals", "Failed")]},
            {"Filters": [where("Metrics.accuracy", "GreaterThan", "0.9"), where("Tags.project", "Equals", "churn")]},
        ],
        "Operator": "Or",
    }
    assert found(jobs, expression=either) == {"slow", "broken"}
    both = {"SubExpressions": [either], "Filters": [where("FailureReason", "NotExists")]}
    assert found(jobs, expression=both) == {"slow"}


def test_one_element_must_satisfy_all_nested_filters(jobs: World) -> None:
    def nested(channel: str, uri: str, prefix: str = "InputDataConfig.") -> Any:
        filters = [
            where(f"{prefix}ChannelName", "Equals", channel),
            where(f"{prefix}DataSource.S3DataSource.S3Uri", "Contains", uri),
        ]
        return {"NestedFilters": [{"NestedPropertyName": "InputDataConfig", "Filters": filters}]}

    assert found(jobs, expression=nested("train", "cats")) == {"slow"}
    assert found(jobs, expression=nested("train", "dogs")) == set()
    assert found(jobs, expression=nested("test", "dogs", prefix="")) == {"slow"}


def test_a_nested_negation_is_about_the_element(jobs: World) -> None:
    filters = [where("InputDataConfig.ChannelName", "NotEquals", "train")]
    nested = {"NestedFilters": [{"NestedPropertyName": "InputDataConfig", "Filters": filters}]}
    assert found(jobs, expression=nested) == {"slow"}
    assert found(jobs, *filters) == set()


@pytest.mark.parametrize(
    ("filter_", "message"),
    [
        (where("Nothing", "Exists"), "Unknown property name: Nothing"),
        (where("ResourceConfig.Nothing", "Exists"), "Unknown property name: ResourceConfig.Nothing"),
        (where("TrainingJobName", "GreaterThan", "a"), "operator GreaterThan is not supported for text property"),
        (where("Metrics.accuracy", "Contains", "9"), "operator Contains is not supported for number property"),
        (where("CreationTime", "In", "2001-01-01"), "operator In is not supported for timestamp property"),
        (where("EnableNetworkIsolation", "LessThan", "true"), "is not supported for Boolean property"),
        (
            where("EnableNetworkIsolation", "Equals", "1"),
            "value '1' of property EnableNetworkIsolation is not a Boolean",
        ),
        (where("Metrics.accuracy", "Equals", "high"), "value 'high' of property Metrics.accuracy is not a number."),
        (where("HyperParameters.lr", "LessThan", "x"), "value 'x' of property HyperParameters.lr is not a number."),
        (
            where("CreationTime", "Equals", "yesterday"),
            "value 'yesterday' of property CreationTime is not a timestamp.",
        ),
        (where("TrainingJobName", "Equals"), "operator Equals of property TrainingJobName needs a Value."),
    ],
)
def test_a_filter_that_cannot_be_is_refused(jobs: World, filter_: Filter, message: str) -> None:
    assert message in refused(jobs, filter_)


def test_an_expression_needs_a_part_and_has_few(jobs: World) -> None:
    assert "at least one" in refused(jobs, expression={})
    assert "at least one" in refused(jobs, expression={"SubExpressions": [{}]})
    one = where("TrainingJobName", "Exists")
    assert found(jobs, expression={"Filters": [one] * 20}) == {"fast", "slow", "broken"}
    assert "up to 20 elements" in refused(
        jobs, expression={"Filters": [one] * 20, "SubExpressions": [{"Filters": [one]}]}
    )
    deep = {"SubExpressions": [{"Filters": [one] * 15}, {"Filters": [one] * 15}, {"Filters": [one] * 17}]}
    assert found(jobs, expression=deep) == {"fast", "slow", "broken"}
    assert "limited to 50" in refused(jobs, expression={**deep, "Filters": [one]})


def test_contains_may_be_used_once(jobs: World) -> None:
    message = refused(jobs, where("TrainingJobName", "Contains", "a"), where("FailureReason", "Contains", "b"))
    assert message == "'CONTAINS' operator usage limit of 1 exceeded."


def test_a_nested_property_must_be_a_list(jobs: World) -> None:
    for name in ("ResourceConfig", "TrainingJobName"):
        nested = {"NestedPropertyName": name, "Filters": [where("ChannelName", "Exists")]}
        message = refused(jobs, expression={"NestedFilters": [nested]})
        assert message == f"Invalid nested property name: {name} is not a list of TrainingJob."
    unknown = {"NestedPropertyName": "Nothing", "Filters": [where("ChannelName", "Exists")]}
    assert refused(jobs, expression={"NestedFilters": [unknown]}) == "Unknown property name: Nothing"
    unknown = {"NestedPropertyName": "InputDataConfig", "Filters": [where("InputDataConfig.Nothing", "Exists")]}
    assert refused(jobs, expression={"NestedFilters": [unknown]}) == "Unknown property name: InputDataConfig.Nothing"


def test_tags_may_be_nested(jobs: World) -> None:
    filters = [where("Tags.Key", "Equals", "project"), where("tags.value", "Contains", "chur")]
    assert found(jobs, expression={"NestedFilters": [{"NestedPropertyName": "Tags", "Filters": filters}]}) == {
        "fast",
        "slow",
    }
    filters = [where("Key", "Equals", "a.b"), where("Value", "Equals", "churn")]
    assert not found(jobs, expression={"NestedFilters": [{"NestedPropertyName": "Tags", "Filters": filters}]})


def test_long_texts_are_sorted_by_their_beginning(world: World) -> None:
    for number in range(5):
        world.call("CreateTrainingJob", **training_job(f"j{number}", HyperParameters={"text": f"{4 - number}" * 2500}))
    token, seen = None, []
    while True:
        more: dict[str, str] = {"NextToken": token} if token else {}
        page = world.call("Search", Resource="TrainingJob", SortBy="HyperParameters.text", MaxResults=2, **more)
        seen += [each["TrainingJob"]["TrainingJobName"] for each in page["Results"]]
        token = page["NextToken"]
        if token is None:
            break
        assert len(token) < 8192
    assert seen == ["j0", "j1", "j2", "j3", "j4"]


@pytest.fixture
def components(world: World) -> World:
    """Two trial components, `good` of a trial and `bad` of none."""
    world.call("CreateExperiment", ExperimentName="e")
    world.call("CreateTrial", TrialName="t", ExperimentName="e")
    for name, loss in (("good", 0.1), ("bad", 0.9)):
        world.call(
            "CreateTrialComponent",
            TrialComponentName=name,
            DisplayName=f"the-{name}-one",
            Parameters={"lr": {"NumberValue": loss}, "optimizer.name": {"StringValue": "adam"}},
            InputArtifacts={"data": {"Value": f"s3://data/{name}", "MediaType": "text/csv"}},
            Tags=[{"Key": "k", "Value": name}],
        )
    world.call("AssociateTrialComponent", TrialName="t", TrialComponentName="good")
    return world


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ([where("Parents.TrialName", "Equals", "t"), where("TrialComponentName", "Equals", "good")], {"good"}),
        ([where("Parents.ExperimentName", "Equals", "e")], {"good"}),
        ([where("Parents", "NotExists")], {"bad"}),
        ([where("Parameters.lr", "LessThan", "0.5")], {"good"}),
        ([where("parameters.lr", "GreaterThanOrEqualTo", "0.9")], {"bad"}),
        ([where("Parameters.lr", "Exists")], {"good", "bad"}),
        ([where("Parameters.optimizer.name", "Equals", "adam")], {"good", "bad"}),
        ([where("Parameters.optimizer.name.StringValue", "Contains", "ada")], {"good", "bad"}),
        ([where("InputArtifacts.data", "Equals", "s3://data/bad")], {"bad"}),
        ([where("InputArtifacts.data.MediaType", "Equals", "text/csv")], {"good", "bad"}),
        ([where("InputArtifacts", "Contains", "data/good"), where("DisplayName", "Contains", "the")], {"good"}),
        ([where("Tags", "Contains", "ba"), where("Tags.k", "Contains", "a")], {"bad"}),
    ],
)
def test_trial_components_are_found_by_what_the_sdk_asks_for(
    components: World, filters: list[Filter], names: set[str]
) -> None:
    answer = components.call("Search", Resource="ExperimentTrialComponent", SearchExpression={"Filters": filters})
    assert {each["TrialComponent"]["TrialComponentName"] for each in answer["Results"]} == names


def test_a_component_s_metric_is_found_and_sorted_by_any_of_its_statistics(components: World) -> None:
    for name, last, most in (("good", 0.1, 0.8), ("bad", 0.5, 0.6)):
        summary = {"MetricName": "test:loss", "Last": last, "Max": most, "Count": 2}
        with components.store.write() as tx:
            stored = tx.get("experiment-trial-component", "us-east-1", name)
            assert stored is not None
            tx.update(replace(stored, body={**stored.body, "Metrics": [summary]}))

    def names(name: str | None = None, value: str = "", **params: Any) -> list[str]:
        if name:
            params["SearchExpression"] = {"Filters": [where(name, "GreaterThan", value)]}
        results = components.call("Search", Resource="ExperimentTrialComponent", **params)["Results"]
        return [each["TrialComponent"]["TrialComponentName"] for each in results]

    assert names("Metrics.test:loss", "0.3") == ["bad"]
    assert names("metrics.test:loss.max", "0.7") == ["good"]
    assert names("Metrics.test:loss.Min", "0") == []
    assert names(SortBy="metrics.test:loss.max") == ["good", "bad"]
    assert names(SortBy="metrics.test:loss", SortOrder="Descending") == ["bad", "good"]


def test_a_trial_names_its_components(components: World) -> None:
    for filters in (
        [where("TrialName", "Equals", "t")],
        [where("TrialComponentSummaries.TrialComponentName", "Exists")],
    ):
        (result,) = components.call("Search", Resource="ExperimentTrial", SearchExpression={"Filters": filters})[
            "Results"
        ]
        assert [each["TrialComponentName"] for each in result["Trial"]["TrialComponentSummaries"]] == ["good"]


def test_results_are_sorted_by_any_property(jobs: World) -> None:
    assert search(jobs) == ["broken", "slow", "fast"]
    assert search(jobs, SortOrder="Ascending") == ["fast", "slow", "broken"]
    assert search(jobs, SortBy="TrainingJobName") == ["slow", "fast", "broken"]
    assert search(jobs, SortBy="CreationTime", SortOrder="Ascending") == ["fast", "slow", "broken"]
    assert search(jobs, SortBy="Metrics.loss", SortOrder="Ascending") == ["fast", "slow", "broken"]
    assert search(jobs, SortBy="Metrics.loss", SortOrder="Descending") == ["slow", "fast", "broken"]
    assert search(jobs, SortBy="HyperParameters.lr", SortOrder="Ascending") == ["slow", "fast", "broken"]
    with pytest.raises(ValidationException, match="Unknown property name: Nothing"):
        search(jobs, SortBy="Nothing")


@pytest.mark.parametrize("sort", [{}, {"SortBy": "HyperParameters.max_depth", "SortOrder": "Ascending"}])
def test_pages_follow_each_other_without_gap_or_double(world: World, sort: dict[str, str]) -> None:
    for number in range(23):
        world.call("CreateTrainingJob", **training_job(f"j{number}", HyperParameters={"max_depth": str(number % 4)}))
    seen, token = [], None
    while True:
        more: dict[str, str] = {"NextToken": token} if token else {}
        page = world.call("Search", Resource="TrainingJob", MaxResults=5, **sort, **more)
        assert page["TotalHits"] == {"Value": 23, "Relation": "EqualTo"}
        seen += [each["TrainingJob"]["TrainingJobName"] for each in page["Results"]]
        token = page["NextToken"]
        if token is None:
            break
    assert sorted(seen) == sorted(f"j{number}" for number in range(23))
    assert len(search(world)) == 10
    with pytest.raises(ValidationException, match=r"Invalid NextToken\."):
        world.call("Search", Resource="TrainingJob", NextToken="e30")


def test_the_total_is_exact_as_long_as_few_have_to_be_looked_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(15):
        world.call("CreateTrainingJob", **training_job(f"j{number}"))
        finished(world, f"j{number}", FailureReason="it broke" if number else "")
    asked: dict[str, Any] = {
        "Resource": "TrainingJob",
        "MaxResults": 4,
        "SearchExpression": {
            "Filters": [where("FailureReason", "Contains", "broke"), where("TrainingJobStatus", "Equals", "Completed")]
        },
    }
    first = world.call("Search", **asked)
    assert first["TotalHits"] == {"Value": 14, "Relation": "EqualTo"}
    assert world.call("Search", **asked, NextToken=first["NextToken"])["TotalHits"] == first["TotalHits"]
    monkeypatch.setattr(searching, "PROBE", 1)
    bounded = world.call("Search", **asked)
    assert bounded["TotalHits"]["Relation"] == "GreaterThanOrEqualTo"
    assert 4 < bounded["TotalHits"]["Value"] <= 14
    assert world.call("Search", **asked, NextToken=bounded["NextToken"])["TotalHits"] == bounded["TotalHits"]


def test_a_total_is_counted_to_ten_thousand(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "COUNTED", 5)
    for number in range(7):
        world.call("CreateTrainingJob", **training_job(f"j{number}"))
    told: dict[str, Any] = {"SearchExpression": {"Filters": [where("TrainingJobStatus", "Equals", "InProgress")]}}
    for expression in ({}, told):
        answer = world.call("Search", Resource="TrainingJob", MaxResults=2, **expression)
        assert answer["TotalHits"] == {"Value": 5, "Relation": "GreaterThanOrEqualTo"}


def test_a_token_of_another_search_is_refused(world: World) -> None:
    for name in ("a", "b", "c"):
        world.call("CreateTrainingJob", **training_job(name))
    token = world.call("Search", Resource="TrainingJob", MaxResults=1)["NextToken"]
    assert "Invalid NextToken" in refused(world, where("TrainingJobName", "Exists"), NextToken=token)


def test_resources_without_a_visibility_condition_s_tag_are_visible(jobs: World) -> None:
    assert found(jobs, VisibilityConditions=[{"Key": "Tags.project", "Value": "churn"}]) == {"fast", "slow", "broken"}
    assert found(jobs, VisibilityConditions=[{"Key": "Tags.project", "Value": "other"}]) == {"broken"}
    both = [{"Key": "Tags.project", "Value": "churn"}, {"Key": "Tags.a.b", "Value": "d"}]
    assert found(jobs, VisibilityConditions=both) == {"fast", "broken"}
    assert "Tags.<key>" in refused(jobs, VisibilityConditions=[{"Key": "project", "Value": "churn"}])


def test_nothing_was_made_discoverable_by_other_accounts(jobs: World) -> None:
    assert found(jobs, CrossAccountFilterOption="CrossAccount") == set()
    assert len(found(jobs, CrossAccountFilterOption="SameAccount")) == 3


def test_a_search_is_of_one_region(jobs: World) -> None:
    assert jobs.call("Search", region="eu-west-1", Resource="TrainingJob")["Results"] == []
    filters = {"Filters": [where("TrainingJobStatus", "Exists")]}
    assert jobs.call("Search", region="eu-west-1", Resource="TrainingJob", SearchExpression=filters)["Results"] == []


def test_a_record_has_what_describe_shows_and_the_tags(jobs: World) -> None:
    (result,) = jobs.call(
        "Search",
        Resource="TrainingJob",
        SearchExpression={"Filters": [where("TrainingJobName", "Equals", "slow")]},
    )["Results"]
    described = jobs.call("DescribeTrainingJob", TrainingJobName="slow")
    record = result["TrainingJob"]
    assert record["Tags"] == [{"Key": "a.b", "Value": "c"}, {"Key": "project", "Value": "churn"}]
    assert record["DebugRuleConfigurations"] == []
    assert "ProfilingStatus" in described and "ProfilingStatus" not in record
    assert all(record[member] == described[member] for member in record.keys() & described.keys())


def test_changed_tags_and_deleted_jobs_are_found_as_they_are(jobs: World) -> None:
    arn = "arn:aws:sagemaker:us-east-1:123456789012:training-job/slow"
    jobs.call("AddTags", ResourceArn=arn, Tags=[{"Key": "project", "Value": "other"}])
    assert found(jobs, where("Tags.project", "Equals", "churn")) == {"fast"}
    jobs.call("DeleteTags", ResourceArn=arn, TagKeys=["project"])
    assert found(jobs, where("Tags.project", "NotExists")) == {"slow", "broken"}
    jobs.call("DeleteTrainingJob", TrainingJobName="slow")
    assert found(jobs) == {"fast", "broken"}


def test_a_model_is_one_of_the_things_known_of_it(world: World) -> None:
    world.call("CreateModel", **model("m", Tags=[{"Key": "k", "Value": "v"}]))
    for name in ("ModelName", "Model.ModelName", "Model.PrimaryContainer.Environment.SAGEMAKER_PROGRAM"):
        value = "train.py" if "PROGRAM" in name else "m"
        expression = {"Filters": [where(name, "Equals", value), where("Tags.k", "Equals", "v")]}
        (result,) = world.call("Search", Resource="Model", SearchExpression=expression)["Results"]
        assert result["Model"]["Model"]["ModelName"] == "m"
        assert result["Model"]["Model"]["Tags"] == [{"Key": "k", "Value": "v"}]


def test_computed_members_are_searched_as_they_are_shown(world: World) -> None:
    world.call("CreateModel", **model("m"))
    world.call("CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant("m")])
    world.call("CreateEndpoint", EndpointName="e", EndpointConfigName="c")

    def names(*filters: Filter) -> list[str]:
        answer = world.call("Search", Resource="Endpoint", SearchExpression={"Filters": list(filters)})
        return [each["Endpoint"]["EndpointName"] for each in answer["Results"]]

    assert names(where("EndpointConfigName", "Equals", "c"), where("EndpointStatus", "Equals", "Creating")) == ["e"]
    assert names(where("ProductionVariants.VariantName", "Equals", "AllTraffic")) == ["e"]
    assert names(where("ProductionVariants.DesiredInstanceCount", "GreaterThan", "1")) == []


def test_resource_types_without_a_kind_are_not_built(world: World) -> None:
    for operation in ("Search", "GetSearchSuggestions"):
        with pytest.raises(NotImplementedException, match=f"{operation} of Job is not built yet"):
            world.call(operation, Resource="Job")


def test_suggestions_are_the_names_that_begin_with_the_hint(jobs: World) -> None:
    def suggested(hint: str | None = None, region: str = "us-east-1") -> list[str]:
        query = {} if hint is None else {"SuggestionQuery": {"PropertyNameQuery": {"PropertyNameHint": hint}}}
        answer = jobs.call("GetSearchSuggestions", region=region, Resource="TrainingJob", **query)
        return [each["PropertyName"] for each in answer["PropertyNameSuggestions"]]

    assert suggested("Metrics.") == ["Metrics.accuracy", "Metrics.loss"]
    assert suggested("Tags.") == ["Tags.a.b", "Tags.project"]
    assert suggested("HyperParameters.l") == ["HyperParameters.lr"]
    assert suggested("TrainingJobA") == ["TrainingJobArn"]
    assert suggested("Zzz") == []
    assert suggested("Tags.", region="eu-west-1") == []
    assert {"TrainingJobName", "ResourceConfig.InstanceType", "Tags.project"} <= set(suggested())


def test_every_suggested_name_may_be_searched_by(jobs: World) -> None:
    for kind in KINDS:
        if kind.search:
            answer = jobs.call("GetSearchSuggestions", Resource=kind.search)
            for each in answer["PropertyNameSuggestions"]:
                expression = {"Filters": [where(each["PropertyName"], "Exists")]}
                try:
                    jobs.call("Search", Resource=kind.search, SearchExpression=expression)
                except AwsError as error:
                    raise AssertionError(f"{kind.search}: {each['PropertyName']}: {error}") from error


def shown_values(shown: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar of a record with the name of its property."""
    if isinstance(shown, dict):
        for name, value in shown.items():
            yield from shown_values(value, f"{path}.{name}" if path else name)
    elif isinstance(shown, list):
        keyed = all(isinstance(each, dict) and each.keys() == {"Key", "Value"} for each in shown)
        for each in shown:
            if keyed:
                yield f"{path}.{each['Key']}", each["Value"]
            else:
                yield from shown_values(each, path)
    else:
        yield path, shown


def test_whatever_is_shown_is_found_by_its_value(jobs: World) -> None:
    tagged = [{"Key": "k", "Value": "v"}]
    jobs.call("CreateModel", **model("m", Tags=tagged))
    jobs.call("CreateEndpointConfig", EndpointConfigName="c", ProductionVariants=[variant("m")])
    jobs.call("CreateEndpoint", EndpointName="e", EndpointConfigName="c", Tags=tagged)
    jobs.call("CreateModelPackageGroup", ModelPackageGroupName="g", ModelPackageGroupDescription="d", Tags=tagged)
    checked = 0
    for resource in ("TrainingJob", "Model", "Endpoint", "ModelPackageGroup"):
        for result in jobs.call("Search", Resource=resource)["Results"]:
            for name, value in shown_values(result[resource]):
                text = str(value).lower() if isinstance(value, bool) else str(value)
                if text:
                    expression = {"Filters": [where(name, "Equals", text)]}
                    found = jobs.call("Search", Resource=resource, SearchExpression=expression, MaxResults=100)
                    assert result in found["Results"], (resource, name, value)
                    checked += 1
    assert checked > 80
