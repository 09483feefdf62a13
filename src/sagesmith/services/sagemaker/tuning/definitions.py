"""What a tuning job searches, and the training jobs by which it does.

A tuning job has one training job definition, whose ranges and objective stand in the job's own configuration, or up to
ten, each with its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sagesmith.tuning.autotune import guessed
from sagesmith.tuning.ranges import Categorical, Range, parse
from sagesmith.wire.context import Params

OBJECTIVE_HYPERPARAMETER = "_tuning_objective_metric"
"""By which a program learns what it is tuned for: its value is the metric's name."""

_OF_TUNING = frozenset(
    {
        "DefinitionName",
        "TuningObjective",
        "HyperParameterRanges",
        "StaticHyperParameters",
        "HyperParameterTuningResourceConfig",
        "ResourceConfig",
    }
)
"""Members of a definition that a training job does not have, or that are made of others; the rest is passed on."""
_OF_CONTAINER = "sagemaker_"
_OF_INSTANCES = ("InstanceType", "InstanceCount", "VolumeSizeInGB")


@dataclass(frozen=True, slots=True)
class Definition:
    """One training job definition with what it is tuned by.

    Attributes:
        name: empty if it is the only one and was not given one.
        given: the HyperParameterTrainingJobDefinition.
        ranges: the ParameterRanges.
        objective: the HyperParameterTuningJobObjective; empty if there is none.
    """

    name: str
    given: Mapping[str, Any]
    ranges: Mapping[str, Any]
    objective: Mapping[str, str]

    @property
    def metric(self) -> str:
        return self.objective["MetricName"]

    @property
    def maximize(self) -> bool:
        return self.objective["Type"] == "Maximize"

    @property
    def static(self) -> Mapping[str, str]:
        """The hyperparameters that do not change."""
        return self.given.get("StaticHyperParameters") or {}

    def resources(self) -> Params:
        """The ResourceConfig of its training jobs; of several instance configurations the first, which is preferred and
        never scarce here."""
        given: Params | None = self.given.get("HyperParameterTuningResourceConfig")
        if not given:
            return dict(self.given.get("ResourceConfig") or {})
        chosen = (given.get("InstanceConfigs") or [given])[0]
        found = {member: chosen[member] for member in _OF_INSTANCES if member in chosen}
        return found | {member: given[member] for member in ("VolumeKmsKeyId",) if member in given}

    def space(self) -> tuple[Range, ...]:
        """What is searched, the ranges included that are guessed from examples.

        Raises:
            InvalidRange: a range cannot be searched.
        """
        return (*parse(self.ranges), *map(_guessed, self.ranges.get("AutoParameters") or ()))


def _guessed(parameter: Mapping[str, str]) -> Range:
    """The range to search for one of AutoParameters. SDK v2 sends all hyperparameters there that it is not told to keep
    static, those of the framework container too, which are not to be changed."""
    name, hint = parameter["Name"], parameter["ValueHint"]
    return Categorical(name, (hint,)) if name.startswith(_OF_CONTAINER) else guessed(name, hint)


def definitions_of(params: Mapping[str, Any]) -> list[Definition]:
    """The definitions of a tuning job, by its document's body or the input of its Create."""
    config = params["HyperParameterTuningJobConfig"]
    if several := params.get("TrainingJobDefinitions"):
        return [
            Definition(
                each.get("DefinitionName") or "",
                each,
                each.get("HyperParameterRanges") or {},
                each.get("TuningObjective") or {},
            )
            for each in several
        ]
    single = params.get("TrainingJobDefinition")
    if not single:
        return []
    return [
        Definition(
            single.get("DefinitionName") or "",
            single,
            config.get("ParameterRanges") or single.get("HyperParameterRanges") or {},
            config.get("HyperParameterTuningJobObjective") or single.get("TuningObjective") or {},
        )
    ]


def training_job_name(tuning_job: str, identity: str, number: int) -> str:
    """The name of a trial's training job: `<tuning job>-007-3f9a01bc`.

    Args:
        identity: what no other tuning job has, of the same name neither.
        number: the trial's, from 0 on; names count from 1, as AWS's do.
    """
    digest = sha256(f"{identity}/{number}".encode()).hexdigest()[:8]
    return f"{tuning_job}-{number + 1:03d}-{digest}"


def training_job(definition: Definition, name: str, tuned: Mapping[str, str], tags: Sequence[Params]) -> Params:
    """The input of CreateTrainingJob for a trial.

    Args:
        name: the training job's.
        tuned: the values to try.
        tags: those of the tuning job.
    """
    given = definition.given
    request: Params = {member: value for member, value in given.items() if member not in _OF_TUNING}
    request |= {
        "TrainingJobName": name,
        "HyperParameters": {**definition.static, **tuned, OBJECTIVE_HYPERPARAMETER: definition.metric},
        "Tags": list(tags),
    }
    if resources := definition.resources():
        request["ResourceConfig"] = resources
    if checkpoints := given.get("CheckpointConfig"):
        # Trials that run at once must not load each other's checkpoints.
        request["CheckpointConfig"] = {**checkpoints, "S3Uri": f"{checkpoints['S3Uri'].rstrip('/')}/{name}/"}
    return request
