"""Writes down what a training script sees."""

import argparse
import json
import os
from pathlib import Path

import shared_helper
import tabulate

parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
parser.add_argument("--rate", type=float)
parser.add_argument("--words")
parser.add_argument("--flag")
parser.add_argument("--layers")
arguments, unknown = parser.parse_known_args()


def channel(name):
    root = Path(os.environ[f"SM_CHANNEL_{name.upper()}"])
    return {str(path.relative_to(root)): path.read_text() for path in sorted(root.rglob("*")) if path.is_file()}


for number, loss in enumerate((0.5, 0.25, 1e-3)):
    print(f"epoch {number} loss={loss} accuracy={1 - loss};", flush=True)
print("snowman \N{SNOWMAN}")

seen = {
    "arguments": vars(arguments),
    "unknown": unknown,
    "hyperparameters": json.loads(os.environ["SM_HPS"]),
    "channels": {name: channel(name) for name in json.loads(os.environ["SM_CHANNELS"])},
    "input_config": json.loads(os.environ["SM_INPUT_DATA_CONFIG"]),
    "helper": shared_helper.NAME,
    "tabulate": tabulate.__version__,
    "variables": {
        name: os.environ.get(name) for name in ("COLOUR", "SM_MODULE_NAME", "SM_CURRENT_HOST", "SM_NUM_CPUS")
    },
    "directory": os.getcwd(),
}
Path(os.environ["SM_MODEL_DIR"], "seen.json").write_text(json.dumps(seen))
