"""Writes down what a training script of the SDK v3 sees."""

import argparse
import json
import os
from pathlib import Path

import helper

if os.environ.get("FAIL"):
    raise ValueError('no column "target" in the data')

parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
parser.add_argument("--rate", type=float)
parser.add_argument("--words")
parser.add_argument("--flag")
parser.add_argument("--layers")
parser.add_argument("--nested")
arguments, unknown = parser.parse_known_args()

try:
    import tabulate
except ImportError:
    tabulate = None

print("loss=0.5;")
print("loss=0.25;", flush=True)

channels = json.loads(os.environ["SM_CHANNELS"])
seen = {
    "arguments": vars(arguments),
    "unknown": unknown,
    "hyperparameters": json.loads(os.environ["SM_HPS"]),
    "channels": {
        name: sorted(os.listdir(os.environ[f"SM_CHANNEL_{name.upper()}"])) for name in channels if name != "sm_drivers"
    },
    "helper": helper.NAME,
    "tabulate": tabulate and tabulate.__version__,
    "variables": {name: os.environ.get(name) for name in ("COLOUR", "TRAINING_JOB_NAME", "SM_MODEL_DIR")},
    "directory": os.getcwd(),
}
Path(os.environ["SM_MODEL_DIR"], "seen.json").write_text(json.dumps(seen))
