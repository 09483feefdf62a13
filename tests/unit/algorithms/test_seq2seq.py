"""Sequence-to-Sequence's hyperparameters, records, vocabularies and BLEU, before any network is made."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from sagesmith.algorithms import catalogue
from sagesmith.algorithms.data import protobuf, recordio
from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.seq2seq import corpus
from sagesmith.algorithms.seq2seq.bleu import bleu

SIZES = {"source": 9, "target": 9}
SIGNS = {"<pad>": 0, "<unk>": 1, "<s>": 2, "</s>": 3}


def record(source: object, target: object) -> bytes:
    return protobuf.write({"source": source, "target": target})


def tokens(*numbers: int) -> object:
    return np.array(numbers, np.int32)


def read(folder: Path, data: bytes, limit: int = 9) -> corpus.Pairs:
    (folder / "train").mkdir()
    (folder / "train" / "a.rec").write_bytes(data)
    source = Source("train", folder / "train", "application/x-recordio-protobuf")
    return corpus.read(source, SIZES, {"source": limit, "target": limit})


def test_pairs_are_cut_off_at_their_limits(tmp_path: Path) -> None:
    records = [record(tokens(4, 5, 6, 7), tokens(8)), record(tokens(5), tokens(4, 5, 6))]
    found = read(tmp_path, recordio.write(records), limit=2)
    assert found.sources.padded(np.array([0, 1]))[0].tolist() == [[4, 5], [5, 0]]
    assert found.targets.padded(np.array([0, 1]))[0].tolist() == [[8, 0], [4, 5]]


def test_words_that_a_vocabulary_does_not_have_are_unknown(tmp_path: Path) -> None:
    path = tmp_path / "vocab.src.json"
    path.write_text(json.dumps(SIGNS | {"one": 4}))
    found = corpus.Vocabulary.read(path)
    assert found.encoded(["one", "two"]) == [4, 1]
    assert found.decoded([4, 1, 77]) == "one <unk> <unk>"
    assert found.size == 5


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (recordio.write([record(tokens(4), tokens(5))] * 2)[:-3], "file train/a.rec, record 2"),
        (b"some text", "does not start with the magic number"),
        (b"", "has no data"),
        (recordio.write([protobuf.write({"values": np.ones(2)})]), "The record has no tokens in its feature 'source'"),
        (recordio.write([record(tokens(4), tokens())]), "The record has no tokens in its feature 'target'"),
        (recordio.write([record(np.ones(2), tokens(4))]), "'source' must be an int32_tensor of tokens"),
        (
            recordio.write([record(tokens(4), tokens(4)), record(tokens(4, 9), tokens(4))]),
            "record 2",
        ),
        (recordio.write([record(tokens(4), tokens(4, 9))]), "'target' has the token 9; the vocabulary's are below 9"),
        (recordio.write([b"\x0a\xff"]), "record 1"),
    ],
)
def test_records_that_are_no_pairs_are_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(CustomerError) as caught:
        read(tmp_path, data)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "There is no vocabulary: vocab.src.json and vocab.trg.json"),
        ("{", "The vocabulary is not JSON"),
        ('["a"]', "must be an object of tokens and numbers"),
        ('{"<pad>": 0, "<s>": 1}', "The vocabulary has no <unk>, </s>"),
    ],
)
def test_vocabularies_that_are_none_are_refused(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "vocab.trg.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(CustomerError) as caught:
        corpus.Vocabulary.read(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rnn_num_hidden": "33"}, "rnn_num_hidden (33) must be even"),
        ({"momentum": "0.9"}, "momentum is of the optimizer sgd, not of adam"),
        ({"rnn_attention_type": "none"}, "'none' is not one of"),
        ({"beam_size": "0"}, "'beam_size'"),
    ],
)
def test_hyperparameters_that_do_not_fit_are_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(CustomerError) as caught:
        catalogue.algorithm("seq2seq").schema.read(given)
    assert message in str(caught.value)


def test_bleu_is_that_of_its_paper() -> None:
    the = [1] * 7
    reference = [1, 2, 3, 4, 1, 5]
    assert bleu([reference], [reference]) == 1
    # The paper's own example: no sequence of two is right.
    assert bleu([the], [reference]) == 0
    found = bleu([[1, 2, 3, 4, 9, 9, 9]], [[1, 2, 3, 4, 5, 6, 7]])
    assert found == pytest.approx((4 / 7 * 3 / 6 * 2 / 5 * 1 / 4) ** 0.25)
    assert bleu([[1, 2, 3, 4]], [[1, 2, 3, 4, 5]]) == pytest.approx(math.exp(1 - 5 / 4))
