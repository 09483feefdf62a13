"""Each built-in algorithm that is a network by the SDK v2; the others are in `test_algorithms.py`."""

from pathlib import Path

import pytest

from tests.integration.conftest import Running
from tests.integration.programs import run_algorithm

pytestmark = pytest.mark.sdk


def test_object2vec_scores_pairs_and_embeds_objects(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "object2vec", tmp_path)
    assert seen["train"]["validation:accuracy"] > 0.95
    same, different, alone = seen["predict"]["predictions"]
    assert same["scores"][1] > 0.5 > different["scores"][1]
    assert len(alone["embeddings"]) == 8


def test_seq2seq_translates_words(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "seq2seq", tmp_path)
    assert seen["train"]["validation:perplexity"] < 1.5
    assert [each["target"] for each in seen["predict"]["predictions"]] == ["deux trois un", "un"]


def test_ntm_gives_documents_of_a_topic_the_same_weights(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "ntm", tmp_path)
    assert seen["train"]["validation:total_loss"] < 4.1
    tops = [weights.index(max(weights)) for weights in seen["predict"]]
    assert tops[:3] == tops[3:]
    assert len(set(tops)) == 3


def test_image_classification_tells_colours_from_records_and_a_piped_manifest(
    platform: Running, tmp_path: Path
) -> None:
    seen = run_algorithm(platform, "image_classification", tmp_path)
    assert seen["train"]["validation:accuracy"] > 0.9
    assert seen["piped"]["validation:accuracy"] > 0.9
    red, blue = seen["predict"]
    assert red[0] > red[1]
    assert blue[1] > blue[0]


def test_deepar_forecasts_with_quantiles(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "deepar", tmp_path)
    assert {"train:final_loss", "test:RMSE", "test:mean_wQuantileLoss"} <= set(seen["train"])
    (answer,) = seen["predict"]["predictions"]
    low, high = answer["quantiles"]["0.1"], answer["quantiles"]["0.9"]
    assert len(low) == len(high) == 7
    assert all(one <= other for one, other in zip(low, high, strict=True))


def test_object_detection_begins_with_what_imagenet_taught_by_awss_defaults(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "object_detection", tmp_path)
    assert {"validation:mAP", "train:cross_entropy", "train:smooth_l1", "train:progress"} <= set(
        seen["train"]["metrics"]
    )
    assert "EFFICIENTNET-LITE0 TAKES ITS PLACE" in seen["train"]["warning"]
    for label, score, left, top, right, bottom in seen["predict"]:
        assert (label, 0 < score <= 1) == (0, True)
        assert 0 <= left <= right <= 1
        assert 0 <= top <= bottom <= 1


def test_semantic_segmentation_masks_what_it_was_shown(platform: Running, tmp_path: Path) -> None:
    seen = run_algorithm(platform, "semantic_segmentation", tmp_path)
    assert {"validation:mIOU", "validation:pixel_accuracy", "train:loss", "train:throughput"} <= set(seen["train"])
    assert seen["predict"]["size"] == [64, 64]
    assert seen["predict"]["right"] > 0.6
