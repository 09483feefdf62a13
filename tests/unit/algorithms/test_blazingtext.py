"""BlazingText's text and ratings, before anything is learned."""

import json
from pathlib import Path

import numpy as np
import pytest

from sagesmith.algorithms import catalogue
from sagesmith.algorithms.blazingtext import similarity
from sagesmith.algorithms.blazingtext.corpus import gather
from sagesmith.algorithms.blazingtext.model import Words
from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.errors import CustomerError


def source(folder: Path, files: dict[str, str | bytes], kind: str = "text/plain") -> Source:
    channel = folder / "train"
    channel.mkdir()
    for name, content in files.items():
        (channel / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return Source("train", channel, kind)


def test_one_file_is_read_where_it_lies(tmp_path: Path) -> None:
    given = source(tmp_path, {"a.txt": "__label__1 x\n__label__2 y\nz\n"})
    found, missing = gather(given, tmp_path, labelled=True)
    assert found.path == given.folder / "a.txt"
    assert missing == 1


def test_several_files_are_put_together(tmp_path: Path) -> None:
    found, _ = gather(source(tmp_path, {"b": "three\r\nfour", "a": "one two", ".c": "no"}), tmp_path, labelled=False)
    assert found.path.read_text() == "one two\nthree\nfour\n"


def test_a_manifest_becomes_lines_with_labels(tmp_path: Path) -> None:
    entries = [
        {"source": "a  b\nc", "label": [1, "x y"]},
        {"source": "d", "label": "__label__1"},
        {"source": "e", "label": 2.0},
    ]
    text = "\n".join(map(json.dumps, entries))
    found, _ = gather(source(tmp_path, {"a": text}, "application/jsonlines"), tmp_path, labelled=True)
    assert found.path.read_text() == "__label__1 __label__x_y a b c\n__label__1 d\n__label__2 e\n"


@pytest.mark.parametrize(
    ("files", "kind", "message"),
    [
        ({}, "text/plain", "has no files"),
        ({"a": ""}, "text/plain", "has no text (file train/a)"),
        ({"a": "\n \n"}, "text/plain", "has no text (file train/a)"),
        ({"a": "x\ny\n"}, "text/plain", "No line has a label"),
        ({"a": "__label__1 x\n__label__1 y\n"}, "text/plain", "All lines have the same label, __label__1"),
        ({"a": b"\0\0"}, "text/plain", "is not text: it has zero bytes"),
        ({"a": "{}"}, "application/jsonlines", "(file train/a, line 1)"),
        ({"a": '{"source": 1, "label": 1}'}, "application/jsonlines", "'source' must be text, not 1"),
        ({"a": '{"source": "x", "label": {}}'}, "application/jsonlines", "'label' must be a number or a word"),
    ],
)
def test_text_that_cannot_be_learned_from_is_refused(
    tmp_path: Path, files: dict[str, str | bytes], kind: str, message: str
) -> None:
    with pytest.raises(CustomerError) as caught:
        gather(source(tmp_path, files, kind), tmp_path, labelled=True)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mode": "supervise"}, "'supervise' is not one of"),
        ({"mode": "batch_skipgram", "subwords": "True"}, "subwords are learned by the modes cbow and skipgram"),
        ({"mode": "cbow", "min_char": "7"}, "min_char (7) must not be greater than max_char (6)"),
        ({}, "mode"),
    ],
)
def test_hyperparameters_that_do_not_fit_are_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(CustomerError) as caught:
        catalogue.algorithm("blazingtext").schema.read(given)
    assert message in str(caught.value)


def test_vectors_that_go_with_the_ratings_have_a_rank_correlation_of_one() -> None:
    rated = [("tiger", "cat", 7.35), ("book", "paper", 7.46), ("plane", "car", 5.77), ("king", "queen", 8.58)]
    assert set(rated) <= set(similarity.pairs())
    words, vectors = [], []
    for first, second, rating in rated:
        words += [first, second]
        vectors += [[1.0, 0.0], [rating, 10 - rating]]
    found = similarity.evaluate(Words(words, np.array(vectors, np.float32)))
    assert found == {"not_found": 349 - 1, "spearmans_rho": pytest.approx(1.0), "total_pairs": 353}


def test_too_few_known_words_have_no_correlation() -> None:
    assert similarity.evaluate(Words(["tiger"], np.ones((1, 2), np.float32)))["spearmans_rho"] is None
