"""Lineage as the SageMaker SDKs keep it and ask for it: v2's `sagemaker.lineage`, and the same of v3."""

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module", params=["sdk-v2", "sdk-v3"])
def lineage(request: pytest.FixtureRequest, platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, request.param, "lineage.py", tmp_path_factory.mktemp(request.param))


def test_an_artifact_is_changed_found_and_made_once(lineage: Seen) -> None:
    seen = lineage["an_artifact_that_is_changed"]
    assert (seen["properties"], seen["name"], seen["listed"]) == ({"rows": "11"}, True, ["data"])
    assert seen["tags"] == [{"Key": "team", "Value": "red"}]
    assert seen["found"].endswith("/model")
    for again in (seen["again"], seen["twice"]):
        assert "(ValidationException)" in again["words"]
        assert "already exists" in again["words"]


def test_associations_are_listed_with_the_types_of_their_ends(lineage: Seen) -> None:
    assert lineage["associations_in_pages"] == {
        "into": [
            ["image", "Image", "ContributedTo"],
            ["run", "SageMakerExperimentTrialComponent", "ContributedTo"],
        ],
        "served": ["deployment", "model"],
    }


def test_queries_walk_and_filter(lineage: Seen) -> None:
    seen = lineage["queries"]
    assert seen["whole"] == ["data", "deployment", "endpoint", "image", "model", "raw", "run"]
    assert seen["edges"] == [
        ["data", "run", "ContributedTo"],
        ["deployment", "endpoint", "AssociatedWith"],
        ["image", "model", "ContributedTo"],
        ["model", "deployment", "AssociatedWith"],
        ["raw", "data", "DerivedFrom"],
        ["run", "model", "ContributedTo"],
    ]
    assert [uri.rpartition("/")[2] for uri in seen["datasets"]] == ["data", "raw"]
    assert seen["runs"] == [["run", "ExperimentTrialComponent"]]
    assert seen["around"] == ["data", "endpoint", "raw"]
    assert seen["rows"] == ["data"]


def test_the_sdk_answers_its_own_questions(lineage: Seen) -> None:
    seen = lineage["the_sdks_own_questions"]
    (name,) = seen.pop("endpoints of data")
    assert name.endswith("-endpoint")
    assert seen == {
        "upstream of data": ["data", "raw"],
        "data of model": ["data", "raw"],
        "endpoints of model": ["endpoint"],
        "data of endpoint": ["data", "raw"],
        "artifacts of deployment": ["data", "image", "model", "raw"],
        "data of image": ["data", "raw"],
    }


def test_a_table_shows_what_an_entity_is_associated_with(lineage: Seen) -> None:
    seen = lineage["a_table"]
    ((name, *row),) = seen["endpoint"]
    assert name.endswith("-deploy")
    assert row == ["Input", "ModelDeployment", "AssociatedWith", "action"]
    assert seen["model"] == [
        ["Input", "Image", "artifact"],
        ["Input", "SageMakerExperimentTrialComponent", "experiment-trial-component"],
        ["Output", "ModelDeployment", "action"],
    ]


def test_the_resource_classes_of_v3_work_on_lineage(lineage: Seen) -> None:
    assert lineage["resources_of_v3"] in (
        None,
        {"name": "v3", "properties": {"a": "1"}, "group": "sagemaker-default-lineage-group"},
    )


def test_what_is_associated_stays_until_it_is_disassociated(lineage: Seen) -> None:
    seen = lineage["what_is_associated_stays"]
    assert "is linked to 1 or more associations and cannot be deleted." in seen["refused"]["words"]
    assert seen["gone"]["error"] == "ResourceNotFound"
    assert seen["left"] == 0
