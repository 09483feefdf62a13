"""What the tuners of both SageMaker SDKs do, and their analytics."""

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def v2(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "tuning_v2.py", tmp_path_factory.mktemp("tuning-v2"))


@pytest.fixture(scope="module")
def v3(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v3", "tuning_v3.py", tmp_path_factory.mktemp("tuning-v3"))


def test_v2_finds_the_best_training_job_and_makes_a_data_frame_of_all(v2: Seen) -> None:
    seen = v2["search"]
    assert seen["status"] == "Completed"
    assert seen["best"] == seen["described"]
    assert {"rate", "depth", "kernel", "FinalObjectiveValue", "TrainingElapsedTimeSeconds"} <= set(seen["columns"])
    assert len(seen["losses"]) == 3
    assert seen["best_loss"] == pytest.approx(min(seen["losses"]))
    assert seen["ranges"] == ["depth", "kernel", "rate"]
    assert {"rate", "depth", "kernel", "epochs"} <= set(seen["best_hyperparameters"])


def test_v2_goes_on_from_a_tuning_job(v2: Seen) -> None:
    seen = v2["go_on_from_it"]
    assert seen["status"] == "Completed"
    assert seen["parents"] == [{"HyperParameterTuningJobName": seen["parent"]}]
    assert seen["overall"] <= v2["search"]["best_loss"] + 1e-6


def test_v2_tunes_several_estimators_in_one_tuning_job(v2: Seen) -> None:
    seen = v2["two_definitions"]
    assert seen["definitions"] == ["deep", "shallow"]
    assert seen["best"] in ("deep", "shallow")


def test_v2_tunes_by_hyperband(v2: Seen) -> None:
    assert v2["hyperband"] == {"status": "Completed", "config": {"MaxResource": 9, "MinResource": 1}}


def test_v2_lets_the_platform_choose_ranges(v2: Seen) -> None:
    seen = v2["autotune"]
    assert (seen["status"], seen["autotune"]) == ("Completed", {"Mode": "Enabled"})
    assert 1 <= int(seen["tuned"]["epochs"]) <= 30
    assert seen["tuned"]["sagemaker_program"] == '"train.py"'


def test_v2_attaches_to_a_tuning_job(v2: Seen) -> None:
    assert v2["attach"] == {"best": v2["search"]["best"], "objective": "loss"}


def test_v3_tunes_a_model_trainer(v3: Seen) -> None:
    seen = v3["search"]
    assert seen["status"] == "Completed"
    assert len(seen["losses"]) == 2
    assert seen["best"]
    assert {"rate", "depth", "kernel"} <= set(seen["columns"])
