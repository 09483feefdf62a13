"""Training Sequence-to-Sequence."""

import json
import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sagesmith.algorithms import networks
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.seq2seq.bleu import bleu
from sagesmith.algorithms.seq2seq.corpus import BEGIN, END, FILES, SOURCE, TARGET, Pairs, Vocabulary, read
from sagesmith.algorithms.seq2seq.model import FILE, WEIGHTS
from sagesmith.algorithms.seq2seq.network import Network
from sagesmith.algorithms.seq2seq.search import beams
from sagesmith.algorithms.sequences import Sequences, orders

_OPTIMIZERS: dict[str, Any] = {"adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop, "sgd": torch.optim.SGD}
_SEARCH_ROWS = 32
_TOKENS = 20
"""Of a sequence, more or less."""


def train(job: Job) -> None:
    """Train until the optimized metric gets no better, and keep the weights that were best."""
    vocabularies = {key: Vocabulary.read(job.sources["vocab"].folder / name) for key, name in FILES.items()}
    sizes = {key: vocabulary.size for key, vocabulary in vocabularies.items()}
    limits = {key: job.values[f"max_seq_len_{key}"] for key in (SOURCE, TARGET)}
    training, validation = (read(job.sources[name], sizes, limits) for name in ("train", "validation"))
    values = dict(job.values) | {"source_words": sizes[SOURCE], "target_words": sizes[TARGET]}
    random = networks.begin()
    network = Network(values)
    networks.use_cores(network, values["batch_size"] * _TOKENS)
    signs = tuple(vocabularies[TARGET].numbers[sign] for sign in (BEGIN, END))
    _Training(job, values, network, (signs[0], signs[1])).fit(training, validation, random)
    (job.model / FILE).write_text(json.dumps(values))
    for name in FILES.values():
        (job.model / name).write_bytes((job.sources["vocab"].folder / name).read_bytes())
    networks.save_weights(network, job.model / WEIGHTS)


class _Training:
    """Where training is: `position` batches into the `epoch` that began with `order`, the generator's state."""

    def __init__(self, job: Job, values: Mapping[str, Any], network: Network, signs: tuple[int, int]) -> None:
        self.job, self.values, self.network, self.signs = job, values, network, signs
        momentum = {"momentum": values["momentum"]} if values["momentum"] else {}
        make, rate = _OPTIMIZERS[values["optimizer_type"]], values["learning_rate"]
        self.optimizer = make(network.parameters(), lr=rate, weight_decay=values["weight_decay"], **momentum)
        self.updates = self.looks = self.epoch = self.position = self.since = self.plateau = 0
        self.order = ""
        self.best: float | None = None
        self.kept: dict[str, Tensor] | None = None
        self.seen: list[tuple[float, int, int]] = []

    def fit(self, training: Pairs, validation: Pairs, random: np.random.Generator) -> None:
        skip = self._resume(random)
        most, every = self.values["max_num_batches"], self.values["checkpoint_frequency_num_batches"]
        looked, start = self.updates, time.time()
        over = self._over() or 0 < most <= self.updates
        for rows in () if over else self._batches(training, random, skip):
            self.seen.append(self._update(training, rows))
            if self.job.stopping.is_set():
                self.job.log.say("The job was asked to stop: the model is made of what was learned so far.")
                networks.checkpoint(self.job, self._state())
                break
            if self.updates % every == 0:
                self.job.log.throughput((self.updates - looked) * len(rows), time.time() - start)
                self._look(validation)
                looked, start = self.updates, time.time()
                if self._over():
                    break
            if self.updates == most:
                break
        if self.updates > looked and not self.job.stopping.is_set():
            self._look(validation)
        if self.kept is not None:
            self.network.load_state_dict(self.kept)

    def _batches(self, pairs: Pairs, random: np.random.Generator, skip: int) -> Iterator[Any]:
        width = self.values["bucket_width"] if self.values["bucketing_enabled"] else 0
        while self.values["max_num_epochs"] is None or self.epoch < self.values["max_num_epochs"]:
            self.order = json.dumps(random.bit_generator.state)
            self.position = 0
            for rows in orders(pairs.lengths, self.values["batch_size"], width, random):
                self.position += 1
                if self.position > skip:
                    yield rows
            skip = 0
            self.epoch += 1
            if self.values["max_num_epochs"] is not None:
                self.job.log.progress(self.epoch, self.values["max_num_epochs"])

    def _over(self) -> bool:
        """Whether there was no improvement for too long, where nothing else says when to end."""
        if self.values["max_num_epochs"] is not None or self.since < self.values["checkpoint_threshold"]:
            return False
        self.job.log.say(f"Early stopping condition met after {self.updates} batches.")
        return True

    def _update(self, pairs: Pairs, rows: Any) -> tuple[float, int, int]:
        self.updates += 1
        self._schedule()
        self.optimizer.zero_grad()
        loss, right, tokens = self._loss(pairs, rows)
        if not math.isfinite(float(loss.detach())):
            raise CustomerError(f"The loss is {float(loss)} after {self.updates} batches: lower learning_rate.")
        loss.backward()
        if self.values["clip_gradient"] >= 0:
            nn.utils.clip_grad_value_(self.network.parameters(), self.values["clip_gradient"])
        self.optimizer.step()
        return float(loss) * tokens, right, tokens

    def _loss(self, pairs: Pairs, rows: Any) -> tuple[Tensor, int, int]:
        """The mean cross-entropy of a batch's tokens, how many of them are right, and how many there are."""
        tokens, lengths = pairs.targets.padded(rows)
        given = np.pad(tokens, ((0, 0), (1, 0)), constant_values=self.signs[0])
        wanted = np.pad(tokens, ((0, 0), (0, 1)))
        wanted[np.arange(len(wanted)), lengths] = self.signs[1]
        inside = torch.from_numpy(np.arange(wanted.shape[1]) <= lengths[:, None])
        logits = self.network(_tensors(pairs.sources, rows), torch.from_numpy(given))[inside]
        labels = torch.from_numpy(wanted)[inside]
        right = int((logits.detach().argmax(1) == labels).sum())
        return cross_entropy(logits, labels), right, len(labels)

    def _schedule(self) -> None:
        kind, base = self.values["lr_scheduler_type"], self.values["learning_rate"]
        if kind == "plateau_reduce":
            return
        half = self.values["fixed_rate_lr_half_life"] * self.values["checkpoint_frequency_num_batches"]
        passed = self.updates / half
        self._rate(base / (1 + passed) if kind == "fixed_rate_inv_t" else base / math.sqrt(1 + 3 * passed))

    def _rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _look(self, validation: Pairs) -> None:
        """Measure, and take in whether it is better."""
        self.looks += 1
        found = self._measure(validation)
        trained = _metrics(self.seen)[self.values["training_metric"]]
        self.seen = []
        self._say(f"Train-{self.values['training_metric']}", trained)
        for name, value in found.items():
            self._say(f"Validation-{name}", value)
        name = self.values["optimized_metric"]
        value = found[name]
        better = self.best is None or (value < self.best if name == "perplexity" else value > self.best)
        self.since, self.plateau = (0, 0) if better else (self.since + 1, self.plateau + 1)
        if better:
            self.best = value
            self.kept = {key: each.detach().clone() for key, each in self.network.state_dict().items()}
        if (
            self.values["lr_scheduler_type"] == "plateau_reduce"
            and self.plateau >= self.values["plateau_reduce_lr_threshold"]
        ):
            self.plateau = 0
            self._rate(self.optimizer.param_groups[0]["lr"] * self.values["plateau_reduce_lr_factor"])
        networks.checkpoint(self.job, self._state())

    def _say(self, name: str, value: float) -> None:
        self.job.log.say(f"Checkpoint [{self.looks}]\t{name}={value:.6f}")

    def _measure(self, pairs: Pairs) -> dict[str, float]:
        self.network.eval()
        size = self.values["batch_size"]
        with torch.no_grad():
            seen = []
            for start in range(0, len(pairs), size):
                loss, right, tokens = self._loss(pairs, np.arange(start, min(start + size, len(pairs))))
                seen.append((float(loss) * tokens, right, tokens))
        found = _metrics(seen)
        sample = self.values["bleu_sample_size"]
        if self.values["optimized_metric"] == "bleu" or sample:
            found["bleu"] = self._bleu(pairs, sample if sample > 0 else len(pairs))
        self.network.train()
        return found

    def _bleu(self, pairs: Pairs, sample: int) -> float:
        chosen = np.arange(len(pairs))
        if sample < len(pairs):
            # The same ones at each look.
            chosen = np.sort(np.random.default_rng(0).choice(len(pairs), sample, replace=False))
        ours, wanted = [], []
        for start in range(0, len(chosen), _SEARCH_ROWS):
            rows = chosen[start : start + _SEARCH_ROWS]
            found = beams(
                self.network,
                *_tensors(pairs.sources, rows),
                beam=self.values["beam_size"],
                longest=self.values["max_seq_len_target"],
                begin=self.signs[0],
                end=self.signs[1],
            )
            ours += [each.tokens for each in found]
            tokens, lengths = pairs.targets.padded(rows)
            wanted += [row[:length].tolist() for row, length in zip(tokens, lengths, strict=True)]
        return bleu(ours, wanted)

    def _state(self) -> dict[str, Any]:
        numbers = ("updates", "looks", "epoch", "position", "since", "plateau", "order", "best", "kept")
        return {
            **{name: getattr(self, name) for name in numbers},
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "torch": torch.get_rng_state(),
        }

    def _resume(self, random: np.random.Generator) -> int:
        """Go on from the job's checkpoint, if it has one; how many batches of the epoch are behind it."""
        state = networks.resumed(self.job)
        if state is None:
            return 0
        with networks.restoring():
            self.network.load_state_dict(state.pop("network"))
            self.optimizer.load_state_dict(state.pop("optimizer"))
            torch.set_rng_state(state.pop("torch"))
            random.bit_generator.state = json.loads(state["order"])
            for name, value in state.items():
                setattr(self, name, value)
        self.job.log.say(f"Resuming from the checkpoint after {self.updates} batches.")
        return self.position


def _metrics(seen: list[tuple[float, int, int]]) -> dict[str, float]:
    """Of sums of losses, right tokens and tokens."""
    loss, right, tokens = (sum(each) for each in zip(*seen, strict=True))
    return {"perplexity": math.exp(min(loss / tokens, 700.0)), "accuracy": right / tokens}


def _tensors(sequences: Sequences, rows: Any) -> tuple[Tensor, Tensor]:
    tokens, lengths = sequences.padded(rows)
    return torch.from_numpy(tokens), torch.from_numpy(lengths)
