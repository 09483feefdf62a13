"""K-Nearest Neighbors' hyperparameters and projections."""

import numpy as np
import pytest

from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.knn import projection
from sagesmith.algorithms.knn.declaration import ALGORITHM

REQUIRED = {"feature_dim": "20", "k": "3", "predictor_type": "classifier", "sample_size": "100"}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"dimension_reduction_type": "sign"}, "dimension_reduction_target"),
        ({"dimension_reduction_type": "sign", "dimension_reduction_target": "20"}, "less than 'feature_dim' (20)"),
        (
            {"index_type": "faiss.IVFPQ", "faiss_index_pq_m": "4", "index_metric": "COSINE"},
            "COSINE is not supported",
        ),
        ({"index_type": "faiss.IVFPQ"}, "faiss_index_pq_m"),
        ({"k": "101"}, "'k' (101) must not be greater than 'sample_size' (100)"),
        ({"faiss_index_pq_m": "5"}, "'5' is not one of"),
        ({"predictor_type": "rank"}, "is not one of"),
    ],
)
def test_hyperparameters_that_do_not_go_together_are_refused(given: dict[str, str], named: str) -> None:
    with pytest.raises(CustomerError) as raised:
        ALGORITHM.schema.read(REQUIRED | given)
    assert named in str(raised.value)


@pytest.mark.parametrize("kind", ["sign", "fjlt"])
def test_a_projection_keeps_distances_roughly(kind: str) -> None:
    rows = np.random.default_rng(0).normal(size=(50, 500)).astype(np.float32)
    projected = rows @ projection.matrix(kind, 500, 200)
    before = np.linalg.norm(rows[:, None] - rows[None], axis=2)[np.triu_indices(50, 1)]
    after = np.linalg.norm(projected[:, None] - projected[None], axis=2)[np.triu_indices(50, 1)]
    assert abs(np.mean(after / before) - 1) < 0.05
    assert np.std(after / before) < 0.1


def test_the_fast_transform_is_orthogonal_before_coordinates_are_chosen() -> None:
    matrix = projection.matrix("fjlt", 16, 16)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(16), atol=1e-6)
