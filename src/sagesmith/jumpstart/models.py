"""JumpStart's models that run here, in the form of its manifest and specifications."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sagesmith.algorithms import catalogue
from sagesmith.algorithms.declaration import Algorithm
from sagesmith.algorithms.hyperparameters import Hyperparameter

VERSION = "2.0.0"
MIN_SDK_VERSION = "2.144.0"
_REGISTRY = "763104351884.dkr.ecr.{region}.amazonaws.com"
_TYPES = {"integer": "int", "real": "float", "choice": "text", "boolean": "text", "text": "text"}
_INSTANCE_TYPE = "ml.m5.xlarge"
_FAMILIES = (
    *(
        "m4",
        "m5",
        "m5d",
        "m6i",
        "m6id",
        "m6g",
        "m6gd",
        "m7i",
        "m7g",
        "t2",
        "t3",
        "c4",
        "c5",
        "c5d",
        "c5n",
        "c6i",
        "c6id",
    ),
    *("c6g", "c7i", "c7g", "r4", "r5", "r5d", "r6i", "r6id", "r6g", "r7i", "r7g", "i3", "i3en", "inf1", "inf2"),
    *("trn1", "p2", "p3", "p3dn", "p4d", "p4de", "p5", "g4dn", "g5", "g6", "g6e"),
)
_SUPPORTED = [
    f"ml.{family}.{size}"
    for family in ("m5", "c5", "r5")
    for size in ("large", "xlarge", "2xlarge", "4xlarge", "12xlarge")
]


@dataclass(frozen=True, slots=True)
class Model:
    """A model of JumpStart.

    Attributes:
        id: JumpStart's name of it.
        repository: the name of its image.
        task: such as `classification`, which its id has in it.
    """

    id: str
    algorithm: str
    repository: str
    task: str

    @property
    def spec_key(self) -> str:
        return f"community_models/{self.id}/specs_v{VERSION}.json"

    @property
    def artifact_key(self) -> str:
        """What a training job gets as its `model` channel."""
        return f"{self.algorithm}-training/train-{self.id}.tar.gz"

    def script_key(self, scope: str) -> str:
        """Of `training` or `inference`."""
        folder = "transfer_learning" if scope == "training" else "inference"
        return f"source-directory-tarballs/{self.algorithm}/{folder}/{self.task}/v{VERSION}/sourcedir.tar.gz"


_TASKS = {
    "classification": ("Tabular", "classification"),
    "regression": ("Tabular", "regression"),
    "-tc": ("Text Classification",),
    "-spc": ("Sentence Pair Classification",),
}
"""What tells a model's task from its id, and words to find it by."""


def _models() -> Iterator[Model]:
    for name in catalogue.NAMES:
        algorithm = catalogue.algorithm(name)
        for model_id in algorithm.models:
            repository = next(each for each in algorithm.repositories if model_id.startswith(each))
            yield Model(model_id, name, repository, next(task for task in _TASKS if task in model_id).strip("-"))


MODELS = tuple(_models())


def manifest() -> list[dict[str, Any]]:
    """`models_manifest.json`."""
    return [
        {
            "model_id": model.id,
            "version": VERSION,
            "min_version": MIN_SDK_VERSION,
            "spec_key": model.spec_key,
            "search_keywords": list(_TASKS.get(model.task) or _TASKS[f"-{model.task}"]),
        }
        for model in MODELS
    ]


def specification(model: Model, region: str) -> dict[str, Any]:
    """What the SDK wants to know of a model."""
    algorithm = catalogue.algorithm(model.algorithm)
    image = f"{_REGISTRY.format(region=region)}/{model.repository}:1"
    variants = {
        "regional_aliases": {region: {"alias_ecr_uri_1": image}},
        "variants": {kind: {"regional_properties": {"image_uri": "$alias_ecr_uri_1"}} for kind in _FAMILIES},
    }
    return {
        "model_id": model.id,
        "url": algorithm.sources[0],
        "version": VERSION,
        "min_sdk_version": MIN_SDK_VERSION,
        "training_supported": True,
        "incremental_training_supported": algorithm.incremental,
        "hosting_artifact_key": f"{model.algorithm}-infer/infer-{model.id}.tar.gz",
        "hosting_script_key": model.script_key("inference"),
        "hosting_use_script_uri": True,
        "hosting_instance_type_variants": variants,
        "inference_vulnerable": False,
        "inference_dependencies": [],
        "inference_vulnerabilities": [],
        "inference_environment_variables": [],
        "training_artifact_key": model.artifact_key,
        "training_script_key": model.script_key("training"),
        "training_instance_type_variants": variants,
        "training_vulnerable": False,
        "training_dependencies": [],
        "training_vulnerabilities": [],
        "deprecated": False,
        "hyperparameters": _hyperparameters(algorithm),
        "metrics": _metrics(algorithm),
        "default_inference_instance_type": _INSTANCE_TYPE,
        "supported_inference_instance_types": _SUPPORTED,
        "default_training_instance_type": _INSTANCE_TYPE,
        "supported_training_instance_types": _SUPPORTED,
        "predictor_specs": {
            "supported_content_types": list(algorithm.content_types),
            "default_content_type": algorithm.content_types[0],
            "supported_accept_types": ["application/json;verbose", *algorithm.accepts],
            "default_accept_type": algorithm.accepts[0],
        },
        "resource_name_base": f"{model.algorithm}-{model.task}".replace("_", "-"),
    }


def _hyperparameters(algorithm: Algorithm) -> list[dict[str, Any]]:
    """Its hyperparameters, but those without a default, of which the SDK would send a text `None`."""
    return [_hyperparameter(each) for each in algorithm.schema.parameters if each.default is not None]


def _hyperparameter(parameter: Hyperparameter) -> dict[str, Any]:
    default = parameter.default
    described: dict[str, Any] = {
        "name": parameter.name,
        # A number that may be a word is a text to the SDK.
        "type": "text" if parameter.words else _TYPES[parameter.kind],
        "default": str(default) if isinstance(default, bool) else default,
        "scope": "algorithm",
    }
    if parameter.kind == "choice":
        described["options"] = list(parameter.choices)
    if parameter.kind == "boolean":
        described["options"] = ["True", "False"]
    if not parameter.words:
        if parameter.low is not None:
            described["exclusive_min" if parameter.above else "min"] = parameter.low
        if parameter.high is not None:
            described["exclusive_max" if parameter.below else "max"] = parameter.high
    return described


def _metrics(algorithm: Algorithm) -> list[dict[str, str]]:
    """Its metrics, but those that are told apart by a hyperparameter alone."""
    regexes = [metric.regex for metric in algorithm.metrics]
    return [{"Name": each.name, "Regex": each.regex} for each in algorithm.metrics if regexes.count(each.regex) == 1]
