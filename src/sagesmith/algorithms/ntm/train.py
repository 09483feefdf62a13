"""Training NTM."""

from collections.abc import Iterator
from typing import Any

import torch
from scipy import sparse

from sagesmith.algorithms import networks
from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.lines import blocks
from sagesmith.algorithms.data.read import Source, batches, streams
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.ntm.coherence import told
from sagesmith.algorithms.ntm.model import Topics
from sagesmith.algorithms.ntm.network import Network
from sagesmith.algorithms.ntm.state import WARM, Learner
from sagesmith.algorithms.run.hosts import connected
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.streaming import passes

_SEED = 1
_KEPT = 5000
"""So many documents are kept to tell topics' coherence by."""


def train(job: Job) -> None:
    values, source = job.values, job.sources["train"]
    words = vocabulary(job)
    kept: list[Any] = []
    history: list[float] = []

    def documents(epoch: int) -> Iterator[Batch]:
        for batch in _documents(job, source, epoch, shuffle=True):
            if epoch == 0 and words is not None and sum(map(_rows, kept)) < _KEPT:
                kept.append(sparse.csr_matrix(batch.features))
            yield batch

    def after(state: Learner, epoch: int) -> bool:
        losses = _report(job, "train", state.losses(), epoch)
        if "validation" in job.sources:
            losses = _report(job, "validation", measured(job, state.network, "validation", epoch), epoch)
        # Until the divergence counts in full, losses cannot be compared.
        if state.steps >= WARM:
            history.append(losses)
        return has_settled(job, history)

    with connected(job) as hosts:
        learner = Learner(values, hosts.rank, hosts.size)
        networks.use_cores(learner.network, values["mini_batch_size"])
        state = passes(job, hosts, learner, documents, values["epochs"], after)
    if not job.leads:
        return
    model = made(state.network, values["encoder_layers_activation"])
    model.save(job.model, job.host)
    for line in told(model.words, words, sparse.vstack(kept)[:_KEPT] if kept else None):
        job.log.say(line)
    if "test" in job.sources:
        _report(job, "test", measured(job, state.network, "test", 0), state.steps)


def vocabulary(job: Job) -> list[str] | None:
    """The words of the auxiliary channel; None if there is none.

    Raises:
        CustomerError: there is no vocab.txt, or it has another number of words than there are columns.
    """
    if "auxiliary" not in job.sources:
        return None
    for stream, name in streams(job.sources["auxiliary"]):
        if not name.endswith("vocab.txt"):
            continue
        words = "".join(block.text(name) for block in blocks(stream)).splitlines()
        if len(words) != job.values["feature_dim"]:
            raise CustomerError(
                f"The vocabulary in {name} has {len(words)} words, but feature_dim is {job.values['feature_dim']}."
            )
        return [word.strip() for word in words]
    raise CustomerError("Unable to read data channel 'auxiliary': it has no file vocab.txt")


def has_settled(job: Job, history: list[float]) -> bool:
    """Whether the loss has changed by too little within the last epochs to go on."""
    patience = job.values["num_patience_epochs"]
    if len(history) <= patience:
        return False
    before, best = history[-patience - 1], min(history[-patience:])
    change = (before - best) / max(abs(before), 1e-12)
    job.log.say(f"patience losses:{history[-patience:]} min patience loss:{best} loss before:{before}")
    return bool(change < job.values["tolerance"])


def measured(job: Job, network: Network, channel: str, epoch: int) -> dict[str, float]:
    """The mean losses of a channel's documents."""
    network.eval()
    recons, kld, count = 0.0, 0.0, 0
    noise = torch.Generator().manual_seed(_SEED)
    for batch in _documents(job, job.sources[channel], epoch, shuffle=False):
        counts = torch.from_numpy(batch.dense())
        drawn = torch.randn((len(counts), job.values["num_topics"]), generator=noise)
        with torch.no_grad():
            losses = network.losses(counts, drawn)
        recons, kld = recons + float(losses[0].sum()), kld + float(losses[1].sum())
        count += len(counts)
    return {"recons": recons / max(count, 1), "kld": kld / max(count, 1)}


def made(network: Network, activation: str) -> Topics:
    """The model of a network; batch normalization becomes part of its layers."""
    network.eval()
    layers = []
    with torch.no_grad():
        for linear, norm in zip(network.hidden, network.norms, strict=True):
            weights, offsets = linear.weight.T, linear.bias
            if not isinstance(norm, torch.nn.Identity):
                scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
                weights, offsets = weights * scale, (offsets - norm.running_mean) * scale + norm.bias
            layers.append((weights.double().numpy(), offsets.double().numpy()))
        layers.append((network.mean.weight.T.double().numpy(), network.mean.bias.double().numpy()))
        words = network.words().numpy()
    return Topics(tuple(layers), activation, words)


def _documents(job: Job, source: Source, epoch: int, *, shuffle: bool) -> Iterator[Batch]:
    size, columns = job.values["mini_batch_size"], job.values["feature_dim"]
    seed = _SEED if shuffle else None
    for batch in batches(source, labels=None, rows=size, columns=columns, epoch=epoch, shuffle_seed=seed):
        counts = batch.features
        if counts.min() < 0:
            raise CustomerError(f"Channel '{source.name}' has a count of words that is negative: {counts.min():g}.")
        yield Batch(counts)


def _report(job: Job, channel: str, losses: dict[str, float], epoch: int) -> float:
    total = losses["recons"] + losses["kld"]
    for name, value in {"total_loss": total, **losses}.items():
        job.log.quality(channel, name, value, epoch=epoch)
    return total


def _rows(documents: Any) -> int:
    return int(documents.shape[0])
