"""Neural Topic Model, trained and asked as its image does."""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.decomposition import LatentDirichletAllocation

from sagesmith.algorithms import ndarrays
from tests.algorithms import harness
from tests.algorithms.harness import Channel, Trained
from tests.algorithms.rows import csv

TOPICS, WORDS = 5, 200
GIVEN: dict[str, object] = {
    "feature_dim": WORDS,
    "num_topics": TOPICS,
    "epochs": 40,
    "mini_batch_size": 64,
}


def corpus() -> tuple[Any, Any]:
    """Documents, and the topics that they were drawn from."""
    rng = np.random.default_rng(0)
    topics = rng.dirichlet(np.full(WORDS, 0.05), TOPICS)
    mixtures = rng.dirichlet(np.full(TOPICS, 0.2), 1000)
    return np.stack([rng.multinomial(80, mixture @ topics) for mixture in mixtures]), topics


def documents(rows: Any) -> Channel:
    return Channel({"part-0.csv": csv(rows)}, "text/csv;label_size=0")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    rows, _ = corpus()
    vocabulary = "\n".join(f"word{number}" for number in range(WORDS))
    channels = {
        "train": documents(rows[:800]),
        "validation": documents(rows[800:]),
        "auxiliary": Channel({"vocab.txt": vocabulary}, "text/plain"),
    }
    return harness.train("ntm", tmp_path_factory.mktemp("ntm"), GIVEN, channels)


def test_unseen_documents_perplex_it_no_more_than_scikit_learns_lda(model: Trained) -> None:
    rows, _ = corpus()
    lda = LatentDirichletAllocation(TOPICS, random_state=0, max_iter=10).fit(rows[:800])
    assert min(model.metrics["validation:total_loss"]) < 1.01 * np.log(lda.perplexity(rows[800:])), model.log


def test_the_topics_words_are_where_awss_example_notebook_looks_for_them(model: Trained, tmp_path: Path) -> None:
    with zipfile.ZipFile(model.root / "model" / "model_algo-1") as archive:
        (tmp_path / "model_params").write_bytes(archive.read("params"))
    weights = ndarrays.read(tmp_path, "NTM")["arg:projection_weight"]
    assert weights.shape == (WORDS, TOPICS)
    with np.load(model.root / "model" / "model.npz") as arrays:
        np.testing.assert_allclose(softmax(weights, axis=0).T, arrays["topics"], atol=1e-5)


def test_topics_are_told_in_words_with_their_coherence(model: Trained) -> None:
    _, topics = corpus()
    assert re.search(rf"Topics from epoch:final \(num_topics:{TOPICS}\) \[wetc 0\.\d\d, tu [01]\.\d\d\]:", model.log)
    told = re.findall(r"\[-?\d\.\d\d, \d\.\d\d\] (word.*)", model.log)
    found = [{int(word[4:]) for word in line.split()} for line in told]
    expected = [set(np.argsort(-topic)[:20].tolist()) for topic in topics]
    shared = [max(len(each & other) for other in found) for each in expected]
    assert np.mean(shared) > 10


def test_answers_are_weights_of_topics(model: Trained) -> None:
    rows, _ = corpus()
    answer = json.loads(model.answer(csv(rows[:3]), "text/csv"))
    weights = np.array([each["topic_weights"] for each in answer["predictions"]])
    assert weights.shape == (3, TOPICS)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    keys = np.flatnonzero(rows[0]).tolist()
    features = {"keys": keys, "values": rows[0][keys].tolist(), "shape": [WORDS]}
    request = json.dumps({"instances": [{"data": {"features": features}}]})
    (alone,) = json.loads(model.answer(request, "application/json"))["predictions"]
    assert alone == answer["predictions"][0]


@pytest.mark.parametrize(
    "given",
    [
        {"optimizer": "adadelta", "encoder_layers_activation": "sigmoid", "batch_norm": "true"},
        {
            "optimizer": "sgd",
            "learning_rate": 0.001,
            "encoder_layers": "[20, 10]",
            "clip_gradient": 1,
            "rescale_gradient": 0.5,
        },
        {"optimizer": "adagrad", "encoder_layers": "12", "sub_sample": 0.5, "encoder_layers_activation": "tanh"},
        {"optimizer": "rmsprop", "weight_decay": 0.01, "learning_rate": 0.001},
    ],
    ids=["adadelta", "sgd", "adagrad", "rmsprop"],
)
def test_every_optimizer_learns(given: dict[str, object], tmp_path: Path) -> None:
    rows, _ = corpus()
    trained = harness.train("ntm", tmp_path, GIVEN | {"epochs": 5} | given, {"train": documents(rows[:500])})
    losses = trained.metrics["train:total_loss"]
    assert losses[-1] < losses[0], trained.log


def test_training_ends_once_the_loss_has_settled(tmp_path: Path) -> None:
    given = GIVEN | {"mini_batch_size": 16, "tolerance": 0.1, "num_patience_epochs": 2}
    trained = harness.train("ntm", tmp_path, given, {"train": documents(corpus()[0][:300])})
    assert "Early stopping condition met" in trained.log
    assert len(trained.metrics["train:total_loss"]) < 40


def test_a_vocabulary_of_another_size_is_refused(tmp_path: Path) -> None:
    channels = {"train": documents(corpus()[0][:10]), "auxiliary": Channel({"vocab.txt": "one\ntwo\n"}, "text/plain")}
    trained = harness.train("ntm", tmp_path, GIVEN, channels)
    assert trained.failure == (
        "ClientError: The vocabulary in file auxiliary/vocab.txt has 2 words, but feature_dim is 200."
    )


def test_negative_counts_are_refused(tmp_path: Path) -> None:
    trained = harness.train("ntm", tmp_path, GIVEN, {"train": documents(corpus()[0][:10] - 1)})
    assert trained.failure == "ClientError: Channel 'train' has a count of words that is negative: -1."


def test_an_instance_that_had_no_documents_changes_nothing() -> None:
    assert harness.program("ntm", "ntm_merge.py") == pytest.approx([0, 0], abs=1e-6)


def test_an_artifact_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text('{"algorithm": "pca", "activation": "tanh"}')
    ended = Trained("ntm", tmp_path, 0, "", "").ask("1,2", "text/csv")
    assert ended.returncode == 2
    assert b"The model artifact is not one of NTM: it is a model of pca" in ended.stderr
