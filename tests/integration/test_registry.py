"""The model registry, as the SDKs' own classes use it."""

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def v2(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "registry_v2.py", tmp_path_factory.mktemp("registry-v2"))


@pytest.fixture(scope="module")
def v3(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v3", "registry_v3.py", tmp_path_factory.mktemp("registry-v3"))


def test_v2_registers_versions_of_a_model(v2: Seen) -> None:
    seen = v2["a_model_is_registered_twice"]
    assert seen["versions"] == [1, 2]
    assert [arn.rpartition("/")[2] for arn in seen["arns"]] == ["1", "2"]
    described = seen["described"]
    assert (described["ModelPackageDescription"], described["Task"]) == ("version 1", "CLASSIFICATION")
    assert (described["ModelPackageStatus"], described["ModelApprovalStatus"]) == ("Completed", "PendingManualApproval")
    assert described["InferenceSpecification"]["SupportedContentTypes"] == ["text/csv"]


def test_v2_approves_a_package_and_changes_what_it_says(v2: Seen) -> None:
    seen = v2["a_package_is_approved_and_changed"]
    assert "not Approved" in seen["pending"]["words"]
    described = seen["described"]
    assert (described["ModelApprovalStatus"], described["ApprovalDescription"]) == ("Approved", "looks good")
    assert described["CustomerMetadataProperties"] == {"owner": "ann"}
    assert [each["Name"] for each in described["AdditionalInferenceSpecifications"]] == ["other"]
    assert described["ModelCard"]["ModelCardStatus"] == "Draft"


def test_v2_makes_a_model_of_an_approved_package(v2: Seen) -> None:
    (container,) = v2["a_model_is_made_of_the_approved_package"]["Containers"]
    assert container["ModelPackageName"].endswith("/1")
    assert container["ModelDataUrl"].endswith("/model.tar.gz")


def test_v2_writes_model_cards_in_versions(v2: Seen) -> None:
    seen = v2["a_model_card_has_versions"]
    assert seen["arn"].endswith("-card")
    assert "already exists" in seen["again"]["words"]
    assert seen["first"] == [1, "first"]
    assert seen["latest"] == [2, "PendingReview", "second"]
    assert sorted(seen["versions"]) == [1, 2]


def test_v2_writes_one_model_card_of_a_package(v2: Seen) -> None:
    seen = v2["a_model_card_tells_of_its_package"]
    assert seen["package"].endswith("/2")
    assert "already" in seen["again"]["words"]


def test_v3_creates_and_finds_groups(v3: Seen) -> None:
    seen = v3["a_group_is_created_and_found"]
    assert seen["arn"].endswith(f":model-package-group/{seen['found'][0]}")
    assert seen["status"] == "Completed"


def test_v3_approves_packages(v3: Seen) -> None:
    seen = v3["a_package_is_approved"]
    assert seen["before"] == "PendingManualApproval"
    assert seen["after"] == ["Approved", "yes", 1]
    assert seen["found"] == seen["summaries"]
    assert "sagemaker-scikit-learn" in v3["a_model_is_made_of_the_package"]


def test_v3_writes_model_cards_in_versions(v3: Seen) -> None:
    seen = v3["a_model_card_has_versions"]
    # The SDK lists the versions that have the status of the card that it asks.
    assert seen["versions"] == [[2, "Approved"]]
    assert (seen["first"], seen["left"]) == ({"model_overview": {"model_name": "m"}}, [])


def test_v3_creates_and_deletes_algorithms(v3: Seen) -> None:
    seen = v3["an_algorithm_is_created_and_deleted"]
    assert seen["status"] == "Completed"
    assert "does not exist" in seen["gone"]["words"]


@pytest.mark.parametrize("client", ["v2", "v3"])
def test_a_group_is_deleted_after_its_packages(client: str, request: pytest.FixtureRequest) -> None:
    seen = request.getfixturevalue(client)["the_group_is_deleted_after_its_packages"]
    assert "it is not empty" in seen["early"]["words"]
    assert seen["left"] == []
