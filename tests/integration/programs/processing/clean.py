"""Writes down what a processing script sees, and turns its input into its output."""

import argparse
import importlib.util
import json
import os
import sys
from pathlib import Path

import helper
import sklearn

ROOT = Path("/opt/ml/processing")
parser = argparse.ArgumentParser()
parser.add_argument("--ratio", type=float)
rows = sorted(ROOT.joinpath("input/rows.csv").read_text().split())
ROOT.joinpath("train/rows.csv").write_text("\n".join(rows))
if importlib.util.find_spec("tabulate"):
    import tabulate

    version = tabulate.__version__
else:
    version = None
seen = {
    "arguments": vars(parser.parse_args()),
    "helper": helper.NAME,
    "sklearn": sklearn.__version__,
    "tabulate": version,
    "colour": os.environ.get("COLOUR"),
    "python": sys.executable,
    "name": json.loads(Path("/opt/ml/config/processingjobconfig.json").read_text())["ProcessingJobName"],
}
ROOT.joinpath("seen/seen.json").write_text(json.dumps(seen))
Path("/opt/ml/output/message").write_text(f"{len(rows)} rows")
print("cleaned", len(rows), "rows")
