"""Writes down what a training script without network finds."""

import json
import os
import socket
from pathlib import Path

try:
    socket.create_connection(("203.0.113.1", 443), timeout=5)
    reached = "connected"
except OSError as error:
    reached = type(error).__name__ + ": " + str(error)

seen = {
    "reached": reached,
    "secrets": [name for name in os.environ if "SECRET" in name or "TOKEN" in name],
    "region": os.environ.get("AWS_REGION"),
    "module_dir": os.environ["SM_MODULE_DIR"],
    "channels": sorted(json.loads(os.environ["SM_CHANNELS"])),
}
Path(os.environ["SM_MODEL_DIR"], "seen.json").write_text(json.dumps(seen))
