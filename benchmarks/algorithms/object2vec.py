"""Object2Vec as a classifier of texts, against scikit-learn's network of the same shape.

The mean of a text's word vectors is a linear layer over the shares of its words.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

from benchmarks.algorithms import Row, _docstrings
from tests.algorithms import harness

_WORDS = 5000
_DIVISIONS = 3
_HYPERPARAMETERS = {
    "enc0_network": "pooled_embedding",
    "enc0_max_seq_len": 40,
    "enc0_vocab_size": _WORDS,
    "enc0_token_embedding_dim": 128,
    "enc1_vocab_size": 2,
    "enc_dim": 128,
    "comparator_list": "concat",
    "mlp_layers": 1,
    "mlp_dim": 128,
    "mlp_activation": "relu",
    "dropout": 0.4,
    "num_classes": len(_docstrings.PACKAGES),
    "learning_rate": 0.002,
    "mini_batch_size": 64,
    "epochs": 30,
    "early_stopping_patience": 5,
}


def quality() -> Iterator[Row]:
    """The share of texts whose package is told, the mean of some divisions of them."""
    pairs = [_accuracies(seed) for seed in range(1, 1 + _DIVISIONS)]
    ours, theirs = (fmean(pair[side] for pair in pairs) for side in (0, 1))
    yield Row("object2vec", "docstrings", "accuracy", ours, theirs, "MLPClassifier on shares of words")


def _accuracies(seed: int) -> tuple[float, float]:
    """Ours and the reference's; a tenth of the training texts is there to stop by."""
    train, test = _docstrings.texts(seed)
    words = Counter(word for _, text in train for word in text.split()).most_common(_WORDS - 1)
    numbers = {word: number for number, (word, _) in enumerate(words, 1)}
    cut = len(train) * 9 // 10
    parts = {"train": train[:cut], "validation": train[cut:], "test": test}
    with tempfile.TemporaryDirectory() as folder:
        channels = {name: harness.Channel({"a": _lines(texts, numbers)}) for name, texts in parts.items()}
        trained = harness.train("object2vec", Path(folder), _HYPERPARAMETERS, channels)
    return trained.metrics["test:accuracy"][-1], _network(train, test, seed)


def _network(train: list[tuple[str, str]], test: list[tuple[str, str]], seed: int) -> float:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    model = make_pipeline(
        CountVectorizer(max_features=_WORDS),
        Normalizer("l1"),
        MLPClassifier((128, 128, 128), early_stopping=True, n_iter_no_change=5, max_iter=30, random_state=seed),
    )
    model.fit([text for _, text in train], [label for label, _ in train])
    return float(model.score([text for _, text in test], [label for label, _ in test]))


def _lines(texts: list[tuple[str, str]], numbers: dict[str, int]) -> str:
    rows = (
        {
            "label": _docstrings.PACKAGES.index(label),
            # What is no word of the vocabulary is left out, as the reference's vectorizer does.
            "in0": [numbers[word] for word in text.split() if word in numbers] or [0],
            "in1": [0],
        }
        for label, text in texts
    )
    return "".join(json.dumps(row) + "\n" for row in rows)
