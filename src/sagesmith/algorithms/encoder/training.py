"""Fine-tuning an encoder and its classification layer, or the layer alone."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from sagesmith.algorithms import networks
from sagesmith.algorithms.data import archives
from sagesmith.algorithms.data.read import files
from sagesmith.algorithms.encoder import data, descent
from sagesmith.algorithms.encoder.model import META, NAME, Model, begin
from sagesmith.algorithms.encoder.network import Classifier
from sagesmith.algorithms.encoder.tokens import Tokens, tokenizer
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.text import loads

_STEEPEST = 1.0
"""The norm that gradients are cut to, as BERT's authors do."""
_TOKENS = 32
"""Of a text, more or less."""
_MEASURED_ROWS = 64
_STATE = ("best", "since", "kept", "kept_loss")


@dataclass(frozen=True, slots=True)
class Scores:
    """Of an epoch; those of the validation data are None where there are none."""

    loss: float
    accuracy: float
    val_loss: float | None
    val_accuracy: float | None


Line = Callable[[int, int, Scores], str]
"""How a kind of model logs an epoch: of its number from 1 on, their number, its scores."""


def train(job: Job, sentences: int, values: Mapping[str, Any], line: Line) -> None:
    """Train, and save the network of the epoch that was best.

    Args:
        sentences: of each row.
        values: the hyperparameters by the names of Text Classification.

    Raises:
        CustomerError: the data or the earlier model are wrong.
    """
    random = networks.begin(seed=123)
    earlier = _earlier(job)
    kept = earlier is not None and values["reinitialize_top_layer"] != "True"
    texts = data.read(job, sentences, earlier.classes if earlier is not None and kept else None)
    model = begin(values, earlier, texts.classes)
    if values["train_only_on_top_layer"]:
        model.network.encoder.requires_grad_(requires_grad=False)
    networks.use_cores(model.network, values["batch_size"] * _TOKENS)
    tokens = Tokens.of(texts.texts, tokenizer(model.tokenizer))
    weights = sum(each.numel() for each in model.network.parameters())
    learned = sum(each.numel() for each in model.network.parameters() if each.requires_grad)
    job.log.say(
        f"{NAME}: {learned:,} of {weights:,} weights are fine-tuned on {len(texts.train)} rows of "
        f"{len(texts.classes)} classes; {len(texts.validation)} are to validate with."
    )
    if values["early_stopping"] and not len(texts.validation):
        raise CustomerError(
            "early_stopping is True, and there are no validation data: give a channel 'validation', or a "
            "validation_split_ratio above 0."
        )
    _Training(job, values, model, texts, tokens, line).fit(random)
    model.save(job.model, job.algorithm.name)


def _earlier(job: Job) -> Model | None:
    """The model of an earlier job in the channel `model`; JumpStart's own artifact is none."""
    source = job.sources.get("model")
    if source is None or not files(source):
        return None
    with archives.unpacked(source) as folder:
        wanted = _jumpstart(folder)
        if wanted is None:
            return Model.load(folder, job.algorithm.name)
    job.log.say(f"The encoder {NAME}, of 23 million weights, stands for JumpStart's {wanted}.")
    return None


