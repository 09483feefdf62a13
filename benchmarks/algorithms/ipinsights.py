"""IP Insights on logins that are made as in AWS's notebook, against how often networks are seen.

Source: https://github.com/aws/amazon-sagemaker-examples (introduction_to_amazon_algorithms/ipinsights_login): each
person logs in from a few networks of an autonomous system, and sometimes from anywhere.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.algorithms import Row
from tests.algorithms import harness
from tests.algorithms.harness import Channel

_PEOPLE, _SYSTEMS, _EACH = 1000, 60, 40
_GIVEN = {
    "num_entity_vectors": 2 * _PEOPLE,
    "vector_dim": 64,
    "epochs": 20,
    "learning_rate": 0.01,
    "mini_batch_size": 1000,
    "num_ip_encoder_layers": 2,
}


def quality() -> Iterator[Row]:
    """How well a person's own logins are told from addresses of other people, and from random ones."""
    random = np.random.default_rng(0)
    people, addresses = _logins(random)
    cut = len(people) * 9 // 10
    asked, own = people[cut:], addresses[cut:]
    others = random.permutation(own)
    anywhere = random.integers(0, 1 << 32, len(own))
    with tempfile.TemporaryDirectory() as folder:
        channel = Channel({"logins.csv": _csv(people[:cut], addresses[:cut])}, "text/csv")
        trained = harness.train("ipinsights", Path(folder), _GIVEN, {"train": channel})
        assert trained.exit_code == 0, trained.log

        def ours(chosen: Any) -> Any:
            answer = json.loads(trained.answer(_csv(asked, chosen), "text/csv", "application/json"))
            return np.array([each["dot_product"] for each in answer["predictions"]])

        seen = Counter((addresses[:cut] >> 16).tolist())
        pairs = Counter(zip(people[:cut].tolist(), (addresses[:cut] >> 16).tolist(), strict=True))

        def popular(chosen: Any) -> Any:
            return np.array([seen[each] for each in (chosen >> 16).tolist()], float)

        def counted(chosen: Any) -> Any:
            networks = (chosen >> 16).tolist()
            of_pairs = [pairs[each] for each in zip(asked.tolist(), networks, strict=True)]
            return np.array(of_pairs) + 0.01 * popular(chosen) / len(people)

        references: tuple[tuple[str, Callable[[Any], Any]], ...] = (
            ("how often the network is seen", popular),
            ("how often the person is seen in the network", counted),
        )
        for name, strange in (("another person's addresses", others), ("random addresses", anywhere)):
            found = _area(ours(own), ours(strange))
            for reference, score in references:
                against = _area(score(own), score(strange))
                data = f"{len(people):,} generated logins, {name}"
                yield Row("ipinsights", data, "area under the ROC curve", found, against, reference)


def _logins(random: Any) -> tuple[Any, Any]:
    """Who logs in from where, in random order: from two networks of a system of one's own, and rarely from anywhere."""
    networks = random.integers(0, 1 << 16, (_SYSTEMS, 8))
    system = random.choice(_SYSTEMS, _PEOPLE, p=random.dirichlet(np.ones(_SYSTEMS)))
    own = random.integers(0, 8, (_PEOPLE, 2))
    people = random.permutation(np.repeat(np.arange(_PEOPLE), _EACH))
    chosen = networks[system[people], own[people, random.integers(0, 2, len(people))]]
    stray = random.random(len(people)) < 0.02
    chosen = np.where(stray, random.integers(0, 1 << 16, len(people)), chosen)
    return people, (chosen << 16) + random.integers(0, 1 << 16, len(people))


def _csv(people: Any, addresses: Any) -> str:
    parts = [(addresses >> shift & 255).tolist() for shift in (24, 16, 8, 0)]
    return "".join(
        f"user_{person},{a}.{b}.{c}.{d}\n" for person, a, b, c, d in zip(people.tolist(), *parts, strict=True)
    )


def _area(positives: Any, negatives: Any) -> float:
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, "left").sum() + np.searchsorted(ordered, positives, "right").sum()
    return float(below / (2 * len(positives) * len(negatives)))
