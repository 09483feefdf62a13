"""What the SDK v2's Session, model cards and monitors ask of resources, beyond what the other tests show."""

import pytest

from tests.integration import jobs, programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def client(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "sdk_v2_session.py", tmp_path_factory.mktemp("session-v2"))


def test_a_user_of_studio_has_the_role_of_the_profile_or_of_its_domain(client: Seen) -> None:
    assert client["who_one_is_in_studio"] == {"ann": f"{jobs.ROLE}-of-ann", "bob": f"{jobs.ROLE}-of-the-domain"}


def test_a_model_card_finds_the_job_that_made_a_model(client: Seen) -> None:
    assert client["a_model_of_a_job"] == {
        "environment": {"A": "b"},
        "artifact": [True, True],
        "tags": [{"Key": "team", "Value": "red"}],
        "metrics": {"loss": 0.5},
        "hyperparameters": {"depth": "3"},
        "job": True,
    }


def test_a_configuration_is_made_like_another(client: Seen) -> None:
    seen = client["configurations_of_an_endpoint"]
    assert seen["variants"]
    assert seen["tags"] == [{"Key": "team", "Value": "blue"}]
    assert "Could not find model" in seen["gone"]["words"]


def test_a_package_of_an_algorithm_is_made_once_and_taken_as_it_is(client: Seen) -> None:
    seen = client["a_package_of_an_algorithm"]
    assert (seen["channels"], seen["status"]) == (["train"], "Completed")
    (container,) = seen["containers"]
    assert container["ModelDataUrl"].endswith("/model.tar.gz")


def test_the_latest_approved_package_of_a_group_is_found(client: Seen) -> None:
    assert client["the_latest_approved_package"] == {"version": 2, "found": [1, 2], "none": None}


def test_monitors_take_back_definitions_for_which_there_is_no_schedule(client: Seen) -> None:
    seen = client["monitors"]
    assert seen.keys() == {"ModelQuality", "ModelBias", "ModelExplainability"}
    for each in seen.values():
        assert "NotImplementedException" in each["words"]
        assert "CreateMonitoringSchedule" in each["words"]
        assert each["left"] == []


def test_feature_groups_and_hubs_are_listed_by_filters(client: Seen) -> None:
    assert client["feature_groups_and_hubs"] == {
        "groups": [True],
        "failed": [],
        "whose": "whose",
        "hubs": [True],
        "contents": [],
    }
