"""Leaves something in every place that a container has for it."""

import os
from pathlib import Path

CHECKPOINT = Path("/opt/ml/checkpoints/state.txt")

print("begins with", CHECKPOINT.read_text() if CHECKPOINT.exists() else "nothing", flush=True)
CHECKPOINT.write_text("what was learnt")
for path, text in {
    Path(os.environ["SM_MODEL_DIR"], "deep", "weights"): "weights",
    Path(os.environ["SM_OUTPUT_DATA_DIR"], "report.json"): "{}",
    Path(os.environ["SM_OUTPUT_INTERMEDIATE_DIR"], "step.txt"): "half way",
    Path("/opt/ml/output/tensorboard/events.out.1"): "event",
}.items():
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
