"""As `test_algorithms.py`, of the algorithms that are networks."""

import pytest

from tests.integration import pages
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk
PAGES = ("deepar", "ntm", "object2vec", "seq2seq", "tabtransformer")


@pytest.fixture(scope="module")
def seen(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return pages.run(platform, PAGES, tmp_path_factory.mktemp("pages"))


@pytest.mark.parametrize("page", PAGES)
def test_a_transform_job_gives_the_answer_of_the_endpoint(seen: Seen, page: str) -> None:
    pages.check_transform(seen[page])


@pytest.mark.parametrize("page", PAGES)
def test_a_tuning_job_finds_the_objective_of_its_best_training_job_in_the_log(seen: Seen, page: str) -> None:
    pages.check_tuning(seen[page])


@pytest.mark.parametrize("page", [each for each in PAGES if each != "tabtransformer"])
def test_a_tuning_job_for_what_an_algorithm_has_not_is_refused(seen: Seen, page: str) -> None:
    pages.check_refusals(seen[page])


def test_deepar_forecasts_a_week(seen: Seen) -> None:
    page = seen["deepar"]
    assert {"train:final_loss", "test:RMSE", "test:mean_wQuantileLoss"} <= set(page["metrics"])
    assert len(page["printed"][0]) == 7


def test_ntm_gives_documents_of_different_topics_different_weights(seen: Seen) -> None:
    page = seen["ntm"]
    assert page["metrics"]["validation:total_loss"] < 3.5
    assert all(abs(sum(weights) - 1) < 0.05 for weights in page["printed"])
    assert len({weights.index(max(weights)) for weights in page["printed"]}) >= 3


def test_object2vec_scores_pairs_and_embeds_objects(seen: Seen) -> None:
    page = seen["object2vec"]
    assert page["metrics"]["validation:accuracy"] > 0.95
    (pair,), (alone,) = (each["predictions"] for each in page["printed"])
    assert pair["scores"][1] > 0.5
    assert len(alone["embeddings"]) == 8


def test_seq2seq_translates_words(seen: Seen) -> None:
    page = seen["seq2seq"]
    assert page["metrics"]["validation:perplexity"] < 1.5
    assert page["printed"] == [{"predictions": [{"target": "trois un quatre"}]}]


def test_tabtransformer_tells_which_sums_are_positive(seen: Seen) -> None:
    ((answer,),) = (each["probabilities"] for each in seen["tabtransformer"]["printed"])
    assert answer[1] > 0.5
