"""Handlers whose answer shows where they run; a weight in the model's file decides what they answer."""

import io
import json
import os
from pathlib import Path

import multiplier
import numpy


def model_fn(model_dir):
    return float(Path(model_dir, "weight.txt").read_text())


def input_fn(body, content_type):
    if content_type == "application/json":
        return json.loads(body)
    if content_type == "text/csv":
        return [[float(each) for each in line.split(",")] for line in body.split()]
    if content_type == "application/x-npy":
        return numpy.load(io.BytesIO(body)).tolist()
    raise ValueError(f"unknown content type {content_type}")


def predict_fn(data, model):
    if data == "where":
        names = ("SAGEMAKER_SUBMIT_DIRECTORY", "SAGEMAKER_PROGRAM", "SAGEMAKER_REGION", "COLOUR")
        return {"file": __file__, "variables": {name: os.environ.get(name) for name in names}}
    if data == "fail":
        raise ValueError("asked to fail")
    return multiplier.times(data, model)


def output_fn(prediction, accept):
    if accept == "text/csv":
        return "\n".join(",".join(str(each) for each in row) for row in prediction), accept
    if accept == "application/x-npy":
        buffer = io.BytesIO()
        numpy.save(buffer, numpy.array(prediction))
        return buffer.getvalue(), accept
    return json.dumps(prediction), "application/json"
