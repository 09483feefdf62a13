"""Sequence-to-Sequence as its image runs it."""

import io
import json
import random
import re
from pathlib import Path

import numpy as np
import pytest

from sagesmith.algorithms.data import protobuf, recordio
from tests.algorithms.harness import Channel, Trained, finish, prepare, program, start, stop_once, train

JSON, LINES, RECORDIO = "application/json", "application/jsonlines", "application/x-recordio-protobuf"
SIGNS = {"<pad>": 0, "<unk>": 1, "<s>": 2, "</s>": 3}
ENGLISH = SIGNS | {word: 4 + place for place, word in enumerate(["one", "two", "three", "four", "five"])}
FRENCH = SIGNS | {word: 4 + place for place, word in enumerate(["cinq", "quatre", "trois", "deux", "un"])}
TINY = {
    "num_embed_source": 16,
    "num_embed_target": 16,
    "rnn_num_hidden": 32,
    "cnn_num_hidden": 32,
    "learning_rate": 0.01,
    "batch_size": 32,
    "max_seq_len_source": 8,
    "max_seq_len_target": 8,
    "checkpoint_frequency_num_batches": 100,
}


def records(count: int, seed: int = 0) -> bytes:
    """Sources of two to five words, and the same words in the other language."""
    choose = random.Random(seed)
    found = []
    for _ in range(count):
        source = [choose.randrange(4, 9) for _ in range(choose.randint(2, 5))]
        target = [12 - token for token in source]
        features = {"source": np.array(source, np.int32), "target": np.array(target, np.int32)}
        found.append(protobuf.write(features))
    return recordio.write(found)


def channels(train: bytes | None = None) -> dict[str, Channel]:
    vocabularies = {"vocab.src.json": json.dumps(ENGLISH), "vocab.trg.json": json.dumps(FRENCH)}
    return {
        "train": Channel({"train.rec": records(800) if train is None else train}),
        "validation": Channel({"val.rec": records(100, 1)}),
        "vocab": Channel(vocabularies),
    }


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    given = TINY | {"max_num_batches": 300, "optimized_metric": "bleu", "bleu_sample_size": 30}
    return train("seq2seq", tmp_path_factory.mktemp("translator"), given, channels())


def test_words_are_translated_that_were_learned(translator: Trained) -> None:
    assert translator.exit_code == 0, translator.log
    assert len(translator.metrics["validation:bleu"]) == 3
    assert max(translator.metrics["validation:bleu"]) > 0.9
    assert translator.metrics["validation:perplexity"][-1] < translator.metrics["validation:perplexity"][0]
    request = {"instances": [{"data": "one two"}, {"data": "five five four"}, {"data": "three one two four"}]}
    answer = json.loads(translator.answer(json.dumps(request), JSON))
    texts = ["un deux", "cinq cinq quatre", "trois un deux quatre"]
    assert answer == {"predictions": [{"target": text} for text in texts]}


def test_the_attention_is_shown_to_whom_asks_for_it(translator: Trained) -> None:
    asked = {"data": "one two three", "configuration": {"attention_matrix": "true"}}
    request = {"instances": [asked, {"data": "four one two three five"}]}
    answer = json.loads(translator.answer(json.dumps(request), JSON))["predictions"]
    matrix = np.array(answer[0]["matrix"])
    assert matrix.shape == (len(answer[0]["target"].split()), 3)
    assert matrix.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert "matrix" not in answer[1]


def test_lines_and_records_get_the_same_answers(translator: Trained) -> None:
    lines = translator.answer('{"source": "two one"}\n{"source": "three unheard"}\n', LINES).splitlines()
    targets = [json.loads(line)["target"] for line in lines]
    assert targets[0] == "deux un"
    sources = [[5, 4], [6, 1]]
    body = recordio.write(protobuf.write({"source": np.array(each, np.int32)}) for each in sources)
    found = next(recordio.frames(io.BytesIO(_answer(translator, body)), "the answer"))
    tensors = protobuf.read(found.buffer, found.starts, found.ends).features["target"]
    words = {number: word for word, number in FRENCH.items()}
    assert [words[number] for number in tensors.values] == " ".join(targets).split()
    assert tensors.counts.tolist() == [len(target.split()) for target in targets]


