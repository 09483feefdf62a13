"""NTM's model."""

import tracemalloc

import numpy as np
from scipy import sparse

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.ntm.model import Topics


def test_a_request_of_many_short_documents_takes_no_more_memory_than_some() -> None:
    rng = np.random.default_rng(0)
    sizes = ((10, 3000), (3000, 2), (2, 2))
    layers = tuple((rng.normal(size=size), np.zeros(size[1])) for size in sizes)
    model = Topics(layers, "sigmoid", np.full((2, 10), 0.1))
    batch = Batch(sparse.csr_matrix(np.eye(10, dtype=np.float32)[np.arange(20_000) % 10]))
    tracemalloc.start()
    try:
        answers = model.predict(batch)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The first layer of all at once would take 480 MB several times.
    assert most < 150 << 20
    assert answers[:10] == answers[10_000:10_010]
