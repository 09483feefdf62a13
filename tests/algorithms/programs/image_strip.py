"""Writes how much memory an image takes that is one pixel high and 20,000 long, as JSON."""

import json
import resource

import numpy as np

from sagesmith.algorithms.image_classification import pictures

VALUES = {"image_shape": (3, 224, 224), "resize": None}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = pictures.middle(np.zeros((1, 20_000, 3), np.uint8), VALUES, whole=True)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"shape": found.shape, "grown_bytes": (after - before) * 1024}))
