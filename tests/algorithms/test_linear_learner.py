"""Linear Learner as its image trains and answers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import datasets, linear_model, pipeline, preprocessing
from sklearn.metrics import roc_auc_score

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.encode import encode
from tests.algorithms.harness import Channel, Trained, train, train_together

CSV = "text/csv"


def rows(labels: Any, features: Any) -> str:
    return "".join(",".join(f"{number:.9g}" for number in row) + "\n" for row in np.column_stack([labels, features]))


def halves() -> tuple[Any, Any, Any, Any]:
    features, labels = datasets.load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    features, labels = features[order].astype(np.float32), labels[order]
    return features[:400], labels[:400], features[400:], labels[400:]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    features, labels, others, wanted = halves()
    channels = {
        "train": Channel(
            {"a.csv": rows(labels[:150], features[:150]), "b.csv": rows(labels[150:300], features[150:300])}, CSV
        ),
        "validation": Channel({"c.csv": rows(labels[300:], features[300:])}, CSV),
        "test": Channel({"d.csv": rows(wanted, others)}, CSV),
    }
    root = tmp_path_factory.mktemp("binary")
    return train("linear_learner", root, {"predictor_type": "binary_classifier", "feature_dim": 30}, channels)


def test_a_classifier_is_as_good_as_scikit_learns(classifier: Trained) -> None:
    assert classifier.failure == ""
    features, labels, others, wanted = halves()
    reference = pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression())
    reference.fit(features[:300], labels[:300])
    assert classifier.metrics["test:binary_classification_accuracy"][0] >= 0.99 * reference.score(others, wanted)
    area = roc_auc_score(wanted, reference.predict_proba(others)[:, 1])
    assert classifier.metrics["test:roc_auc_score"][0] >= 0.99 * area


def test_metrics_are_found_in_the_log_by_awss_names(classifier: Trained) -> None:
    names = set(classifier.metrics)
    for channel in ("validation", "test"):
        for name in ("binary_classification_accuracy", "binary_f_beta", "precision", "recall", "roc_auc_score"):
            assert f"{channel}:{name}" in names
    assert {"train:objective_loss", "validation:objective_loss", "test:objective_loss", "train:progress"} <= names
    assert "train:mse" not in names


def test_all_formats_of_requests_have_the_same_answers(classifier: Trained) -> None:
    _, _, others, wanted = halves()
    two = others[:2]
    lines = "\n".join(",".join(f"{number:.9g}" for number in row) for row in two)
    answer = json.loads(classifier.answer(lines, CSV))
    assert [each["predicted_label"] for each in answer["predictions"]] == wanted[:2].tolist()
    assert all(0 <= each["score"] <= 1 for each in answer["predictions"])
    dense = {"instances": [{"features": [float(number) for number in row]} for row in two]}
    again = json.loads(classifier.answer(json.dumps(dense), "application/json"))
    scores = [each["score"] for each in answer["predictions"]]
    assert [each["score"] for each in again["predictions"]] == pytest.approx(scores, abs=1e-6)
    each_line = classifier.answer(lines, CSV, "application/jsonlines").splitlines()
    assert [json.loads(line) for line in each_line] == answer["predictions"]
    recorded = classifier.answer(lines, CSV, "application/x-recordio-protobuf")
    assert recorded == encode(answer["predictions"], "application/x-recordio-protobuf")[0]


@pytest.mark.parametrize(
    ("values", "content", "said"),
    [
        ({"predictor_type": "binary_classifier"}, "0,1\n2,3\n", "The label of row 2 of the channel 'train' is 2"),
        ({"predictor_type": "binary_classifier"}, "1,1\n1,3\n", "have the label 1"),
        ({"predictor_type": "regressor", "feature_dim": 3}, "1,1\n1,3\n", "feature_dim is 3"),
        ({"predictor_type": "regressor"}, "1,1\n1,abc\n", "line 2"),
        ({"predictor_type": "regressor"}, "", "empty"),
    ],
    ids=["label", "one-class", "dimension", "text", "empty"],
)
def test_bad_data_ends_the_job_with_a_client_error(
    values: dict[str, object], content: str, said: str, tmp_path: Path
) -> None:
    ended = train("linear_learner", tmp_path, values, {"train": Channel({"x.csv": content}, CSV)})
    assert ended.exit_code == 2
    assert ended.failure.startswith("ClientError: ")
    assert said in ended.failure


def test_two_instances_train_the_model_of_one(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(600, 4)).astype(np.float32)
    labels = features @ [1.0, 2.0, 3.0, 4.0] + 5
    values = {"predictor_type": "regressor", "wd": 0, "l1": 0}
    parts = (slice(0, 200), slice(200, 600))
    channels = [{"train": Channel({"x.csv": rows(labels[part], features[part])}, CSV)} for part in parts]
    ends = train_together("linear_learner", tmp_path, values, channels)
    assert [end.failure for end in ends] == ["", ""]
    with np.load(ends[0].root / "model" / "model.npz") as model:
        assert model["weights"][:, 0] == pytest.approx([1, 2, 3, 4], abs=1e-3)
        assert model["intercepts"] == pytest.approx([5], abs=1e-3)
    assert list((ends[1].root / "model").iterdir()) == []


def test_a_model_of_another_algorithm_is_refused(classifier: Trained, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    np.save(tmp_path / "model" / "centroids.npy", np.zeros((2, 2)))
    ended = Trained("linear_learner", tmp_path, 0, "", "").ask("1,2", CSV)
    assert b"ClientError: The model artifact is not one of Linear Learner" in ended.stderr


def test_a_row_is_answered_alike_alone_and_among_others() -> None:
    from sagesmith.algorithms.linear_learner.model import Linear

    model = Linear("regressor", False, np.array([[1.0], [2.0]]), np.array([0.5]))
    many = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    together = [each["score"] for each in model.predict(Batch(many))]
    alone = [model.predict(Batch(many[place : place + 1]))[0]["score"] for place in range(50)]
    assert alone == pytest.approx(together)
