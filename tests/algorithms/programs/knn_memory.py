"""Writes how much memory a request of many short rows takes from a model of many classes, as JSON."""

import json
import resource

import numpy as np

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.knn import index
from sagesmith.algorithms.knn.model import Neighbours, Space

ROWS, CLASSES = 200_000, 1000
rows = np.arange(CLASSES, dtype=np.float32)[:, None]
built = index.build(rows, "faiss.Flat", "L2", "auto", 1)
model = Neighbours.of(Space(1, 1, None, "L2"), built, 3, rows[:, 0], classifier=True)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
answers = model.predict(Batch(np.zeros((ROWS, 1), np.float32)))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"labels": len(answers), "grown_bytes": (after - before) * 1024}))
