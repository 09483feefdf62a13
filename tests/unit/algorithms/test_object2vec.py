"""Object2Vec's hyperparameters and pairs, before any network is made."""

from pathlib import Path

import numpy as np
import pytest

from sagesmith.algorithms import catalogue
from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.object2vec import pairs
from sagesmith.algorithms.sequences import Sequences, orders, together

VALUES = {
    "output_layer": "softmax",
    "num_classes": 2,
    "enc0_vocab_size": 40,
    "enc1_vocab_size": 40,
    "enc0_max_seq_len": 3,
    "enc1_max_seq_len": 2,
}
REQUIRED = {"enc0_max_seq_len": "3", "enc0_vocab_size": "40"}


def read(folder: Path, text: str, **values: object) -> pairs.Pairs:
    (folder / "train").mkdir()
    (folder / "train" / "a.jsonl").write_text(text)
    return pairs.read(Source("train", folder / "train", "application/jsonlines"), VALUES | values)


def test_pairs_are_cut_off_and_padded(tmp_path: Path) -> None:
    text = '{"label": 1, "in0": [1, 2, 3, 4], "in1": [5]}\n\n{"in1": [6, 7, 8], "label": 0.0, "in0": [9]}'
    found = read(tmp_path, text)
    assert found.labels.tolist() == [1, 0]
    assert found.lengths.tolist() == [3, 2]
    tokens, lengths = found.inputs[0].padded(np.array([1, 0]))
    assert tokens.tolist() == [[9, 0, 0], [1, 2, 3]]
    assert lengths.tolist() == [1, 3]
    assert found.inputs[1].padded(np.array([1]))[0].tolist() == [[6, 7]]


def test_batches_in_buckets_are_of_about_the_same_length() -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(1, 100, 1000)
    batches = list(orders(lengths, 10, 5, random))
    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    spans = [np.ptp(lengths[rows]) for rows in batches]
    assert np.mean(np.array(spans) < 10) > 0.95
    assert batches[0].tolist() != next(orders(lengths, 10, 5, random)).tolist()


def test_lists_of_no_tokens_are_none() -> None:
    assert len(Sequences.listed([], 5)) == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"label": 1, "in0": [1], "in1": [2]}\n{"label"', "(file train/a.jsonl, line 2)"),
        ("[1]", "must be an object with label, in0 and in1 (file train/a.jsonl, line 1)"),
        ('{"label": 0.5, "in0": [1], "in1": [2]}', "'label' must be a class from 0 to 1 (num_classes): 0.5"),
        ('{"label": NaN, "in0": [1], "in1": [2]}', "'label' must be a number: NaN (file train/a.jsonl, line 1)"),
        ('{"in0": [1], "in1": [2]}', "'label' must be a number: null"),
        ('{"label": 1, "in0": [], "in1": [2]}', "'in0' must be a list of tokens, at least one"),
        ('{"label": 1, "in0": [1], "in1": [2, 40]}', "(file train/a.jsonl, line 1, token 1)"),
        ('{"label": 1, "in0": ["a"], "in1": [2]}', "'in0' has a token that is no integer"),
        ("\n", "has no data"),
    ],
)
def test_lines_that_are_no_pairs_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CustomerError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"comparator_list": "hadamard, sum"}, "'sum' is not one of"),
        ({"token_embedding_storage_type": "row_sparse", "optimizer": "rmsprop"}, "not rmsprop"),
        ({"enc0_vocab_size": "1"}, "'enc0_vocab_size'"),
        ({"enc1_vocab_file": "a.json"}, "enc1_pretrained_embedding_file and enc1_vocab_file need each other"),
        ({"enc0_vocab_file": "../a"}, "does not match"),
        ({"tied_token_embedding_weight": "True", "enc1_vocab_size": "9"}, "the same vocab_size"),
    ],
)
def test_hyperparameters_that_do_not_fit_are_refused(given: dict[str, str], message: str) -> None:
    with pytest.raises(CustomerError) as caught:
        catalogue.algorithm("object2vec").schema.read(REQUIRED | given)
    assert message in str(caught.value)


def test_one_long_sequence_makes_no_long_ones_of_the_others() -> None:
    lengths = [3, 5000, *[1] * 300, 9000, 2]
    groups = list(together(lengths, 256, 8192))
    assert sorted(place for group in groups for place in group) == list(range(len(lengths)))
    assert all(len(group) <= 256 for group in groups)
    assert all(len(group) == 1 or len(group) * max(lengths[place] for place in group) <= 8192 for group in groups)
    assert [lengths[place] for place in groups[-1]] == [9000]
