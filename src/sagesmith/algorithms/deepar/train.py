"""Training DeepAR."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from sagesmith.algorithms import networks
from sagesmith.algorithms.deepar import linear
from sagesmith.algorithms.deepar.calendar import Frequency
from sagesmith.algorithms.deepar.forecast import FILE, WEIGHTS, Forecaster
from sagesmith.algorithms.deepar.series import Series, read
from sagesmith.algorithms.deepar.windows import Laid
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.hosts import Hosts, connected
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.state import pack, unpack

_LEAST_BATCHES = 10
_MOST_BATCHES = 200
_CLIPPED = 10.0


def train(job: Job) -> None:
    with connected(job) as hosts:
        random = networks.begin(seed=0)
        frequency = Frequency.parse(job.values["time_freq"])
        found = read(job.sources["train"], frequency)
        forecaster = Forecaster.of(plan(job.values, found, hosts))
        found = forecaster.prepared(found)
        forecaster.check(found, 0)
        _long_enough(found, job.values["prediction_length"])
        # Instances draw windows of their own; their networks begin alike.
        random = np.random.default_rng((0, hosts.rank))
        fit(job, hosts, forecaster, found, random)
        if job.leads:
            (job.model / FILE).write_text(json.dumps(dict(forecaster.plan)))
            networks.save_weights(forecaster.network, job.model / WEIGHTS)
        if "test" in job.sources and not job.stopping.is_set():
            evaluate(job, forecaster, read(job.sources["test"], frequency))


def plan(values: Mapping[str, Any], found: Sequence[Series], hosts: Hosts) -> dict[str, Any]:
    """What a network is made by: the hyperparameters, and what `auto` came to in the data of all instances.

    Raises:
        CustomerError: the series are not alike.
    """
    cardinality, features = values["cardinality"], values["num_dynamic_feat"]
    ignored = {"cat": cardinality == "ignore", "dynamic_feat": features == "ignore"}
    if cardinality == "auto":
        if len({len(each.categories) for each in found}) > 1:
            raise CustomerError("All time series must have the same number of values in 'cat'.")
        highest = np.max([each.categories for each in found], axis=0, initial=-1) + 1
        cardinality = np.max([unpack(each)["n"] for each in hosts.gather(pack({"n": highest}))], axis=0).tolist()
    names = ("time_freq", "context_length", "prediction_length", "likelihood", "num_layers", "num_cells")
    return {
        **{name: values[name] for name in (*names, "dropout_rate", "embedding_dimension")},
        "cardinality": cardinality if isinstance(cardinality, list) else [],
        "num_dynamic_feat": len(found[0].features) if features == "auto" else features if features != "ignore" else 0,
        "ignored": ignored,
    }


def fit(job: Job, hosts: Hosts, forecaster: Forecaster, found: Sequence[Series], random: np.random.Generator) -> None:
    """Learn from windows drawn at random, and keep the epoch of the least loss."""
    values, network, windows = job.values, forecaster.network, forecaster.windows
    laid = [windows.laid(each) for each in found]
    networks.use_cores(network, values["mini_batch_size"] * (windows.context + windows.prediction))
    linear.begin(network, windows, laid, random)
    # All begin with the same one.
    _averaged(hosts, network, 0.0)
    optimizer = torch.optim.Adam(network.parameters(), lr=values["learning_rate"])
    size = values["mini_batch_size"]
    windows_there = sum(max(1, each.length // windows.prediction) for each in laid)
    batches = min(_MOST_BATCHES, max(_LEAST_BATCHES, -(-windows_there // size)))
    epochs, patience = values["epochs"], values["early_stopping_patience"]
    best, since, kept, first = float("inf"), 0, None, 0
    if state := networks.resumed(job, hosts):
        with networks.restoring():
            network.load_state_dict(state["network"])
            optimizer.load_state_dict(state["optimizer"])
            first, best, since, kept = state["epoch"], state["best"], state["since"], state["kept"]
            torch.set_rng_state(state["torch"])
            others = np.random.default_rng((0, hosts.rank, first)).bit_generator.state
            random.bit_generator.state = json.loads(state["random"]) if job.leads else others
        job.log.say(f"Resuming from the checkpoint after {first} epochs.")
    for epoch in range(first, epochs):
        start, losses = time.time(), []
        network.train()
        for _ in range(batches):
            losses.append(_step(forecaster, optimizer, _drawn(laid, windows.prediction, size, random)))
            if job.stopping.is_set():
                break
        loss = _averaged(hosts, network, float(np.mean(losses)))
        end = time.time()
        job.log.throughput(len(losses) * size, end - start)
        job.log.quality("train", "loss", loss, epoch=epoch)
        job.log.metrics({"train_loss": loss, "update.time": 1000 * (end - start)}, start, end, epoch=epoch)
        job.log.progress(epoch + 1, epochs)
        if not np.isfinite(loss):
            raise CustomerError(f"The loss is {loss} after epoch {epoch}: lower learning_rate.")
        since = 0 if loss < best else since + 1
        if loss < best:
            best, kept = loss, {name: value.clone() for name, value in network.state_dict().items()}
        if hosts.any(job.stopping.is_set()):
            job.log.say("The job was asked to stop: the model is made of what was learned so far.")
            break
        networks.checkpoint(
            job,
            {
                "network": network.state_dict(),
                "optimizer": optimizer.state_dict(),
                "epoch": epoch + 1,
                "best": best,
                "since": since,
                "kept": kept,
                "torch": torch.get_rng_state(),
                "random": json.dumps(random.bit_generator.state),
            },
        )
        if patience is not None and since >= patience:
            job.log.say(f"Loss has not improved for {patience} epochs. Stopping training.")
            break
    if kept is not None:
        network.load_state_dict(kept)
    job.log.quality("train", "final_loss", best)
    network.eval()


def evaluate(job: Job, forecaster: Forecaster, found: list[Series]) -> None:
    """Forecast the end of each test series from what is before it, and report how far off that is.

    Raises:
        CustomerError: a series has no end to forecast.
    """
    values, steps = job.values, forecaster.windows.prediction
    found = forecaster.prepared(found)
    forecaster.check(found, 0)
    for each in found:
        if len(each) <= steps:
            raise CustomerError(
                f"A time series of the test channel must have more values than prediction_length, {steps}; this one "
                f"has {len(each)} ({each.place})."
            )
    quantiles = values["test_quantiles"]
    squares, total, count, losses = 0.0, 0.0, 0, np.zeros(len(quantiles))
    begun = [each.until(len(each) - steps) for each in found]
    for each, all_paths in zip(found, forecaster.samples(begun, values["num_eval_samples"]), strict=True):
        truth = each.target[len(each) - steps :].astype(np.float64)
        known = ~np.isnan(truth)
        paths, truth = all_paths[:, known], truth[known]
        squares += float(((paths.mean(axis=0) - truth) ** 2).sum())
        total += float(np.abs(truth).sum())
        count += len(truth)
        for number, quantile in enumerate(quantiles):
            off = truth - np.quantile(paths, quantile, axis=0)
            losses[number] += 2 * float(np.maximum(quantile * off, (quantile - 1) * off).sum())
    if not count:
        raise CustomerError("The time series of the test channel have no values in their last prediction_length steps.")
    weighted = losses / max(total, 1e-12)
    scores = {
        "RMSE": (squares / count) ** 0.5,
        "mean_absolute_QuantileLoss": float(losses.mean()),
        "mean_wQuantileLoss": float(weighted.mean()),
        **{f"wQuantileLoss[{each:g}]": float(value) for each, value in zip(quantiles, weighted, strict=True)},
    }
    for name, score in scores.items():
        job.log.say(f"#test_score ({job.host}, {name}): {score}")
    for name in ("RMSE", "mean_wQuantileLoss"):
        job.log.quality("test", name, scores[name])


def _drawn(laid: Sequence[Laid], steps: int, size: int, random: np.random.Generator) -> list[tuple[Laid, int]]:
    """Windows: a series each, all as likely, and where its forecast begins."""
    chosen = []
    for number in random.integers(0, len(laid), size):
        each = laid[number]
        chosen.append((each, int(random.integers(min(1, each.length), max(each.length - steps, 1) + 1))))
    return chosen


def _step(forecaster: Forecaster, optimizer: torch.optim.Optimizer, chosen: list[tuple[Laid, int]]) -> float:
    network, batch = forecaster.network, forecaster.windows.examples(chosen)
    optimizer.zero_grad()
    context = slice(forecaster.windows.context)
    scaled = batch["values"][:, context] / batch["scales"][:, None]
    spreads = network.spreads(batch["steps"][:, context], scaled, batch["observed"][:, context])
    parameters, _ = network(batch["steps"], batch["categories"], batch["scales"], spreads)
    losses = network.likelihood.loss(parameters, batch["values"], batch["scales"][:, None])
    loss = (losses * batch["observed"]).sum() / batch["observed"].sum().clamp(min=1)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), _CLIPPED)
    optimizer.step()
    return float(loss.detach())


def _averaged(hosts: Hosts, network: torch.nn.Module, loss: float) -> float:
    """Make every instance's weights the mean of all; the mean loss."""
    if hosts.size == 1:
        return loss
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    everybody = [unpack(each) for each in hosts.gather(pack({**weights, "_loss": loss}))]
    # The mean of arrays without dimensions is a number, and no array.
    mean = {name: torch.as_tensor(np.mean([each[name] for each in everybody], axis=0)) for name in weights}
    network.load_state_dict(mean)
    return float(np.mean([each["_loss"] for each in everybody]))


def _long_enough(found: Sequence[Series], steps: int) -> None:
    longest = max(found, key=len)
    if len(longest) <= steps:
        raise CustomerError(
            f"At least one time series of the train channel must have more values than prediction_length, {steps}; the "
            f"longest has {len(longest)} ({longest.place})."
        )
    if all(np.isnan(each.target).all() for each in found):
        raise CustomerError("The time series of the train channel have no values that are not missing.")
