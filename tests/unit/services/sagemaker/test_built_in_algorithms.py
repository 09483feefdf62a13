"""Which jobs run a built-in algorithm."""

import pytest

from sagesmith.services.sagemaker.built_in_algorithms import algorithm_of
from sagesmith.wire.context import Params

_AWS = "382416733822.dkr.ecr.us-east-1.amazonaws.com"
_OWN = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("specification", "hyperparameters", "expected"),
    [
        ({"TrainingImage": f"{_AWS}/pca:1"}, {}, "pca"),
        ({"TrainingImage": "pca:1"}, {}, "pca"),
        ({"TrainingImage": f"{_OWN}/pca:1"}, {}, None),
        ({"TrainingImage": f"{_AWS}/pca:1", "ContainerEntrypoint": ["sh"]}, {}, None),
        ({"TrainingImage": f"{_AWS}/xgboost:1"}, {"sagemaker_program": "train.py"}, None),
        ({"TrainingImage": f"{_AWS}/pytorch-training:2.4"}, {}, None),
    ],
)
def test_an_algorithm_is_what_runs_and_not_what_an_image_is_called(
    specification: Params, hyperparameters: dict[str, str], expected: str | None
) -> None:
    found = algorithm_of(specification, hyperparameters)
    assert (None if found is None else found.name) == expected
