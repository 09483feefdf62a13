"""What the algorithms say of themselves fits together: with the images, with the API, with each other."""

import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

from sagesmith.algorithms import catalogue
from sagesmith.algorithms.declaration import Algorithm
from sagesmith.algorithms.errors import CustomerError
from sagesmith.images import registry

ALGORITHMS = [catalogue.algorithm(name) for name in catalogue.NAMES]
each = pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)


@each
def test_an_algorithms_images_run_it(algorithm: Algorithm) -> None:
    for repository in algorithm.repositories:
        assert registry.catalogue()[repository].variables[registry.ALGORITHM] == algorithm.name


def test_every_image_with_an_algorithm_has_one_that_there_is() -> None:
    named = {family.variables.get(registry.ALGORITHM) for family in registry.catalogue().values()} - {None}
    assert named == set(catalogue.NAMES)


@each
def test_what_trains_and_what_loads_are_modules_that_there_are(algorithm: Algorithm) -> None:
    for entry in (algorithm.train, algorithm.load):
        module, _, function = entry.partition(":")
        assert find_spec(module) is not None
        assert function


@each
def test_defaults_are_values_that_their_hyperparameters_take(algorithm: Algorithm) -> None:
    for parameter in algorithm.schema.parameters:
        if parameter.default is not None:
            text = str(parameter.default).lower() if isinstance(parameter.default, bool) else str(parameter.default)
            parameter.read(text)
        if parameter.tunable is not None and parameter.tunable.categories:
            for category in parameter.tunable.categories:
                parameter.read(category)
        assert not (parameter.required and parameter.default is not None)


@each
def test_metrics_have_names_of_their_own_and_regular_expressions_with_one_group(algorithm: Algorithm) -> None:
    names = [metric.name for metric in algorithm.metrics]
    assert len(names) == len(set(names))
    for metric in algorithm.metrics:
        assert re.compile(metric.regex).groups == 1


def test_declarations_need_nothing_but_the_standard_library() -> None:
    program = (
        "import sys\n"
        "from sagesmith.algorithms import catalogue\n"
        "for name in catalogue.NAMES: catalogue.algorithm(name)\n"
        "heavy = {'numpy', 'scipy', 'sklearn', 'torch', 'pyarrow'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("name", ["image_classification", "text_classification", "sentence_pair_classification"])
@pytest.mark.parametrize("beta", ["beta_1", "beta_2"])
def test_adams_moments_decay(name: str, beta: str) -> None:
    (parameter,) = (each for each in catalogue.algorithm(name).schema.parameters if each.name == beta)
    with pytest.raises(CustomerError, match="exclusive maximum"):
        parameter.read("1.0")
