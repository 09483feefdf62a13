"""The text algorithms in their image's environment: fine-tuning, going on, answers, refusals."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tests.algorithms import harness
from tests.algorithms.harness import Channel, Trained

GOOD = ("wonderful", "brilliant", "a delight", "moving and funny", "superb", "charming", "full of life")
BAD = ("awful", "dull", "a waste of time", "boring and long", "poor", "tedious", "without a single idea")
ROWS = "".join(
    f'{label},"the film, {words}"\n' for _ in range(4) for label, each in enumerate((BAD, GOOD)) for words in each
)
MODEL_TYPE = "application/x-sagemaker-model"


def archive(files: dict[str, bytes]) -> Channel:
    """A channel with a model.tar.gz."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return Channel({"model.tar.gz": packed.getvalue()}, MODEL_TYPE)


@pytest.fixture(scope="module")
def left(trained: Trained) -> Channel:
    """What the job has left, as another one's channel."""
    return archive({path.name: path.read_bytes() for path in (trained.root / "model").iterdir()})


def weights(trained: Trained) -> dict[str, np.ndarray]:
    with np.load(trained.root / "model" / "network.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    data = {
        "training": Channel({"data.csv": ROWS}),
        "model": archive({"jumpstart.json": b'{"model_id": "tensorflow-tc-electra-base-1"}'}),
    }
    given = {"epochs": 3, "batch-size": 16, "batch_size": 32}
    return harness.train("text_classification", tmp_path_factory.mktemp("texts"), given, data)


def test_an_encoder_is_fine_tuned_and_tells_what_it_has_not_seen(trained: Trained) -> None:
    assert trained.exit_code == 0, trained.log
    assert "of 23 million weights, stands for JumpStart's tensorflow-tc-electra-base-1" in trained.log
    assert "'batch_size': 16" in trained.log
    assert trained.metrics["validation:accuracy"][-1] > 0.9
    assert len(trained.metrics["train:loss"]) == 3
    answers = [
        json.loads(trained.answer(text, "application/x-text", "application/json;verbose"))
        for text in ("splendid , and very well done", "i hated every minute of it")
    ]
    assert [each["predicted_label"] for each in answers] == [1, 0]
    assert all(each["labels"] == [0, 1] and abs(sum(each["probabilities"]) - 1) < 1e-5 for each in answers)
    assert set(json.loads(trained.answer("good", "application/x-text", "application/json"))) == {"probabilities"}


def test_a_job_goes_on_from_an_earlier_model_and_leaves_the_encoder_as_it_is(
    trained: Trained, left: Channel, tmp_path: Path
) -> None:
    data = {"training": Channel({"data.csv": ROWS}), "model": left}
    given = {"epochs": 2, "train_only_on_top_layer": "True", "optimizer": "adamw"}
    more = harness.train("text_classification", tmp_path, given, data)
    assert more.exit_code == 0, more.log
    assert "770 of 22,566,146 weights are fine-tuned" in more.log
    assert more.metrics["validation:accuracy"][0] > 0.9
    before, after = weights(trained), weights(more)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {"top.weight", "top.bias"}


@pytest.mark.parametrize(
    ("name", "rows", "said"),
    [
        ("text_classification", "0,a\n2,b\n", "has the class 2 in its first column; the model's classes are 0, 1"),
        ("sentence_pair_classification", "0,a,b\n1,c,d\n", "not one of sentence_pair_classification"),
    ],
    ids=["classes", "kind"],
)
def test_a_model_of_other_classes_or_of_another_kind_is_refused(
    left: Channel, tmp_path: Path, name: str, rows: str, said: str
) -> None:
    data = {"training": Channel({"data.csv": rows}), "model": left}
    refused = harness.train(name, tmp_path, {}, data)
    assert refused.exit_code == 2
    assert said in refused.failure


