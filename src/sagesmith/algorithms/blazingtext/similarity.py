"""How far the similarities of words' vectors go with people's ratings."""

from importlib import resources
from typing import Any

import numpy as np

from sagesmith.algorithms.blazingtext.model import Words

NAME = "EN-WS-353-ALL.txt"


def pairs() -> list[tuple[str, str, float]]:
    """WordSimilarity-353."""
    text = resources.files("sagesmith.algorithms.blazingtext").joinpath("wordsim353.tsv").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    return [(first, second, float(rating)) for first, second, rating in rows]


def evaluate(words: Words) -> dict[str, Any]:
    """Spearman's rank correlation, of the pairs whose words are both known.

    Words are looked up in lower case where they are not known as they stand.
    """
    from scipy.stats import spearmanr

    places = {word: place for place, word in enumerate(words.words)}
    found: list[tuple[int, int, float]] = []
    rated = pairs()
    for first, second, rating in rated:
        places_of = [places.get(word, places.get(word.lower())) for word in (first, second)]
        if places_of[0] is not None and places_of[1] is not None:
            found.append((places_of[0], places_of[1], rating))
    rho = None
    if len(found) > 2:
        left, right = (words.vectors[[pair[side] for pair in found]].astype(np.float64) for side in (0, 1))
        norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        cosines = (left * right).sum(axis=1) / np.maximum(norms, 1e-12)
        value = float(spearmanr(cosines, [rating for _, _, rating in found]).statistic)
        rho = value if np.isfinite(value) else None
    return {"not_found": len(rated) - len(found), "spearmans_rho": rho, "total_pairs": len(rated)}
