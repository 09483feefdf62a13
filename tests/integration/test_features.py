"""Feature groups and monitors as SDK v2 makes them."""

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def v2(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "sdk_v2_features.py", tmp_path_factory.mktemp("features"))


def test_a_feature_group_is_made_of_a_data_frame_extended_and_written_about(v2: Seen) -> None:
    seen = v2["a_feature_group"]
    assert seen["status"] == "Created"
    assert seen["features"] == {"id": "Integral", "time": "Fractional", "name": "String", "amount": "Fractional"}
    assert seen["ttl"] == {"Unit": "Days", "Value": 2}
    assert (seen["description"], seen["parameters"]) == ("net", [{"Key": "unit", "Value": "EUR"}])
    assert seen["tags"] == [{"Key": "team", "Value": "red"}]
    assert seen["resolved"] in seen["table"]


def test_a_monitor_leaves_no_definition_behind_without_a_schedule(v2: Seen) -> None:
    seen = v2["a_monitor"]
    assert "NotImplementedException" in seen["words"]
    assert "CreateMonitoringSchedule" in seen["words"]
    assert seen["left"] == []
