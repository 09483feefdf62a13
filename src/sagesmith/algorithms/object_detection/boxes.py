"""Boxes: what anchors stand for, what to keep of what was found, and how good that is.

A corner box is left, top, right, bottom; a centred one is centre x, centre y, width, height. All are parts of the
image's sides.

Sources:
    Liu et al.: SSD: Single Shot MultiBox Detector, ECCV 2016 (sections 2.2, 3.1)
    Everingham et al.: The PASCAL Visual Object Classes Challenge: A Retrospective, 2015 (average precision)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, smooth_l1_loss

_MATCHED = 0.5
_NEGATIVES = 3
_VARIANCES = torch.tensor([0.1, 0.1, 0.2, 0.2])
_LEAST_SCORE = 0.01
_BEFORE, _AFTER = 400, 100
"""How many boxes are looked at, and kept, of an image."""


def corners(centred: Tensor) -> Tensor:
    half = centred[..., 2:] / 2
    return torch.cat([centred[..., :2] - half, centred[..., :2] + half], -1)


def overlaps(one: Tensor, other: Tensor) -> Tensor:
    """Intersection over union of corner boxes, each of (n, 4) with each of (m, 4)."""
    low = torch.maximum(one[:, None, :2], other[None, :, :2])
    high = torch.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    areas = [(each[:, 2:] - each[:, :2]).clamp(min=0).prod(-1) for each in (one, other)]
    return shared / (areas[0][:, None] + areas[1][None] - shared).clamp(min=1e-9)


def targets(objects: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """What the anchors should say of an image.

    Args:
        objects: rows of class, left, top, right, bottom.

    Returns:
        The class of each anchor, 0 for the background; and its shift.
    """
    if not len(objects):
        return torch.zeros(len(anchors), dtype=torch.long), torch.zeros(len(anchors), 4)
    found = overlaps(corners(anchors), objects[:, 1:])
    best, owner = found.max(1)
    # Every object has an anchor, however little that overlaps.
    for number, anchor in enumerate(found.argmax(0).tolist()):
        best[anchor], owner[anchor] = 1.0, number
    classes = torch.where(best >= _MATCHED, objects[owner, 0].long() + 1, 0)
    true = objects[owner, 1:]
    extent = (true[:, 2:] - true[:, :2]).clamp(min=1e-6)
    centre = (true[:, :2] + true[:, 2:]) / 2
    shift = torch.cat([(centre - anchors[:, :2]) / anchors[:, 2:], (extent / anchors[:, 2:]).log()], 1)
    return classes, shift / _VARIANCES


def losses(scores: Tensor, shifts: Tensor, classes: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """The cross-entropy and the smooth L1 of a batch, for each anchor with an object.

    Of the background only the hardest anchors count, three for each with an object.
    """
    there = classes > 0
    count = there.sum().clamp(min=1)
    each = cross_entropy(scores.flatten(0, 1), classes.flatten(), reduction="none").view_as(classes)
    background = each.detach().masked_fill(there, -1.0)
    rank = background.argsort(1, descending=True).argsort(1)
    hard = ~there & (rank < _NEGATIVES * there.sum(1, keepdim=True).clamp(min=1))
    entropy = each[there | hard].sum() / count
    return entropy, smooth_l1_loss(shifts[there], wanted[there], reduction="sum") / count


def detections(scores: Tensor, shifts: Tensor, anchors: Tensor, threshold: float) -> Any:
    """What is in an image: rows of class, score, left, top, right, bottom, the best first.

    Args:
        scores: logits of (anchors, 1 + classes).
        threshold: of two boxes of a class that overlap by more, the better is kept (`nms_threshold`).
    """
    moved = shifts * _VARIANCES
    centre = anchors[:, :2] + moved[:, :2] * anchors[:, 2:]
    extent = anchors[:, 2:] * moved[:, 2:].clamp(max=4).exp()
    boxes = corners(torch.cat([centre, extent], 1)).clamp(0, 1)
    best, classes = scores.softmax(1)[:, 1:].max(1)
    order = best.argsort(descending=True, stable=True)[:_BEFORE]
    order = order[best[order] > _LEAST_SCORE]
    kept = _suppressed(boxes[order], classes[order], threshold)
    rows = order[kept][:_AFTER]
    return torch.cat([classes[rows, None].float(), best[rows, None], boxes[rows]], 1).numpy().astype(np.float64)


def _suppressed(boxes: Tensor, classes: Tensor, threshold: float) -> list[int]:
    """The numbers of those boxes, best first, that no better one of their class hides."""
    hides = ((overlaps(boxes, boxes) > threshold) & (classes[:, None] == classes[None])).numpy()
    hidden = np.zeros(len(boxes), bool)
    kept = []
    for number in range(len(boxes)):
        if not hidden[number]:
            kept.append(number)
            hidden |= hides[number]
    return kept


def mean_average_precision(found: Sequence[Any], true: Sequence[Any], classes: int, overlap: float) -> float:
    """The mean, over the classes that there are, of the area under precision by recall.

    Args:
        found: of each image, what `detections` gives.
        true: of each image, rows of class, left, top, right, bottom.
        overlap: what a detection must share with an object (`overlap_threshold`).
    """
    areas = []
    for number in range(classes):
        objects = [each[each[:, 0] == number][:, 1:] for each in true]
        total = sum(map(len, objects))
        if total:
            areas.append(_average_precision([each[each[:, 0] == number] for each in found], objects, total, overlap))
    return float(np.mean(areas)) if areas else 0.0


def _average_precision(found: Sequence[Any], objects: Sequence[Any], total: int, overlap: float) -> float:
    ranked = sorted(
        ((float(row[1]), image, row[2:]) for image, rows in enumerate(found) for row in rows),
        key=lambda each: -each[0],
    )
    taken = [np.zeros(len(each), bool) for each in objects]
    right = np.zeros(len(ranked))
    for place, (_, image, box) in enumerate(ranked):
        if not len(objects[image]):
            continue
        shared = overlaps(torch.from_numpy(box[None]), torch.from_numpy(objects[image].astype(np.float64)))[0]
        best = int(shared.argmax())
        if shared[best] >= overlap and not taken[image][best]:
            taken[image][best], right[place] = True, 1
    recall = np.concatenate([[0.0], right.cumsum() / total])
    precision = right.cumsum() / (np.arange(len(right)) + 1)
    # Precision is the best that is had at that recall or more.
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall) * envelope).sum())
