"""All built-in algorithms, by name and by image."""

from functools import cache
from importlib import import_module

from sagesmith.algorithms.declaration import Algorithm

NAMES: tuple[str, ...] = (
    "autogluon",
    "blazingtext",
    "catboost",
    "deepar",
    "factorization_machines",
    "image_classification",
    "ipinsights",
    "kmeans",
    "knn",
    "lda",
    "lightgbm",
    "linear_learner",
    "ntm",
    "object2vec",
    "object_detection",
    "pca",
    "randomcutforest",
    "semantic_segmentation",
    "sentence_pair_classification",
    "seq2seq",
    "tabtransformer",
    "text_classification",
    "xgboost",
)


def algorithm(name: str) -> Algorithm:
    """The declaration of an algorithm, which imports nothing heavy.

    Raises:
        KeyError: there is none of that name.
    """
    if name not in NAMES:
        raise KeyError(name)
    declared: Algorithm = import_module(f"sagesmith.algorithms.{name}.declaration").ALGORITHM
    return declared


@cache
def by_repository() -> dict[str, str]:
    """The algorithms' names by those of their images."""
    return {repository: name for name in NAMES for repository in algorithm(name).repositories}
