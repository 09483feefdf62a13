"""A DeepAR model: forecasts as samples, their mean and their quantiles."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sagesmith.algorithms import catalogue, networks, serving
from sagesmith.algorithms.declaration import JSON_LINES
from sagesmith.algorithms.deepar.calendar import Frequency
from sagesmith.algorithms.deepar.network import Network
from sagesmith.algorithms.deepar.series import Series, series
from sagesmith.algorithms.deepar.windows import Laid, Windows, checked
from sagesmith.algorithms.errors import BadRequest, CustomerError
from sagesmith.algorithms.text import entries, instances, loads

FILE = "deepar.json"
WEIGHTS = "weights.npz"
BATCH_CONFIGURATION = "DEEPAR_INFERENCE_CONFIG"
BATCH_FIELDS = "DEEPAR_FORWARDED_FIELDS"
_MOST_SAMPLES = 10_000
_PATHS = 20_000
_EXAMPLE = '{"instances": [{"start": "2009-11-01 00:00:00", "target": [4.0, 10.0]}]}'
_TYPES = ("mean", "quantiles", "samples")
_QUANTILES = tuple(f"0.{tenth}" for tenth in range(1, 10))


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a request asks for.

    Attributes:
        quantiles: as the request writes them, each a number between 0 and 1.
    """

    samples: int = 100
    types: tuple[str, ...] = ("mean", "quantiles")
    quantiles: tuple[str, ...] = _QUANTILES

    @classmethod
    def of(cls, given: Any) -> "Configuration":
        """The configuration that a JSON object stands for.

        Raises:
            BadRequest: it stands for none.
        """
        if given is None:
            return cls()
        if not isinstance(given, Mapping):
            raise BadRequest("'configuration' must be an object.")
        samples = given.get("num_samples", 100)
        if type(samples) is not int or not 1 <= samples <= _MOST_SAMPLES:
            raise BadRequest(f"'num_samples' must be an integer from 1 to {_MOST_SAMPLES}, not {samples!r}.")
        types = given.get("output_types", ["mean", "quantiles"])
        if not isinstance(types, list) or not types or any(each not in _TYPES for each in types):
            raise BadRequest(f"'output_types' must be a list of {', '.join(_TYPES)}, not {types!r}.")
        quantiles = given.get("quantiles", list(_QUANTILES))
        if not isinstance(quantiles, list) or not all(map(_is_quantile, quantiles)):
            raise BadRequest(f"'quantiles' must be a list of numbers between 0 and 1, not {quantiles!r}.")
        return cls(samples, tuple(types), tuple(map(str, quantiles)))


