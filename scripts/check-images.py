"""Builds the environment of every image that this machine has a runtime for, and lets each train and predict.

It writes the table of docs/images.md: what was built, on which Python, how long it took from an empty cache of
environments, how large it is, and whether it works.

Usage: scripts/check-images.py [--cache DIR] [--keep] [name of a lock …]
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from sagesmith.images import sdk
from sagesmith.images.base import EnvironmentFailed, Runtime
from sagesmith.images.environments import ensure, remove
from sagesmith.images.interpreters import interpreters
from sagesmith.images.registry import catalogue

COMMON = "import boto3, httptools, sagemaker_training.cli.train, sagemaker_training.record_pb2, uvloop\n"
ARRAYS = """
import numpy as np
features = np.random.default_rng(0).random((64, 3), dtype="float32")
labels = features.sum(1, keepdims=True)
"""
PROGRAMS = {
    "scikit-learn": """
from sklearn.ensemble import RandomForestRegressor
print(RandomForestRegressor(10).fit(features, labels.ravel()).predict(features[:1]))
""",
    "XGBoost": """
import xgboost
data = xgboost.DMatrix(features, labels)
print(xgboost.train({}, data, 5).predict(data, validate_features=False)[:1])
""",
    "PyTorch": """
import torch
model = torch.nn.Linear(3, 1)
torch.nn.MSELoss()(model(torch.from_numpy(features)), torch.from_numpy(labels)).backward()
print(torch.jit.script(model)(torch.from_numpy(features[:1])).detach().numpy(), torch.distributed.is_gloo_available())
""",
    "Transformers": """
import accelerate, datasets, torch, transformers
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast, pipeline
open("words.txt", "w").write("\\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]))
config = BertConfig(
    vocab_size=7, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
)
model = BertForSequenceClassification(config)
model(torch.tensor([[2, 5, 3]]), labels=torch.tensor([1])).loss.backward()
model.save_pretrained("model")
BertTokenizerFast("words.txt").save_pretrained("model")
print(pipeline("text-classification", model="model", tokenizer="model")("good"))
print(len(datasets.Dataset.from_dict({"word": ["good", "bad"]})), accelerate.Accelerator().device)
""",
    "TensorFlow": """
import tensorflow as tf
model = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(3,))])
model.compile(loss="mse")
model.fit(features, labels, verbose=0)
tf.saved_model.save(model, "1")
signature = tf.saved_model.load("1").signatures["serving_default"]
(name,) = signature.structured_input_signature[1]
print(next(iter(signature(**{name: tf.constant(features[:1])}).values())).numpy())
""",
    "MLflow": """
import mlflow, lightgbm, onnxruntime, statsmodels.api, xgboost
from mlflow.pyfunc import scoring_server
from sklearn.linear_model import LinearRegression
mlflow.sklearn.save_model(LinearRegression().fit(features, labels), "model")
model = mlflow.pyfunc.load_model("model")
print(scoring_server.invocations('{"inputs": [[1, 2, 3]]}', "application/json", model, None).response)
""",
    "Triton's protocol": "import cloudpickle, onnxruntime\nprint(onnxruntime.get_available_providers())\n",
    "MXNet": """
import mxnet as mx
from mxnet import autograd, gluon
net = gluon.nn.Dense(1)
net.initialize()
trainer = gluon.Trainer(net.collect_params(), "sgd")
with autograd.record():
    loss = gluon.loss.L2Loss()(net(mx.nd.array(features)), mx.nd.array(labels))
loss.backward()
trainer.step(64)
print(net(mx.nd.array(features[:1])).asnumpy())
""",
    "Chainer": """
import chainer
model = chainer.links.Linear(3, 1)
optimizer = chainer.optimizers.SGD().setup(model)
optimizer.update(lambda: chainer.functions.mean_squared_error(model(features), labels))
print(model(features[:1]).array)
""",
    "Spark": """
import pathlib, pyspark.sql, sagemaker_pyspark
pathlib.Path("rows.csv").write_text("1\\n2\\n3\\n")
session = pyspark.sql.SparkSession.builder.master("local[1]").getOrCreate()
print(session.read.csv("rows.csv", inferSchema=True).selectExpr("sum(_c0)").collect())
""",
    "Python": "import cloudpickle, pandas\nprint(pandas.DataFrame(features).shape)\n",
    "SDK v2": "import sagemaker.remote_function.invoke_function\nprint('imported')\n",
    "SDK v3": "import sagemaker.core.remote_function.invoke_function\nprint('imported')\n",
    "SDK vserve-3": "import sagemaker.serve.detector.pickler\nprint('imported')\n",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, help="where to build (default: a temporary directory)")
    parser.add_argument("--keep", action="store_true", help="leave the environments in the cache")
    parser.add_argument("locks", nargs="*", help="only these, such as pytorch-2.13.0-py3.11 (default: all)")
    arguments = parser.parse_args()
    say("| environment | product | Python | seconds | MiB | works |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="check-images-") as work:
        cache = arguments.cache or Path(work) / "cache"
        chosen = {name: each for name, each in runtimes().items() if not arguments.locks or name in arguments.locks}
        failed = sum(not check(product, runtime, cache, arguments.keep) for product, runtime in chosen.values())
    return 1 if failed else 0


def runtimes() -> dict[str, tuple[str, Runtime]]:
    """Every lock file that this machine has a Python for, with the product it is for."""
    found: dict[str, tuple[str, Runtime]] = {}
    machine, available = os.uname().machine, interpreters()
    for family in catalogue().values():
        for release in family.releases:
            for python in release.pythons:
                name = f"{release.lock}-py{python}"
                if python in available and machine in release.machines:
                    uri = f"{family.repository}:{release.tag}"
                    label = family.product if family.product == "Python" else f"{family.product} {release.version}"
                    variables = dict(family.variables)
                    runtime = Runtime(uri, family.repository, release.tag, name, python, None, ["train"], variables)
                    found.setdefault(name, (label, runtime))
    base = next(iter(found.values()))[1]
    for major, pythons in sdk.PYTHONS.items():
        for python in pythons:
            if python in available:
                name = f"{sdk.lock(major)}-py{python}"
                found[name] = (f"SDK v{major}", replace(base, lock=name, python=python))
    return found


def check(product: str, runtime: Runtime, cache: Path, keep: bool) -> bool:
    """Build an environment and run its product's program; one line of the table."""
    started = time.monotonic()
    row = f"| `{runtime.lock.rpartition('-py')[0]}` | {product} | {runtime.python} |"
    try:
        built = ensure(runtime, cache, lambda _: None)
    except EnvironmentFailed as error:
        say(f"{row} – | – | not built: {' '.join(str(error).split())[-300:]} |")
        return False
    seconds = time.monotonic() - started
    size = sum(each.lstat().st_blocks * 512 for each in built.path.rglob("*") if not each.is_dir()) / 2**20
    program = PROGRAMS.get(product) or PROGRAMS[product.rpartition(" ")[0]]
    head = "" if product.startswith("SDK") else COMMON + ARRAYS
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [built.path / "bin" / "python", "-W", "ignore", "-c", head + program],
            env={"PATH": "/usr/bin:/bin", "HOME": folder, "AWS_DEFAULT_REGION": "us-east-1", **runtime.variables},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    said = "yes" if ran.returncode == 0 else f"no: {' '.join(ran.stderr.split())[-300:]}"
    say(f"{row} {seconds:.0f} | {size:.0f} | {said} |")
    if not keep:
        remove(built.path)
    return ran.returncode == 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