def test_networks_of_every_kind_learn_and_answer_each_source_by_itself() -> None:
    for kind, seen in program("seq2seq", "seq2seq_rows.py").items():
        assert seen["last"] < 0.8 * seen["first"], kind
        assert seen["same"], kind
        assert seen["difference"] < 1e-5, kind


def test_a_job_goes_on_from_its_checkpoint_as_if_nothing_had_happened(tmp_path: Path) -> None:
    given = TINY | {"checkpoint_frequency_num_batches": 10, "max_num_batches": 40, "embed_dropout_source": 0.2}
    whole = train("seq2seq", tmp_path / "whole", given, channels())
    assert whole.exit_code == 0, whole.log
    root = tmp_path / "parts"
    (root / "checkpoints").mkdir(parents=True)
    train("seq2seq", root, given | {"max_num_batches": 20}, channels())
    prepare(root, given, channels(), "algo-1", ["algo-1"])
    second = finish("seq2seq", root, start("seq2seq", root))
    assert "Resuming from the checkpoint after 20 batches" in second.log
    expected = whole.metrics["validation:perplexity"][2:]
    assert second.metrics["validation:perplexity"] == pytest.approx(expected, rel=1e-4)
    prepare(root, given, channels(), "algo-1", ["algo-1"])
    third = finish("seq2seq", root, start("seq2seq", root))
    assert third.exit_code == 0, third.log
    assert "validation:perplexity" not in third.metrics


def test_a_job_that_is_stopped_keeps_its_best_weights(tmp_path: Path) -> None:
    given = TINY | {"checkpoint_frequency_num_batches": 50, "max_num_epochs": 10_000}
    (tmp_path / "checkpoints").mkdir()
    prepare(tmp_path, given, channels(), "algo-1", ["algo-1"])
    process = start("seq2seq", tmp_path)
    stop_once(process, "Validation-perplexity")
    stopped = finish("seq2seq", tmp_path, process)
    assert stopped.exit_code == 0, stopped.log
    assert (tmp_path / "model" / "weights.npz").is_file()
    prepare(tmp_path, TINY | {"max_num_batches": 1}, channels(), "algo-1", ["algo-1"])
    again = finish("seq2seq", tmp_path, start("seq2seq", tmp_path))
    batches = re.search(r"Resuming from the checkpoint after (\d+) batches", again.log)
    assert batches, again.log
    # Those after the last look at the validation data too.
    assert int(batches[1]) > 50 * stopped.log.count("Validation-perplexity")


def test_an_artifact_of_another_algorithm_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "seq2seq.json").write_text('{"time_freq": "D"}')
    ended = Trained("seq2seq", tmp_path, 0, "", "").ask('{"instances": []}', JSON)
    assert ended.returncode == 2
    assert b"The model artifact is not one of Sequence-to-Sequence: seq2seq.json" in ended.stderr


def test_what_cannot_be_learned_from_ends_the_job(tmp_path: Path) -> None:
    trained = train("seq2seq", tmp_path, TINY, channels(records(5)[:-3]))
    assert trained.exit_code == 2
    assert trained.failure.startswith("ClientError: Unable to read data in file train/train.rec, record 5")


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        ('{"instances": [{"source": "one"}]}', JSON, "'data' must be a text of one token or more (instance 0)"),
        ('{"source": " "}', LINES, "'source' must be a text of one token or more (line 1)"),
        ("one two", RECORDIO, "magic number"),
    ],
)
def test_requests_that_are_none_are_refused(translator: Trained, body: str, content_type: str, message: str) -> None:
    ended = translator.ask(body, content_type)
    assert ended.returncode == 2
    assert message in ended.stderr.decode()


def _answer(trained: Trained, body: bytes) -> bytes:
    return trained.answer(body, RECORDIO)
