"""BlazingText as its image runs it."""

import json
import random
from pathlib import Path

import pytest

from sagesmith.algorithms.data.recordio import write
from tests.algorithms.harness import Channel, Trained, finish, prepare, start, stop_once, train

TOPICS = {
    "fruit": ["apple", "pear", "plum", "cherry", "grape", "melon", "lemon", "peach"],
    "metal": ["iron", "copper", "zinc", "lead", "silver", "nickel", "cobalt", "chrome"],
    "river": ["danube", "rhine", "elbe", "volga", "loire", "tagus", "ebro", "po"],
}
COMMON = ["the", "a", "of", "and", "in", "on", "with", "very", "some", "other"]


def sentences(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Texts whose words tell their topic."""
    choose = random.Random(seed)
    texts = []
    for number in range(count):
        topic = list(TOPICS)[number % len(TOPICS)]
        words = [choose.choice(TOPICS[topic] if choose.random() < 0.5 else COMMON) for _ in range(8)]
        texts.append((topic, " ".join(words)))
    return texts


def labelled(texts: list[tuple[str, str]]) -> str:
    return "".join(f"__label__{topic} {text}\n" for topic, text in texts)


CLASSES = {"mode": "supervised", "epochs": 20, "vector_dim": 10, "min_count": 1, "learning_rate": 0.5, "buckets": 5000}
VECTORS = {
    "mode": "skipgram",
    "epochs": 40,
    "vector_dim": 16,
    "min_count": 1,
    "sampling_threshold": 0.01,
    "buckets": 5000,
    "learning_rate": 0.1,
}


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    channels = {
        "train": Channel({"train.txt": labelled(sentences(600))}, "text/plain"),
        "validation": Channel({"validation.txt": labelled(sentences(150, 1))}, "text/plain"),
    }
    return train("blazingtext", tmp_path_factory.mktemp("classifier"), CLASSES, channels)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    text = "".join(f"{text}\n" for _, text in sentences(1500))
    rated = "king queen tiger cat book paper money cash\n" * 20
    hyperparameters = VECTORS | {"subwords": "True"}
    return train(
        "blazingtext", tmp_path_factory.mktemp("vectors"), hyperparameters, {"train": Channel({"a": text + rated})}
    )


def test_a_classifier_tells_texts_apart_that_it_has_not_seen(classifier: Trained) -> None:
    assert classifier.exit_code == 0, classifier.log
    assert classifier.metrics["validation:accuracy"][-1] > 0.97
    assert classifier.metrics["train:accuracy"][-1] > 0.97
    assert "Number of validation examples: 150" in classifier.log


def test_a_request_gets_as_many_labels_as_it_asks_for(classifier: Trained) -> None:
    request = {"instances": ["the apple and plum", "rhine on elbe"], "configuration": {"k": 2}}
    answers = json.loads(classifier.answer(json.dumps(request), "application/json"))
    assert [each["label"][0] for each in answers] == ["__label__fruit", "__label__river"]
    assert all(len(each["prob"]) == len(each["label"]) == 2 for each in answers)
    assert all(1 >= each["prob"][0] > each["prob"][1] >= 0 for each in answers)


def test_lines_are_answered_by_lines_each_with_its_own_k(classifier: Trained) -> None:
    request = '{"source": "zinc and copper"}\n{"source": "lemon with pear", "k": 3}\n'
    lines = classifier.answer(request, "application/jsonlines").splitlines()
    answers = [json.loads(line) for line in lines]
    assert [len(each["label"]) for each in answers] == [1, 3]
    assert answers[0]["label"] == ["__label__metal"]


def test_words_of_a_topic_are_closer_than_others(vectors: Trained) -> None:
    assert vectors.exit_code == 0, vectors.log
    words = ["apple", "plum", "zinc"]
    answers = json.loads(vectors.answer(json.dumps({"instances": words}), "application/json"))
    assert [each["word"] for each in answers] == words
    apple, plum, zinc = (each["vector"] for each in answers)
    assert len(apple) == 16
    assert _cosine(apple, plum) > _cosine(apple, zinc) + 0.2, vectors.log


def test_a_word_that_was_never_seen_has_a_vector_of_its_subwords(vectors: Trained) -> None:
    answers = json.loads(vectors.answer('{"instances": ["apples", "apple"]}', "application/json"))
    assert _cosine(answers[0]["vector"], answers[1]["vector"]) > 0.5


def test_the_vectors_are_written_as_text_and_compared_with_peoples_ratings(vectors: Trained) -> None:
    lines = (vectors.root / "model" / "vectors.txt").read_text().splitlines()
    count, dimensions = map(int, lines[0].split())
    assert len(lines) == count + 1
    assert all(len(line.split(" ")) == dimensions + 1 for line in lines[1:])
    found = json.loads((vectors.root / "model" / "eval.json").read_text())
    assert found["EN-WS-353-ALL.txt"]["total_pairs"] == 353
    assert found["EN-WS-353-ALL.txt"]["not_found"] < 353
    assert vectors.metrics["train:mean_rho"] == [pytest.approx(found["mean_rho"], abs=1e-4)]


def test_without_subwords_an_unknown_word_is_zeros_and_the_model_has_no_buckets(tmp_path: Path) -> None:
    text = "".join(f"{text}\n" for _, text in sentences(200))
    trained = train(
        "blazingtext", tmp_path, VECTORS | {"mode": "batch_skipgram", "epochs": 1}, {"train": Channel({"a": text})}
    )
    assert trained.exit_code == 0, trained.log
    answers = json.loads(trained.answer('{"instances": ["apple", "unheard"]}', "application/json"))
    assert any(answers[0]["vector"])
    assert not any(answers[1]["vector"])
    assert "train:mean_rho" not in trained.metrics
    values = sum(len(line.split()) - 1 for line in (tmp_path / "model" / "vectors.txt").read_text().splitlines()[1:])
    assert (tmp_path / "model" / "vectors.bin").stat().st_size < 4 * 4 * values


def test_an_augmented_manifest_is_learned_from_as_it_streams(tmp_path: Path) -> None:
    numbers = {topic: number for number, topic in enumerate(TOPICS)}
    records = [part.encode() for topic, text in sentences(300) for part in (text, str(numbers[topic]))]
    channel = Channel({"../train_0": write(records)}, "application/x-recordio", mode="Pipe")
    trained = train("blazingtext", tmp_path, CLASSES, {"train": channel})
    assert trained.exit_code == 0, trained.log
    answer = json.loads(trained.answer('{"instances": ["danube and volga"]}', "application/json"))
    assert answer[0]["label"] == ["__label__2"]


def test_early_stopping_keeps_the_best_weights(tmp_path: Path) -> None:
    text = labelled(sentences(4000))
    channels = {"train": Channel({"a": text}), "validation": Channel({"a": labelled(sentences(90, 2))})}
    hyperparameters = CLASSES | {"epochs": 400, "early_stopping": "True", "min_epochs": 2, "patience": 2}
    trained = train("blazingtext", tmp_path, hyperparameters, channels)
    assert trained.exit_code == 0, trained.log
    assert "Storing best weights" in trained.log
    assert "Early stopping condition met" in trained.log
    assert trained.metrics["validation:accuracy"][-1] > 0.97
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["model.bin"]


def test_a_job_that_is_stopped_keeps_what_it_has_learned(tmp_path: Path) -> None:
    channels = {"train": Channel({"a": labelled(sentences(2000))})}
    prepare(tmp_path, CLASSES | {"epochs": 1_000_000}, channels, "algo-1", ["algo-1"])
    process = start("blazingtext", tmp_path)
    stop_once(process, "End of epoch")
    stopped = finish("blazingtext", tmp_path, process)
    assert stopped.exit_code == 0, stopped.log
    assert "The job was asked to stop" in stopped.log
    answer = json.loads(stopped.answer('{"instances": ["danube and volga"]}', "application/json"))
    assert answer[0]["label"] == ["__label__river"]


@pytest.mark.parametrize(
    ("hyperparameters", "text", "message"),
    [
        ({}, "\n\n", "has no text (file train/a.txt)"),
        ({"min_count": 9}, "__label__1 x y\n__label__2 z\n", "No word appears 9 times or more"),
        ({"mode": "cbow", "min_count": 9}, "x y\nz\n", "No word appears 9 times or more"),
        ({"early_stopping": "True"}, "__label__1 x\n__label__2 y\n", "early_stopping needs a channel 'validation'"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(
    tmp_path: Path, hyperparameters: dict[str, object], text: str | bytes, message: str
) -> None:
    trained = train("blazingtext", tmp_path, CLASSES | hyperparameters, {"train": Channel({"a.txt": text})})
    assert trained.exit_code == 2
    assert trained.failure.startswith("ClientError: ")
    assert message in trained.failure


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        ("{", "application/json", "not JSON"),
        ("[]", "application/json", 'must be an object with a list: {"instances"'),
        ('{"instances": [1]}', "application/json", "Instance 0 must be text"),
        ('{"instances": ["a"], "configuration": {"k": 0}}', "application/json", '"k" must be a positive integer'),
        (
            '{"source": "a"}\n{"text": "a"}',
            "application/jsonlines",
            'must be an object with a text: {"source": "…"} (line 2)',
        ),
        ("a,b", "text/csv", "text/csv is not supported"),
    ],
)
def test_requests_that_are_none_are_refused(classifier: Trained, body: str, content_type: str, message: str) -> None:
    ended = classifier.ask(body, content_type)
    assert ended.returncode == 2
    assert message in ended.stderr.decode()


def test_an_artifact_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.bin").write_bytes(b"something else entirely")
    ended = Trained("blazingtext", tmp_path, 0, "", "").ask('{"instances": []}', "application/json")
    assert ended.returncode == 2
    assert b"The model artifact is not one of BlazingText: model.bin: it is not a file of fastText's" in ended.stderr


def _cosine(left: list[float], right: list[float]) -> float:
    dot = sum(a * b for a, b in zip(left, right, strict=True))
    return float(dot / (sum(a * a for a in left) * sum(b * b for b in right)) ** 0.5)


def test_more_labels_than_there_are_take_no_room(classifier: Trained) -> None:
    request = {"instances": ["zinc and copper"], "configuration": {"k": 1 << 40}}
    (found,) = json.loads(classifier.answer(json.dumps(request), "application/json"))
    assert len(found["label"]) == len(TOPICS)
