"""Sequence-to-Sequence against a plain recurrent network of PyTorch: the same sizes, data and batches."""

import json
import random
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.algorithms import Row
from sagesmith.algorithms.data import protobuf, recordio
from sagesmith.algorithms.seq2seq.bleu import bleu
from tests.algorithms import harness

_BARE = Path(__file__).parents[1] / "peers" / "translation.py"
_TRAIN, _VALIDATION, _TEST = 1500, 200, 300
_SIGNS = ("<pad>", "<unk>", "<s>", "</s>")
_EMBEDDED, _HIDDEN, _BATCH, _EPOCHS, _RATE = 64, 128, 32, 12, 0.002
_HYPERPARAMETERS = {
    "num_embed_source": _EMBEDDED,
    "num_embed_target": _EMBEDDED,
    "rnn_num_hidden": _HIDDEN,
    "rnn_cell_type": "gru",
    "rnn_attention_type": "dot",
    "batch_size": _BATCH,
    "learning_rate": _RATE,
    "max_num_epochs": _EPOCHS,
    "checkpoint_frequency_num_batches": 100,
}
# Nouns with their gender, adjectives, verbs and prepositions of a language that is made up, beside English ones.
_FIRST, _OTHERS = ("dog", "cat", "house", "tree", "man", "child"), ("bird", "star", "river", "road", "king", "ship")
_NOUNS = {name: (f"{name[::-1]}o", number % 3) for number, name in enumerate(_FIRST)}
_NOUNS |= {name: (f"{name[::-1]}u", number % 3) for number, name in enumerate(_OTHERS)}
_ADJECTIVES = {name: f"{name[1:]}i" for name in ["big", "small", "red", "old", "green", "young", "quick", "dark"]}
_VERBS = {name: f"{name[-1]}{name}" for name in ["see", "follow", "like", "fear", "paint", "find"]}
_PREPOSITIONS = {"near": "ne", "behind": "beh", "with": "wi", "under": "un"}
_ENDINGS = ("a", "e", "y")

Pair = tuple[list[str], list[str]]


def quality() -> Iterator[Row]:
    """BLEU of sentences that were kept apart, and the share of them that is right in every word."""
    pairs = _pairs(_TRAIN + _VALIDATION + _TEST)
    train, rest = pairs[:_TRAIN], pairs[_TRAIN:]
    validation, test = rest[:_VALIDATION], rest[_VALIDATION:]
    sides = [
        {sign: at for at, sign in enumerate((*_SIGNS, *sorted({*chain(*(pair[side] for pair in pairs))})))}
        for side in (0, 1)
    ]
    wanted = [target for _, target in test]
    with tempfile.TemporaryDirectory() as folder:
        ours = _ours(Path(folder), train, validation, test, sides)
        theirs = _bare(Path(folder), train, validation, test, sides)
    label = "PyTorch GRU with attention"
    numbers = [[[sides[1][word] for word in target] for target in found] for found in (ours, theirs, wanted)]
    scores = [bleu(found, numbers[2]) for found in numbers[:2]]
    yield Row("seq2seq", "1,500 generated sentences", "BLEU", scores[0], scores[1], label)
    right = [sum(one == two for one, two in zip(found, wanted, strict=True)) / len(wanted) for found in (ours, theirs)]
    yield Row("seq2seq", "1,500 generated sentences", "share of sentences", right[0], right[1], label)


def _ours(folder: Path, train: list[Pair], validation: list[Pair], test: list[Pair], sides: Any) -> list[list[str]]:
    files = {name: json.dumps(words) for name, words in zip(("vocab.src.json", "vocab.trg.json"), sides, strict=True)}
    channels = {
        "train": harness.Channel({"train.rec": _records(train, sides)}),
        "validation": harness.Channel({"val.rec": _records(validation, sides)}),
        "vocab": harness.Channel(files),
    }
    trained = harness.train("seq2seq", folder / "ours", _HYPERPARAMETERS, channels)
    assert trained.exit_code == 0, trained.log
    request = json.dumps({"instances": [{"data": " ".join(source)} for source, _ in test]})
    answer = json.loads(trained.answer(request, "application/json"))
    return [each["target"].split() for each in answer["predictions"]]


def _bare(folder: Path, train: list[Pair], validation: list[Pair], test: list[Pair], sides: Any) -> list[list[str]]:
    parts = [[_numbers(pair, sides) for pair in part] for part in (train, validation, test)]
    options = [*map(len, sides), _EMBEDDED, _HIDDEN, _BATCH, _EPOCHS, _RATE]
    (folder / "pairs.json").write_text(json.dumps(parts))
    command = [harness.python("seq2seq"), str(_BARE), str(folder / "pairs.json"), *map(str, options)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    words = {number: word for word, number in sides[1].items()}
    return [[words[number] for number in target] for target in json.loads(said)]


def _numbers(pair: Pair, sides: Any) -> list[list[int]]:
    return [[sides[side][word] for word in pair[side]] for side in (0, 1)]


def _records(pairs: list[Pair], sides: Any) -> bytes:
    return recordio.write(
        protobuf.write({name: np.array(each, np.int32) for name, each in zip(("source", "target"), found, strict=True)})
        for found in (_numbers(pair, sides) for pair in pairs)
    )


def _pairs(count: int) -> list[Pair]:
    """Sentences and what they are in a language with the verb at the end, adjectives behind nouns, and genders."""
    chance = random.Random(0)
    found: dict[str, Pair] = {}
    while len(found) < count:
        verb, plural = chance.choice(sorted(_VERBS)), chance.random() < 0.5
        subject, object_ = _phrase(chance, plural), _phrase(chance, chance.random() < 0.5)
        english = [*subject[0], verb if plural else f"{verb}s", *object_[0]]
        found[" ".join(english)] = english, [*subject[1], *object_[1], _VERBS[verb] + ("n" if plural else "t")]
    return list(found.values())


def _phrase(chance: random.Random, plural: bool) -> Pair:
    noun = chance.choice(sorted(_NOUNS))
    other, gender = _NOUNS[noun]
    adjectives = chance.sample(sorted(_ADJECTIVES), chance.choice((0, 1, 1, 2)))
    ending = _ENDINGS[gender] + ("s" if plural else "")
    english = [chance.choice(("the", "some" if plural else "a")), *adjectives, f"{noun}s" if plural else noun]
    target = [("l" if english[0] == "the" else "un") + ending, other + ("r" if plural else "")]
    target += [_ADJECTIVES[each] + ending for each in reversed(adjectives)]
    if chance.random() < 0.3:
        name, inner = chance.choice(sorted(_PREPOSITIONS)), chance.choice(sorted(_NOUNS))
        english += [name, "the", inner]
        target = [f"l{_ENDINGS[_NOUNS[inner][1]]}", _NOUNS[inner][0], _PREPOSITIONS[name], *target]
    return english, target
