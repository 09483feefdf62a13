"""A factorization machine that learns: mini-batches, Adam, only the features that a mini-batch has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.factorization_machines.declaration import PARTS
from sagesmith.algorithms.factorization_machines.model import raw, sigmoid

_BETA_1, _BETA_2 = 0.9, 0.999
_EPS = 1e-8


@dataclass(frozen=True, slots=True)
class Settings:
    """What the hyperparameters say of a step.

    Attributes:
        rates, decays: learning rate and weight decay of each part.
        rescale: what a mini-batch's sum of gradients is multiplied by; None: 1 / its rows.
        clip: to what gradients are clipped then; None: to nothing.
    """

    classifies: bool
    mini_batch: int
    rates: Mapping[str, float]
    decays: Mapping[str, float]
    rescale: float | None = None
    clip: float | None = None
    eps: float = _EPS

    @classmethod
    def chosen(cls, values: Mapping[str, Any]) -> "Settings":
        return cls(
            classifies=values["predictor_type"] == "binary_classifier",
            mini_batch=values["mini_batch_size"],
            rates={part: values[f"{part}_lr"] for part in PARTS},
            decays={part: values[f"{part}_wd"] for part in PARTS},
            rescale=values["rescale_grad"],
            clip=values["clip_gradient"],
            eps=_EPS if values["eps"] is None else values["eps"],
        )


@dataclass(slots=True)
class Learning:
    """See `run.state.State`.

    Attributes:
        bias, linear, factors: of shapes (1,), (columns,) and (columns, factors), float32.
        first, second: Adam's means of gradients and of their squares, by part.
        touched: how many steps of the pass have moved each column; several instances count each other's by it.
        sums: of the pass: rows, and what metrics are made of, measured before each step.
    """

    settings: Settings
    bias: Any
    linear: Any
    factors: Any
    first: dict[str, Any] = field(init=False)
    second: dict[str, Any] = field(init=False)
    touched: Any = field(init=False)
    sums: Any = field(init=False)
    steps: int = 0

    def __post_init__(self) -> None:
        self.first = {part: np.zeros_like(getattr(self, part)) for part in PARTS}
        self.second = {part: np.zeros_like(getattr(self, part)) for part in PARTS}
        self.begin()

    @classmethod
    def started(cls, values: Mapping[str, Any]) -> "Learning":
        """Before the first step, as the hyperparameters say."""
        random = np.random.default_rng(0)
        columns, factors = values["feature_dim"], values["num_factors"]

        def initial(part: str, *shape: int) -> Any:
            method = values[f"{part}_init_method"]
            if method == "constant":
                return np.full(shape, values[f"{part}_init_value"], np.float32)
            if method == "uniform":
                scale = values[f"{part}_init_scale"]
                return random.uniform(-scale, scale, shape).astype(np.float32)
            return (values[f"{part}_init_sigma"] * random.standard_normal(shape, np.float32)).astype(np.float32)

        return cls(
            Settings.chosen(values),
            initial("bias", 1),
            initial("linear", columns),
            initial("factors", columns, factors),
        )

    def begin(self) -> None:
        """Begin a pass."""
        self.touched = np.zeros(len(self.linear), np.int64)
        self.sums = np.zeros(len(SUMS))

    def update(self, batch: Batch) -> None:
        order = np.random.default_rng(self.steps).permutation(len(batch))
        features, labels = batch.features[order], batch.labels[order]
        for start in range(0, len(order), self.settings.mini_batch):
            part = slice(start, start + self.settings.mini_batch)
            self._step(features[part], labels[part])

    def merge(self, others: list["Learning"]) -> None:
        """Mean each column over the instances, each counting as many times as it has moved it."""
        everybody = [self, *others]
        steps = [int(each.touched.max(initial=0)) for each in everybody]
        counts = np.stack([each.touched for each in everybody])
        self._mean(everybody, "bias", np.array(steps)[:, None])
        self._mean(everybody, "linear", counts)
        self._mean(everybody, "factors", counts[:, :, None])
        self.touched = counts.sum(axis=0)
        self.sums = sum(each.sums for each in everybody)
        self.steps = max(each.steps for each in everybody)

    def arrays(self) -> Mapping[str, Any]:
        moments = {f"{part}_{name}": getattr(self, name)[part] for part in PARTS for name in ("first", "second")}
        return {name: getattr(self, name) for name in (*PARTS, "touched", "sums", "steps")} | moments

    def restore(self, arrays: Mapping[str, Any]) -> None:
        own = self.arrays()
        for name in own:
            if np.shape(arrays[name]) != np.shape(own[name]):
                raise ValueError(f"{name} has the shape {np.shape(arrays[name])} instead of {np.shape(own[name])}")
        for name in (*PARTS, "touched", "sums"):
            setattr(self, name, arrays[name])
        self.steps = int(arrays["steps"])
        self.first = {part: arrays[f"{part}_first"] for part in PARTS}
        self.second = {part: arrays[f"{part}_second"] for part in PARTS}

    def _mean(self, everybody: list["Learning"], part: str, counts: Any) -> None:
        # What nobody has moved is everywhere what it was.
        shares = np.where(counts.sum(axis=0) > 0, counts, 1) / np.maximum(counts.sum(axis=0), 1)
        shares = np.where(counts.sum(axis=0) > 0, shares, 1 / len(everybody)).astype(np.float32)
        setattr(self, part, sum(getattr(each, part) * share for each, share in zip(everybody, shares, strict=True)))
        for moments in ("first", "second"):
            getattr(self, moments)[part] = sum(
                getattr(each, moments)[part] * share for each, share in zip(everybody, shares, strict=True)
            )

    def _step(self, features: Any, labels: Any) -> None:
        columns: Any = slice(None)
        if hasattr(features, "indptr"):
            columns, features = _compact(features)
        linear, factors = self.linear[columns], self.factors[columns]
        found, sums = raw(features, float(self.bias[0]), linear, factors, np.einsum("ij,ij->i", factors, factors))
        self.sums += measured(found, labels, self.settings.classifies)
        errors = ((sigmoid(found) if self.settings.classifies else found) - labels).astype(np.float32)
        squares = features.multiply(features) if hasattr(features, "indptr") else features * features
        weighted = np.asarray(squares.T @ errors).ravel()
        gradients = {
            "bias": errors.sum(keepdims=True),
            "linear": np.asarray(features.T @ errors).ravel(),
            "factors": np.asarray(features.T @ (sums * errors[:, None])) - weighted[:, None] * factors,
        }
        self.steps += 1
        self.touched[columns] += 1
        scale = self.settings.rescale if self.settings.rescale is not None else 1 / len(labels)
        for part, gradient in gradients.items():
            self._move(part, slice(None) if part == "bias" else columns, gradient * np.float32(scale))

    def _move(self, part: str, columns: Any, gradient: Any) -> None:
        own, weights = self.settings, getattr(self, part)
        if own.clip is not None:
            gradient = np.clip(gradient, -own.clip, own.clip)
        gradient = gradient + np.float32(own.decays[part]) * weights[columns]
        first = _BETA_1 * self.first[part][columns] + (1 - _BETA_1) * gradient
        second = _BETA_2 * self.second[part][columns] + (1 - _BETA_2) * gradient * gradient
        self.first[part][columns], self.second[part][columns] = first, second
        rate = own.rates[part] * np.sqrt(1 - _BETA_2**self.steps) / (1 - _BETA_1**self.steps)
        weights[columns] -= np.float32(rate) * first / (np.sqrt(second) + np.float32(own.eps))


SUMS = ("rows", "squared", "absolute", "cross_entropy", "right", "hits", "said", "true")


def metrics(sums: Any, classifies: bool) -> dict[str, float]:
    """Metrics by the names that are printed."""
    of = dict(zip(SUMS, (float(number) for number in sums), strict=True))
    rows = max(of["rows"], 1.0)
    if not classifies:
        mse = of["squared"] / rows
        return {"rmse": float(np.sqrt(mse)), "mse": mse, "absolute_loss": of["absolute"] / rows}
    return {
        "binary_classification_accuracy": of["right"] / rows,
        "binary_classification_cross_entropy": of["cross_entropy"] / rows,
        "binary_f_1.000": 2 * of["hits"] / max(of["said"] + of["true"], 1.0),
    }


def measured(found: Any, labels: Any, classifies: bool) -> Any:
    """What of raw predictions is added up for `metrics`."""
    if not classifies:
        errors = found.astype(np.float64) - labels
        return np.array([len(labels), (errors**2).sum(), np.abs(errors).sum(), 0, 0, 0, 0, 0])
    said, true = found >= 0, labels == 1
    entropy = np.log1p(np.exp(-np.abs(found))) + np.maximum(found, 0) - found * labels
    right, hits = (said == true).sum(), (said & true).sum()
    return np.array([len(labels), 0, 0, entropy.sum(dtype=np.float64), right, hits, said.sum(), true.sum()], np.float64)


def _compact(features: Any) -> tuple[Any, Any]:
    """The columns that some sparse rows have, and the rows with those columns alone."""
    from scipy import sparse

    columns, places = np.unique(features.indices, return_inverse=True)
    shape = (features.shape[0], len(columns))
    return columns, sparse.csr_matrix((features.data, places, features.indptr), shape=shape)
