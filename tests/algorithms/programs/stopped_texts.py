"""Writes which weights differ, of a job that was asked to stop before it began, from those that it began with."""

import json
import tempfile
from io import StringIO
from pathlib import Path

import torch

from sagesmith.algorithms import catalogue, networks
from sagesmith.algorithms.data.read import Source
from sagesmith.algorithms.encoder.model import Model, begin
from sagesmith.algorithms.run.job import Job
from sagesmith.algorithms.run.log import Log
from sagesmith.algorithms.text_classification.train import train

algorithm = catalogue.algorithm("text_classification")
values = algorithm.schema.read({"train_only_on_top_layer": "True"})
with tempfile.TemporaryDirectory() as folder:
    root = Path(folder)
    for name in ("training", "model"):
        (root / name).mkdir()
    (root / "training" / "data.csv").write_text("0,a\n1,b\n" * 4)
    sources = {"training": Source("training", root / "training", "text/csv")}
    job = Job(algorithm, values, {}, sources, ("algo-1",), "algo-1", root, Log("algo-1", "texts", StringIO()))
    job.stopping.set()
    train(job)
    left = Model.load(job.model, algorithm.name).network.state_dict()
networks.begin(seed=123)
begun = begin(values, None, (0, 1)).network.state_dict()
print(json.dumps([name for name, value in begun.items() if not torch.equal(value, left[name])]))