@dataclass(frozen=True, slots=True)
class Forecaster:
    """A network with what it was trained for.

    Attributes:
        plan: what `train` has written to `FILE`.
    """

    network: Network
    windows: Windows
    plan: Mapping[str, Any]

    @classmethod
    def of(cls, plan: Mapping[str, Any]) -> "Forecaster":
        """A network as it is before training."""
        likelihood_is_scaled = plan["likelihood"] != "beta"
        frequency = Frequency.parse(plan["time_freq"])
        windows = Windows(
            frequency,
            plan["context_length"],
            plan["prediction_length"],
            plan["num_dynamic_feat"],
            likelihood_is_scaled,
        )
        return cls(Network({**plan, "inputs": windows.inputs, "lags": len(windows.lags)}), windows, plan)

    def prepared(self, found: Sequence[Series]) -> list[Series]:
        """Series without what the model was told to ignore."""
        ignored = self.plan["ignored"]
        return [
            replace(
                each,
                categories=each.categories[:0] if ignored["cat"] else each.categories,
                features=each.features[:0] if ignored["dynamic_feat"] else each.features,
            )
            for each in found
        ]

    def check(self, found: Sequence[Series], ahead: int) -> None:
        """See that series are such as the model takes.

        Raises:
            CustomerError: one is not.
        """
        likelihood = self.network.likelihood
        range_ = (likelihood.low, likelihood.high)
        checked(found, self.plan["cardinality"], self.plan["num_dynamic_feat"], ahead, range_)

    def samples(self, found: Sequence[Series], number: int) -> Iterator[Any]:
        """For each series the paths that its future may take, of shape (number, prediction_length)."""
        together = max(1, _PATHS // number)
        for start in range(0, len(found), together):
            yield from self._samples(found[start : start + together], number)

    def _samples(self, found: Sequence[Series], number: int) -> Any:
        windows, steps = self.windows, self.windows.prediction
        laid = [windows.laid(each) for each in found]
        scales = np.array([windows.scale(each, each.length) for each in laid], np.float32)
        known = np.stack(
            [
                windows.steps(each, each.length - windows.context, windows.context, float(scale))
                for each, scale in zip(laid, scales, strict=True)
            ]
        )
        categories = torch.from_numpy(np.stack([each.categories for each in laid]))
        uniform = np.stack([np.random.default_rng(0).random((2, steps, number), np.float32) for _ in found])
        most = int(windows.lags.max())
        paths = np.zeros((len(found), number, most + steps), np.float32)
        for row, each in enumerate(laid):
            end = each.before + each.length
            paths[row, :, :most] = each.filled[end - most : end]
        count = len(found) * number
        with torch.inference_mode():
            spreads = self.network.spreads(torch.from_numpy(known), *self._context(laid, scales))
            _, state = self.network(torch.from_numpy(known), categories, torch.from_numpy(scales), spreads)
            hidden = (state[0].repeat_interleave(number, 1), state[1].repeat_interleave(number, 1))
            all_categories = categories.repeat_interleave(number, 0)
            all_scales, all_spreads = np.repeat(scales, number), spreads.repeat_interleave(number)
            for step in range(steps):
                covariates = np.stack([each.covariates[each.before + each.length + step] for each in laid])
                seen = np.stack([each.observed[each.before + each.length - 1] for each in laid])[:, None]
                fixed = np.concatenate([seen if step == 0 else np.ones_like(seen), covariates], axis=1)
                lagged = paths[:, :, most + step - windows.lags] / scales[:, None, None]
                inputs = np.concatenate([lagged.reshape(count, -1), np.repeat(fixed, number, 0)], axis=1)
                parameters, hidden = self.network(
                    torch.from_numpy(inputs[:, None].astype(np.float32)),
                    all_categories,
                    torch.from_numpy(all_scales),
                    all_spreads,
                    hidden,
                )
                drawn = self.network.likelihood.draw(
                    [each[:, 0].numpy().astype(np.float64) for each in parameters],
                    all_scales.astype(np.float64),
                    uniform[:, 0, step].reshape(count).astype(np.float64),
                    uniform[:, 1, step].reshape(count).astype(np.float64),
                )
                paths[:, :, most + step] = drawn.reshape(len(found), number)
        return paths[:, :, most:]

    def _context(self, laid: Sequence[Laid], scales: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """The values of the context, in units of the scale, and whether they were there."""
        parts = [slice(each.before + each.length - self.windows.context, each.before + each.length) for each in laid]
        values = np.stack([each.filled[part] for each, part in zip(laid, parts, strict=True)]) / scales[:, None]
        observed = np.stack([each.observed[part] for each, part in zip(laid, parts, strict=True)])
        return torch.from_numpy(values), torch.from_numpy(observed)

    def forecasts(self, found: Sequence[Series], configuration: Configuration) -> list[dict[str, Any]]:
        """For each series what the configuration asks for, as AWS's page has it."""
        answers = []
        for paths in self.samples(found, configuration.samples):
            answer: dict[str, Any] = {}
            if "mean" in configuration.types:
                answer["mean"] = paths.mean(axis=0, dtype=np.float64).tolist()
            if "quantiles" in configuration.types:
                values = np.quantile(paths, [float(each) for each in configuration.quantiles], axis=0)
                answer["quantiles"] = dict(zip(configuration.quantiles, values.tolist(), strict=True))
            if "samples" in configuration.types:
                answer["samples"] = paths.tolist()
            answers.append(answer)
        return answers

    def answer(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        algorithm = catalogue.algorithm("deepar")
        if serving.readable(content_type, algorithm) == JSON_LINES:
            return self._lines(body), JSON_LINES
        chosen = serving.writable(accept, algorithm)
        asked, request = instances(body, _EXAMPLE)
        if not asked:
            raise BadRequest("The request has no instances.")
        found = [self._series(each, f"instance {number}") for number, each in enumerate(asked, 1)]
        predictions = self.forecasts(found, Configuration.of(request.get("configuration")))
        if chosen == JSON_LINES:
            return "".join(json.dumps(each) + "\n" for each in predictions).encode(), chosen
        return json.dumps({"predictions": predictions}).encode(), chosen

    def _lines(self, body: bytes) -> bytes:
        """Batch transform: an instance a line, a forecast a line; what it is to have, the job's environment says."""
        configuration = Configuration.of(_json(os.environ.get(BATCH_CONFIGURATION, "{}"), BATCH_CONFIGURATION))
        fields = _json(os.environ.get(BATCH_FIELDS, "[]"), BATCH_FIELDS)
        if not isinstance(fields, list):
            raise BadRequest(f"{BATCH_FIELDS} must be a list of names.")
        asked = entries(body)
        if not asked:
            raise BadRequest("The request has no lines.")
        found = [self._series(each, place) for each, place in asked]
        lines = []
        for (instance, _), forecast in zip(asked, self.forecasts(found, configuration), strict=True):
            lines.append(json.dumps({name: instance[name] for name in fields if name in instance} | forecast))
        return ("\n".join(lines) + "\n").encode()

    def _series(self, instance: Any, place: str) -> Series:
        try:
            (found,) = self.prepared([series(instance, place, self.windows.frequency)])
            self.check([found], self.windows.prediction)
        except CustomerError as error:
            raise BadRequest(str(error)) from None
        return found


def load(model_dir: Path) -> serving.Predictor:
    """The model that `train` has written.

    Raises:
        CustomerError: there is none.
    """
    try:
        plan = loads((model_dir / FILE).read_text(encoding="utf-8"))
        forecaster = Forecaster.of(plan)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CustomerError(f"The model artifact is not one of DeepAR: {FILE}: {error}") from error
    networks.load_weights(forecaster.network, model_dir / WEIGHTS, "DeepAR")
    return forecaster


def _json(text: str | bytes, what: str) -> Any:
    try:
        return loads(text)
    except ValueError as error:
        raise BadRequest(f"This is not JSON: {error} ({what}).") from None


def _is_quantile(value: Any) -> bool:
    try:
        return isinstance(value, str | float | int) and 0 < float(value) < 1
    except ValueError:
        return False