def _jumpstart(folder: Path) -> str | None:
    path = folder / "jumpstart.json"
    if (folder / META).exists() or not path.is_file():
        return None
    try:
        return str(loads(path.read_text(encoding="utf-8"))["model_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise CustomerError(
            f"The file jumpstart.json of the channel 'model' does not say a model_id: {error}"
        ) from None


@dataclass(slots=True)
class _Training:
    """
    Attributes:
        best, since: the best accuracy on validation data, and epochs since it got better by enough.
        kept, kept_loss: what was learned by the epoch of the best accuracy, of several the one of the least loss.
        embeddings: of all texts, where the encoder is as it was.
    """

    job: Job
    values: Mapping[str, Any]
    model: Model
    texts: data.Texts
    tokens: Tokens
    line: Line
    best: float = float("-inf")
    since: int = 0
    kept: dict[str, Tensor] = field(default_factory=dict)
    kept_loss: float = float("inf")
    embeddings: Tensor | None = None
    labels: Tensor = field(init=False)

    def fit(self, random: np.random.Generator) -> None:
        self.labels = torch.from_numpy(np.asarray(self.texts.labels, np.int64))
        network, epochs, size = self.model.network, self.values["epochs"], self.values["batch_size"]
        if self.values["train_only_on_top_layer"]:
            self.embeddings = self._embed()
        optimizer = descent.optimizer(network, self.values)
        schedule = descent.schedule(optimizer, self.values, epochs * -(-len(self.texts.train) // size))
        parts = {"optimizer": optimizer, "schedule": schedule}
        first = self._resume(parts, random)
        for epoch in range(first, epochs):
            learned = self._learn(optimizer, schedule, random)
            if learned is None:
                self.job.log.say("The job was asked to stop: the model is made of what was learned so far.")
                break
            scores = Scores(*learned, *self._measure())
            self.job.log.stream.write(self.line(epoch + 1, epochs, scores) + "\n")
            self.job.log.stream.flush()
            ended = self._consider(scores)
            self._checkpoint(parts, random, epochs if ended else epoch + 1)
            if ended:
                self.job.log.say(f"Early stopping after {epoch + 1} epochs.")
                break
        if self.kept:
            network.load_state_dict(self.kept, strict=False)

    def _embed(self) -> Tensor:
        """The embeddings of all texts, which stay the same; not of all where the job is asked to stop."""
        encoder = self.model.network.encoder.eval()
        found = torch.empty(len(self.tokens), self.model.size.hidden_size)
        with torch.inference_mode():
            for rows in self.tokens.order(np.arange(len(self.tokens)), _MEASURED_ROWS, None):
                found[rows] = encoder(*self.tokens.batch(rows))
                if self.job.stopping.is_set():
                    break
        return found.clone()

    def _logits(self, rows: Any) -> Tensor:
        if self.embeddings is None:
            return self.model.network(*self.tokens.batch(rows))
        return self.model.network.classify(self.embeddings[rows])

    def _learn(
        self, optimizer: torch.optim.Optimizer, schedule: Any, random: np.random.Generator
    ) -> tuple[float, float] | None:
        """An epoch; its loss and accuracy, or None where the job is asked to stop before its end."""
        network = self.model.network.train()
        learned = [each for each in network.parameters() if each.requires_grad]
        total, right, seen = 0.0, 0, 0
        for rows in self.tokens.order(self.texts.train, self.values["batch_size"], random):
            if self.job.stopping.is_set():
                return None
            logits, labels = self._logits(rows), self.labels[rows]
            loss = cross_entropy(logits, labels)
            if not torch.isfinite(loss):
                raise CustomerError(f"The loss is {float(loss)}: lower the learning rate.")
            optimizer.zero_grad()
            (loss + self._penalty(network)).backward()
            torch.nn.utils.clip_grad_norm_(learned, _STEEPEST)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
            right += int((logits.argmax(1) == labels).sum())
            seen += len(rows)
        return total / seen, right / seen

    def _penalty(self, network: Classifier) -> Tensor | float:
        """Of a new classification layer's weights."""
        share = self.values["regularizers_l2"]
        return share * network.top.weight.square().sum() if share else 0.0

    def _measure(self) -> tuple[float, float] | tuple[None, None]:
        """The loss and the accuracy of the validation data."""
        held = self.texts.validation
        if not len(held):
            return None, None
        self.model.network.eval()
        loss, right = 0.0, 0
        with torch.inference_mode():
            for rows in self.tokens.order(held, _MEASURED_ROWS, None):
                logits, labels = self._logits(rows), self.labels[rows]
                loss += float(cross_entropy(logits, labels, reduction="sum"))
                right += int((logits.argmax(1) == labels).sum())
        return loss / len(held), right / len(held)

    def _consider(self, scores: Scores) -> bool:
        """Keep the network if it is better than those before; whether it is enough."""
        accuracy, loss = scores.val_accuracy, scores.val_loss
        if accuracy is None or loss is None:
            return False
        if (accuracy, -loss) > (self.best, -self.kept_loss):
            self.kept, self.kept_loss = {name: each.clone() for name, each in self._learned().items()}, loss
        self.since = 0 if accuracy - self.best > self.values["early_stopping_min_delta"] else self.since + 1
        self.best = max(self.best, accuracy)
        return bool(self.values["early_stopping"] and self.since >= self.values["early_stopping_patience"])

    def _learned(self) -> dict[str, Tensor]:
        """The weights that are not as they were."""
        return {name: each.detach() for name, each in self.model.network.named_parameters() if each.requires_grad}

    def _checkpoint(self, parts: Mapping[str, Any], random: np.random.Generator, epochs: int) -> None:
        networks.checkpoint(
            self.job,
            {
                **{name: part.state_dict() for name, part in parts.items()},
                "network": self._learned(),
                "epochs": epochs,
                **{name: getattr(self, name) for name in _STATE},
                "torch": torch.get_rng_state(),
                "numpy": json.dumps(random.bit_generator.state),
            },
        )

    def _resume(self, parts: Mapping[str, Any], random: np.random.Generator) -> int:
        """Go on from the job's checkpoint; the epochs that were done."""
        state = networks.resumed(self.job)
        if state is None:
            return 0
        with networks.restoring():
            for name, part in parts.items():
                part.load_state_dict(state[name])
            self.model.network.load_state_dict(state["network"], strict=False)
            for name in _STATE:
                setattr(self, name, state[name])
            torch.set_rng_state(state["torch"])
            random.bit_generator.state = json.loads(state["numpy"])
            epochs = int(state["epochs"])
        self.job.log.say(f"Resuming from the checkpoint after {epochs} epochs.")
        return epochs


def with_equals(_epoch: int, _epochs: int, scores: Scores) -> str:
    """`loss=0.5, accuracy=0.8, val_loss=0.6, val_accuracy=0.7`."""
    return ", ".join(f"{name}={value:.4f}" for name, value in _named(scores))


def with_colons(epoch: int, epochs: int, scores: Scores) -> str:
    """`Epoch 1/3 - loss: 0.5 - accuracy: 0.8 - val_loss: 0.6 - val_accuracy: 0.7`, as Keras does."""
    return f"Epoch {epoch}/{epochs}" + "".join(f" - {name}: {value:.4f}" for name, value in _named(scores))


def as_dictionary(epoch: int, _epochs: int, scores: Scores) -> str:
    """`{'loss': 0.5, 'eval_loss': 0.6, 'eval_accuracy': 0.7, 'epoch': 1.0}`, as Transformers does."""
    found: dict[str, float] = {"loss": round(scores.loss, 4)}
    if scores.val_loss is not None and scores.val_accuracy is not None:
        found |= {"eval_loss": round(scores.val_loss, 4), "eval_accuracy": round(scores.val_accuracy, 4)}
    return str(found | {"epoch": float(epoch)})


def _named(scores: Scores) -> Iterator[tuple[str, float]]:
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        if (value := getattr(scores, name)) is not None:
            yield name, value
