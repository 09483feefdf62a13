"""A job's strings become values, or a sentence that says which one is wrong and why."""

import pytest

from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.hyperparameters import Hyperparameter, Rule, Schema

SCHEMA = Schema(
    parameters=(
        Hyperparameter("k", "integer", "Clusters.", required=True, low=1),
        Hyperparameter("rate", "real", "Learning rate.", default=0.1, low=0, high=1, above=True),
        Hyperparameter("mode", "choice", "Mode.", default="fast", choices=("fast", "slow")),
        Hyperparameter("bias", "boolean", "Bias.", default=True),
        Hyperparameter("feature_dim", "integer", "Features.", default="auto", low=1, words=("auto",)),
    ),
    rules=(Rule(lambda values: values["mode"] != "slow" or values["k"] < 10, "k is {k}: too many for slow"),),
)


def test_strings_become_values_and_what_is_missing_its_default() -> None:
    given = {"k": "3", "rate": "1e-2", "bias": "False", "_tuning_objective_metric": "train:msd"}
    assert SCHEMA.read(given) == {"k": 3, "rate": 0.01, "mode": "fast", "bias": False, "feature_dim": "auto"}


def test_whole_numbers_may_be_written_as_a_tuner_writes_them() -> None:
    assert SCHEMA.read({"k": "3.0"})["k"] == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "'k' is a required property"),
        ({"k": "0"}, "0 is less than the minimum of 1"),
        ({"k": "2.5"}, "'2.5' is not of type 'integer'"),
        ({"k": "many"}, "'many' is not of type 'integer'"),
        ({"k": "nan"}, "'nan' is not of type 'integer'"),
        ({"k": "1_000"}, "'1_000' is not of type 'integer'"),
        ({"k": "1", "rate": "0_0.5"}, "'0_0.5' is not of type 'number'"),
        ({"k": "\u0663"}, "is not of type 'integer'"),
        ({"k": "1", "rate": "0"}, "0 is less than or equal to the exclusive minimum of 0"),
        ({"k": "1", "rate": "2"}, "2 is greater than the maximum of 1"),
        ({"k": "1", "rate": "inf"}, "not a finite number"),
        ({"k": "1", "mode": "medium"}, "'medium' is not one of ['fast', 'slow']"),
        ({"k": "1", "bias": "maybe"}, "'maybe' is not of type 'boolean'"),
        ({"k": "1", "K": "1"}, "Additional properties are not allowed ('K' was unexpected)"),
        ({"k": "1", "a": "1", "b": "2"}, "('a', 'b' were unexpected)"),
        ({"k": "12", "mode": "slow"}, "k is 12: too many for slow"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_awss_algorithms(given: dict[str, str], said: str) -> None:
    with pytest.raises(CustomerError) as raised:
        SCHEMA.read(given)
    assert raised.value.reason.startswith("ClientError: Unable to initialize the algorithm. Failed to validate")
    assert said in raised.value.reason


def test_large_limits_are_said_to_the_last_digit() -> None:
    seed = Hyperparameter("seed", "integer", "Seed.", low=1, high=2_147_483_647)
    with pytest.raises(CustomerError, match="maximum of 2147483647"):
        Schema(parameters=(seed,)).read({"seed": "2147483648"})
    assert seed.range == "an integer from 1 up to 2147483647"


def test_a_value_by_another_name_goes_before_the_default_that_clients_of_jumpstart_send_beside_it() -> None:
    size = Hyperparameter("batch_size", "integer", "", 32, aliases=("batch-size",))
    schema = Schema(parameters=(size,))
    assert schema.read({"batch-size": "64"}) == {"batch_size": 64}
    assert schema.read({"batch_size": "32", "batch-size": "64"}) == {"batch_size": 64}
    with pytest.raises(CustomerError, match="'batch-size' is another name of 'batch_size'"):
        schema.read({"batch_size": "16", "batch-size": "64"})


@pytest.mark.parametrize(
    ("above", "below", "said"),
    [
        (False, False, "a number from 0 up to 1"),
        (False, True, "a number from 0 to less than 1"),
        (True, True, "a number greater than 0 and less than 1"),
    ],
)
def test_a_range_is_told_in_words(above: bool, below: bool, said: str) -> None:
    assert Hyperparameter("rate", "real", "", low=0, high=1, above=above, below=below).range == said
