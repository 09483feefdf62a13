"""Writes by how much a state that merges with one that had no documents differs from what it was, as JSON."""

import json

import numpy as np

from sagesmith.algorithms import catalogue
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.ntm.state import Learner

VALUES = catalogue.algorithm("ntm").schema.read({"feature_dim": "20", "num_topics": "3"})
DOCUMENTS = Batch(np.random.default_rng(0).poisson(1, (50, 20)).astype(np.float32))


def difference(first: bool) -> float:
    learned, idle = Learner(VALUES, 0), Learner(VALUES, 1)
    learned.update(DOCUMENTS)
    before = learned.arrays()
    merged, other = (learned, idle) if first else (idle, learned)
    merged.merge([other])
    after = merged.arrays()
    return max(float(np.abs(np.asarray(after[name]) - np.asarray(before[name])).max()) for name in before)


print(json.dumps([difference(True), difference(False)]))
