"""BLEU, of a corpus and without smoothing.

Source: Papineni, Roukos, Ward, Zhu: BLEU: a Method for Automatic Evaluation of Machine Translation, ACL 2002.
"""

import math
from collections import Counter
from collections.abc import Sequence

_ORDER = 4


def bleu(found: Sequence[Sequence[int]], wanted: Sequence[Sequence[int]]) -> float:
    """How well targets go with what was wanted, from 0 to 1."""
    right, total = [0] * _ORDER, [0] * _ORDER
    for ours, reference in zip(found, wanted, strict=True):
        for order in range(1, _ORDER + 1):
            have, want = _grams(ours, order), _grams(reference, order)
            right[order - 1] += sum(min(count, want[gram]) for gram, count in have.items())
            total[order - 1] += max(len(ours) - order + 1, 0)
    # Orders that no target is long enough for say nothing.
    used = [(a, b) for a, b in zip(right, total, strict=True) if b]
    if not used or not all(a for a, _ in used):
        return 0.0
    precision = math.exp(sum(math.log(a / b) for a, b in used) / len(used))
    ours_length, length = sum(map(len, found)), sum(map(len, wanted))
    return precision * min(1.0, math.exp(1 - length / ours_length))


def _grams(tokens: Sequence[int], order: int) -> "Counter[tuple[int, ...]]":
    return Counter(tuple(tokens[start : start + order]) for start in range(len(tokens) - order + 1))
