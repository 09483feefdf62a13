"""Writes, as JSON, how many of some random objects have a box that overlaps them by half, by the image's side."""

import json

import torch

from sagesmith.algorithms.object_detection.boxes import corners, overlaps
from sagesmith.algorithms.object_detection.network import Network

torch.manual_seed(0)
found = {}
for name, side, least in (("resnet-20", 32, 0.25), ("efficientnet-lite0", 128, 0.2), ("efficientnet-lite0", 320, 0.08)):
    with torch.inference_mode():
        anchors = Network({"num_classes": 1, "encoder": name}).eval()(torch.zeros(1, 3, side, side))[2]
    extent = least + torch.rand(500, 1) * least / 2
    shape = torch.cat([extent, (extent * (0.5 + torch.rand(500, 1))).clamp(max=0.9)], 1)
    centre = shape / 2 + torch.rand(500, 2) * (1 - shape)
    best = overlaps(corners(anchors), corners(torch.cat([centre, shape], 1))).max(0).values
    found[side] = float((best > 0.5).float().mean())
print(json.dumps(found))
