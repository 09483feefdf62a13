"""Object2Vec as its image runs it."""

import json
import random
from pathlib import Path

import pytest

from tests.algorithms.harness import Channel, Trained, finish, prepare, program, start, train

JSON, LINES = "application/json", "application/jsonlines"
TINY = {
    "enc0_network": "pooled_embedding",
    "enc0_max_seq_len": 6,
    "enc0_vocab_size": 40,
    "enc0_token_embedding_dim": 8,
    "enc_dim": 8,
    "mlp_dim": 16,
    "mlp_activation": "relu",
    "learning_rate": 0.01,
    "epochs": 12,
}


def pairs(count: int, seed: int = 0) -> list[dict[str, object]]:
    """Sequences whose tokens are all of one half of the vocabulary; the label says whether it is the same half."""
    choose = random.Random(seed)
    rows = []
    for _ in range(count):
        halves = [choose.randrange(2), choose.randrange(2)]
        left, right = ([20 * half + choose.randrange(20) for _ in range(choose.randint(1, 6))] for half in halves)
        rows.append({"label": int(halves[0] == halves[1]), "in0": left, "in1": right})
    return rows


def lines(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    channels = {
        "train": Channel({"a.jsonl": lines(pairs(800))}),
        "validation": Channel({"a.jsonl": lines(pairs(200, 1))}),
        "test": Channel({"a.jsonl": lines(pairs(200, 2))}, LINES),
    }
    return train("object2vec", tmp_path_factory.mktemp("classifier"), TINY, channels)


def test_pairs_are_told_apart_that_were_not_seen(classifier: Trained) -> None:
    assert classifier.exit_code == 0, classifier.log
    assert classifier.metrics["test:accuracy"] > [0.95]
    assert classifier.metrics["validation:cross_entropy"][-1] < 0.2
    assert len(classifier.metrics["train:accuracy"]) == len(classifier.metrics["validation:accuracy"])


def test_two_inputs_get_scores_and_one_gets_embeddings(classifier: Trained) -> None:
    instances = [{"in0": [1, 2], "in1": [3]}, {"in0": [1]}, {"in1": [22, 23]}, {"in0": [1, 2], "in1": [30, 31, 32]}]
    answer = json.loads(classifier.answer(json.dumps({"instances": instances}), JSON))["predictions"]
    assert [list(each) for each in answer] == [["scores"], ["embeddings"], ["embeddings"], ["scores"]]
    assert answer[0]["scores"][1] > 0.9
    assert answer[3]["scores"][0] > 0.9
    assert sum(answer[0]["scores"]) == pytest.approx(1)
    assert len(answer[1]["embeddings"]) == 8


def test_lines_are_answered_by_lines_and_cut_off_where_the_request_says(classifier: Trained) -> None:
    body = lines([{"in0": [1, 2, 30]}, {"in0": [1, 2]}, {"in0": [1]}])
    whole = [json.loads(each) for each in classifier.answer(body, LINES).splitlines()]
    cut = [json.loads(each) for each in classifier.answer(body, f"{LINES}; infer_max_seqlens=2,5").splitlines()]
    assert whole[0] != whole[1] != whole[2]
    assert cut[0]["embeddings"] == pytest.approx(cut[1]["embeddings"])
    assert cut[2]["embeddings"] == pytest.approx(whole[2]["embeddings"])


def test_sequences_of_a_request_do_not_see_each_other() -> None:
    for kind, difference in program("object2vec", "object2vec_rows.py").items():
        assert difference < 1e-5, kind


def test_regression_goes_on_from_its_checkpoint_as_if_nothing_had_happened(tmp_path: Path) -> None:
    rows = [row | {"label": float(str(row["label"])) + 0.5} for row in pairs(300)]
    channels = {"train": Channel({"a": lines(rows)}), "validation": Channel({"a": lines(rows[:50])})}
    given = TINY | {
        "output_layer": "mean_squared_error",
        "token_embedding_storage_type": "row_sparse",
        "comparator_list": "hadamard",
        "early_stopping_patience": 5,
        "epochs": 4,
    }
    whole = train("object2vec", tmp_path / "whole", given, channels)
    assert whole.exit_code == 0, whole.log
    root = tmp_path / "parts"
    (root / "checkpoints").mkdir(parents=True)
    train("object2vec", root, given | {"epochs": 2}, channels)
    prepare(root, given, channels, "algo-1", ["algo-1"])
    second = finish("object2vec", root, start("object2vec", root))
    assert "Resuming from the checkpoint after 2 epochs" in second.log
    name = "validation:mean_squared_error"
    assert second.metrics[name] == pytest.approx(whole.metrics[name][2:], rel=1e-5)
    answer = json.loads(second.answer('{"instances": [{"in0": [1], "in1": [2]}]}', JSON))
    assert len(answer["predictions"][0]["scores"]) == 1


def test_negative_samples_and_vectors_that_were_learned_before(tmp_path: Path) -> None:
    rows = [row for row in pairs(200) if row["label"]]
    vectors = "".join(f"t{token} " + " ".join(["0.5" if token < 20 else "-0.5"] * 8) + "\n" for token in range(40))
    vocabulary = json.dumps({f"t{token}": token for token in range(40)})
    channels = {
        "train": Channel({"a": lines(rows)}),
        "auxiliary": Channel({"vectors.txt": vectors, "vocab.json": vocabulary}, "text/plain"),
    }
    given = TINY | {
        "negative_sampling_rate": 1,
        "enc0_pretrained_embedding_file": "vectors.txt",
        "enc0_vocab_file": "vocab.json",
        "epochs": 3,
    }
    trained = train("object2vec", tmp_path, given, channels)
    assert trained.exit_code == 0, trained.log
    answer = json.loads(trained.answer('{"instances": [{"in0": [1]}, {"in0": [7, 9]}, {"in0": [21]}]}', JSON))
    first, second, third = (each["embeddings"] for each in answer["predictions"])
    assert first == pytest.approx(second)
    assert first != pytest.approx(third)


def test_what_cannot_be_learned_from_ends_the_job(tmp_path: Path) -> None:
    channels = {"train": Channel({"a.jsonl": '{"label": 2, "in0": [1], "in1": [2]}\n'})}
    trained = train("object2vec", tmp_path, TINY, channels)
    assert trained.exit_code == 2
    message = "'label' must be a class from 0 to 1 (num_classes): 2 (file train/a.jsonl, line 1)"
    assert trained.failure == f"ClientError: {message}"


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        ('{"instances": [{"in2": [1]}]}', JSON, "in0 or in1, or both (instance 0)"),
        ('{"in0": [1]}\n{"in0": [40]}', LINES, "token 40"),
        ('{"instances": [{"in0": [1]}]}', f"{JSON};infer_max_seqlens=0,1", "infer_max_seqlens must be two integers"),
    ],
)
def test_requests_that_are_none_are_refused(classifier: Trained, body: str, content_type: str, message: str) -> None:
    ended = classifier.ask(body, content_type)
    assert ended.returncode == 2
    assert message in ended.stderr.decode()


def test_an_artifact_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "object2vec.json").write_text('{"time_freq": "D"}')
    ended = Trained("object2vec", tmp_path, 0, "", "").ask('{"instances": []}', "application/json")
    assert ended.returncode == 2
    assert b"The model artifact is not one of Object2Vec: object2vec.json" in ended.stderr