def test_a_classification_layer_that_is_not_there_cannot_be_kept(tmp_path: Path) -> None:
    data = {"training": Channel({"data.csv": ROWS})}
    refused = harness.train("text_classification", tmp_path, {"reinitialize_top_layer": "False"}, data)
    assert refused.failure.startswith("ClientError: reinitialize_top_layer is False, and there is no")


def test_a_request_that_is_no_text_is_refused(trained: Trained) -> None:
    for body, kind, said in (
        (b"\xff", "application/x-text", "it is not UTF-8 text"),
        (b" ", "application/x-text", "the text is empty"),
        (b"a", "text/csv", "Content-type text/csv is not supported"),
    ):
        refused = trained.ask(body, kind)
        assert refused.returncode == 2
        assert said in refused.stderr.decode()


def test_a_job_that_is_stopped_leaves_a_model_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    data = {"training": Channel({"data.csv": ROWS})}
    harness.prepare(tmp_path, {"epochs": 60, "train_only_on_top_layer": "True"}, data, "algo-1", ["algo-1"])
    (tmp_path / "checkpoints").mkdir()
    process = harness.start("text_classification", tmp_path)
    harness.stop_once(process, "val_accuracy=")
    stopped = harness.finish("text_classification", tmp_path, process)
    assert stopped.exit_code == 0, stopped.log
    assert stopped.answer("fine", "application/x-text")
    again = harness.finish("text_classification", tmp_path, harness.start("text_classification", tmp_path))
    assert again.exit_code == 0, again.log
    assert "Resuming from the checkpoint after " in again.log
    assert len(again.metrics["validation:accuracy"]) < 60


def test_a_job_that_is_stopped_before_it_has_read_all_texts_learns_nothing_from_them() -> None:
    assert harness.program("text_classification", "stopped_texts.py") == []


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("jumpstart.json", b"[]", "jumpstart.json of the channel 'model' does not say a model_id"),
        ("tokenizer.json", b"{}", "tokenizer.json is not one"),
    ],
    ids=["jumpstart", "tokenizer"],
)
def test_an_archive_with_a_broken_file_is_refused(
    trained: Trained, tmp_path: Path, file: str, content: bytes, said: str
) -> None:
    whole = file == "tokenizer.json"
    files = {each.name: each.read_bytes() for each in (trained.root / "model").iterdir()} if whole else {}
    data = {
        "training": Channel({"data.csv": ROWS}),
        "model": Channel(files | {file: content}, MODEL_TYPE),
    }
    refused = harness.train("text_classification", tmp_path, {}, data)
    assert refused.exit_code == 2, refused.log
    assert said in refused.failure


def test_pairs_of_sentences_are_told_by_what_they_have_to_do_with_each_other(tmp_path: Path) -> None:
    things = ("the cat sleeps", "rain is falling", "bread is baked", "ships sail", "the piano plays", "wolves hunt")
    others = (
        "a cat is asleep",
        "it rains",
        "a loaf in the oven",
        "a boat at sea",
        "music is heard",
        "a wolf in the wood",
    )
    pairs = [(int(a == b), things[a], others[b]) for a in range(6) for b in (a, a, (a + 1) % 6, (a + 3) % 6)]
    rows = "".join(f"{label},{one},{other}\n" for label, one, other in pairs * 2)
    data = {"training": Channel({"data.csv": rows})}
    given = {
        "epochs": 5,
        "batch-size": "8",
        "adam-learning-rate": "0.001",
        "sagemaker_program": '"transfer_learning.py"',
    }
    trained = harness.train("sentence_pair_classification", tmp_path, given, data)
    assert trained.exit_code == 0, trained.log
    assert trained.metrics["eval_accuracy"][-1] > 0.8
    assert trained.metrics["eval_accuracy"] == trained.metrics["val_accuracy"]
    said = json.loads(
        trained.answer('["ships sail", "a boat at sea"]', "application/list-text", "application/json;verbose")
    )
    assert said["predicted_label"] == 1
    refused = trained.ask('["one alone"]', "application/list-text")
    assert "a request is a list of two sentences" in refused.stderr.decode()
