"""Triton's model repositories and its inference protocol, for models of ONNX and of the Python backend.

`config` reads a model's configuration, `tensors` the requests and answers, `backend` has the module that models of the
Python backend import, and `models` runs either kind.
"""
