"""What the API knows of built-in algorithms: their metrics, and which hyperparameters a tuning job may search.

Source of the words for metric definitions: aws-solutions-library-samples' Machine Learning Space, which compares with
them; of the others, AWS's developer guide has the rules (the "Tune …" page of each algorithm), and the words are ours.
"""

from collections.abc import Iterable, Mapping, Sequence

from sagesmith.algorithms import catalogue
from sagesmith.algorithms.declaration import Algorithm
from sagesmith.images.base import ImageNotRunnable
from sagesmith.images.registry import family_of, parse
from sagesmith.wire.context import Params
from sagesmith.wire.errors import ValidationException

_SCRIPT = "sagemaker_program"
"""The hyperparameter that a job with a script has: its image's algorithm is not what runs."""
_MAX_METRICS = 40


def algorithm_of(specification: Params, hyperparameters: Mapping[str, str]) -> Algorithm | None:
    """The built-in algorithm that a training job runs, None if it runs something else.

    Args:
        specification: its AlgorithmSpecification.
    """
    if _SCRIPT in hyperparameters or specification.get("ContainerEntrypoint"):
        return None
    try:
        image = parse(specification.get("TrainingImage") or "")
    except ImageNotRunnable:
        return None
    name = catalogue.by_repository().get(image.repository)
    return None if name is None or family_of(image) is None else catalogue.algorithm(name)


def check_metrics(specification: Params, algorithm: Algorithm | None) -> None:
    """Refuse metric definitions for an algorithm that has its own.

    Raises:
        ValidationException: there are some.
    """
    if algorithm is not None and specification.get("MetricDefinitions"):
        raise ValidationException(
            "You can't override the metric definitions for Amazon SageMaker algorithms. Please retry the request "
            "without specifying metric definitions."
        )


def metric_definitions(algorithm: Algorithm) -> list[Params]:
    """An algorithm's metrics as the API shows them."""
    return [{"Name": metric.name, "Regex": metric.regex} for metric in algorithm.metrics[:_MAX_METRICS]]


def check_tuning(algorithm: Algorithm, image: str, objective: Mapping[str, str], searched: Iterable[str]) -> None:
    """Raise what is wrong with a search of an algorithm's hyperparameters.

    Raises:
        ValidationException: the metric is none of its objectives, or a hyperparameter is none that can be searched.
    """
    objectives = {metric.name: metric.goal for metric in algorithm.metrics if metric.goal is not None}
    name, goal = objective["MetricName"], objective["Type"]
    if name not in objectives:
        raise ValidationException(
            f"The objective metric for the hyperparameter tuning job, [{name}], isn't valid for the [{image}] "
            f"algorithm. Choose a valid objective metric: {_listed(sorted(objectives))}."
        )
    if objectives[name] != goal:
        raise ValidationException(
            f"The objective metric type, [{goal}], that you specified for objective metric, [{name}], isn't valid for "
            f"the [{image}] algorithm. Choose a valid objective metric type."
        )
    tunable = [each.name for each in algorithm.schema.parameters if each.tunable is not None]
    wrong = sorted(set(searched) - set(tunable))
    if wrong:
        raise ValidationException(
            f"The hyperparameters {_listed(wrong)} aren't tunable for the [{image}] algorithm. Choose from "
            f"{_listed(tunable)}."
        )


def _listed(names: Sequence[str]) -> str:
    return f"[{', '.join(names)}]"
