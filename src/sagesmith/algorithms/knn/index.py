"""Faiss indexes of AWS's kinds."""

import math
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from sagesmith.algorithms.errors import BadRequest, CustomerError
from sagesmith.algorithms.knn.declaration import FLAT, IVF_PQ

LEAST_PROBES = 16
PROBED_SHARE = 8
# Faiss multiplies matrices from so many queries on, and rounds otherwise then: a row's answer would depend on the
# number of rows of its request.
faiss.cvar.distance_compute_blas_threshold = 1 << 30
# K-Means of an inverted file's centroids: that many rows each are enough, and fewer are no reason to say so.
_ROWS_PER_CENTROID = 256
_BITS = 8


def build(rows: Any, kind: str, metric: str, lists: int | str, parts: int) -> Any:
    """An index of rows, which it numbers from 0.

    Args:
        rows: float32, of shape (rows, columns); for cosine similarity of length 1.
        lists: the number of centroids, `auto` for the square root of the number of rows.
        parts: of a product quantizer; divides the number of columns.

    Raises:
        CustomerError: there are fewer rows than centroids.
    """
    columns = rows.shape[1]
    measure = faiss.METRIC_L2 if metric == "L2" else faiss.METRIC_INNER_PRODUCT
    if kind == FLAT:
        index = faiss.IndexFlat(columns, measure)
    else:
        centroids = max(1, math.isqrt(len(rows))) if lists == "auto" else int(lists)
        if centroids > len(rows):
            raise CustomerError(
                f"faiss_index_ivf_nlists ({centroids}) is greater than the number of sampled rows ({len(rows)})."
            )
        coarse = faiss.IndexFlat(columns, measure)
        if kind == IVF_PQ:
            bits = min(_BITS, int(math.log2(len(rows))))
            index = faiss.IndexIVFPQ(coarse, columns, centroids, parts, bits, measure)
            index.pq.cp.min_points_per_centroid = 1
            index.pq.cp.max_points_per_centroid = _ROWS_PER_CENTROID
        else:
            index = faiss.IndexIVFFlat(coarse, columns, centroids, measure)
        index.cp.min_points_per_centroid = 1
        index.cp.max_points_per_centroid = _ROWS_PER_CENTROID
        index.train(rows)
        index.nprobe = min(centroids, max(LEAST_PROBES, centroids // PROBED_SHARE))
    index.add(rows)
    return index


def search(index: Any, queries: Any, k: int) -> tuple[Any, Any]:
    """The distances to and the numbers of the k nearest rows of each query, the nearest first.

    Raises:
        BadRequest: a query is so far away that its distances are infinite: no row is its neighbour then.
    """
    distances, places = index.search(queries, k)
    short = np.flatnonzero(places[:, -1] < 0)
    if len(short) and hasattr(index, "nlist"):
        # The lists that were searched have fewer than k rows.
        everywhere = faiss.SearchParametersIVF(nprobe=index.nlist)
        distances[short], places[short] = index.search(queries[short], k, params=everywhere)
    lost = np.flatnonzero(places[:, -1] < 0)
    if len(lost):
        raise BadRequest(
            f"A row has values of such a magnitude ({float(np.abs(queries[lost[0]]).max()):g}) that its distances are "
            "too large for 32 bits. Scale the features."
        )
    return distances, places


def write(index: Any, path: Path) -> None:
    faiss.write_index(index, str(path))


def read(path: Path) -> Any:
    """An index that `write` has written.

    Raises:
        ValueError: it is none.
    """
    try:
        return faiss.read_index(str(path))
    except RuntimeError as error:
        raise ValueError(str(error).splitlines()[0]) from error
