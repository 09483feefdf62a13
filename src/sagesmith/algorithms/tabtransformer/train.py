"""Training TabTransformer."""

from copy import deepcopy
from typing import Any

import numpy as np
import torch
from sklearn import metrics
from torch.nn import functional

from sagesmith.algorithms import networks
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.state import write
from sagesmith.algorithms.tabtransformer.model import FILE, Encoding, apply, network
from sagesmith.algorithms.tabtransformer.network import Network
from sagesmith.algorithms.tabular import data
from sagesmith.algorithms.tabular.model import write_meta

_SEED = 0
# The perceptron has more weights than some hundred rows can tell. Three times less is better for digits, three times
# more for breast_cancer and diabetes; this is better than none for each, and for 6,000 rows with categories.
_PENALTY = 0.003


def train(job: Job) -> None:
    """Train, and save the network of the pass that was best.

    Raises:
        CustomerError: the data are wrong.
    """
    networks.begin(_SEED)
    table = data.read(job)
    classes = None if table.classes is None else len(table.classes)
    centre, scale = 0.0, 1.0
    if classes is None:
        centre, scale = float(table.train.labels.mean()), float(table.train.labels.std()) or 1.0
    encoding = Encoding.of(table.train.features, table.categories)
    options = _options(job, 1 if classes in (None, 2) else classes)
    net = network(options, encoding)
    optimizer = _optimizer(net, job.values["learning_rate"])
    categories, numbers = encoding.tensors(table.train.features)
    targets = torch.from_numpy(
        np.asarray((table.train.labels - centre) / scale if classes is None else table.train.labels)
    )
    best, kept, since = float("inf"), deepcopy(net.state_dict()), 0
    for epoch in range(job.values["n_epochs"]):
        net.train()
        for chosen in torch.randperm(len(targets)).split(job.values["batch_size"]):
            optimizer.zero_grad()
            loss = _loss(net(categories[chosen], numbers[chosen]), targets[chosen], classes)
            loss.backward()
            optimizer.step()
            if job.stopping.is_set():
                break
        found = apply(net, encoding, table.validation.features)
        true = (table.validation.labels - centre) / scale if classes is None else table.validation.labels
        left = float(_loss(torch.from_numpy(found), torch.from_numpy(np.asarray(true)), classes))
        if not np.isfinite(left):
            raise CustomerError(f"The loss is {left} after epoch {epoch}: lower learning_rate.")
        job.log.say(f"epoch {epoch + 1}: valid loss={left:.6g}, {_measured(found, true, classes)}")
        best, kept, since = (left, deepcopy(net.state_dict()), 0) if left < best else (best, kept, since + 1)
        if job.stopping.is_set():
            job.log.say("The job was asked to stop: the model is what was learned so far.")
            break
        if since >= job.values["patience"]:
            job.log.say(f"Early stopping after {epoch + 1} epochs.")
            break
    weights = {name: each.numpy() for name, each in kept.items()}
    write(job.model / FILE, {**weights, **encoding.arrays()})
    meta = {**table.meta(), "network": options, "centre": centre, "scale": scale}
    write_meta(job.model, job.algorithm.name, meta)


def _options(job: Job, outputs: int) -> dict[str, Any]:
    return {
        "outputs": outputs,
        "dimension": int(job.values["input_dim"]),
        "blocks": job.values["n_blocks"],
        "attention_dropout": job.values["attn_dropout"],
        "dropout": job.values["mlp_dropout"],
        "shared": job.values["frac_shared_embed"],
    }


def _optimizer(net: Network, rate: float) -> Any:
    """Adam, with an L2 penalty on the weights of the perceptron that joins a row's columns."""
    held = [each.weight for each in net.head if hasattr(each, "weight")]
    known = {id(each) for each in held}
    free = [each for each in net.parameters() if id(each) not in known]
    return torch.optim.Adam([{"params": held, "weight_decay": _PENALTY}, {"params": free}], rate)


def _loss(found: Any, targets: Any, classes: int | None) -> Any:
    if classes is None:
        return functional.mse_loss(found[:, 0], targets.float())
    if classes == 2:
        return functional.binary_cross_entropy_with_logits(found[:, 0], targets.float())
    return functional.cross_entropy(found, targets.long())


def _measured(found: Any, true: Any, classes: int | None) -> str:
    """The metric in the form in which AWS's regular expressions look for it."""
    names: tuple[str, ...]
    if classes is None:
        names, value = ("r2",), metrics.r2_score(true, found[:, 0]) if len(true) > 1 else 0.0
    elif classes == 2:
        names, value = ("f1",), metrics.f1_score(true, found[:, 0] > 0, zero_division=0)
    else:
        # Its library says the one, AWS's page the other.
        names, value = ("acc", "accuracy"), metrics.accuracy_score(true, found.argmax(axis=1))
    return ", ".join(f"metrics={{'{name}': {float(value):.6g}}}" for name in names)
