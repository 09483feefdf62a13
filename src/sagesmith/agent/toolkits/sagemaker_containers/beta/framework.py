"""What scripts import at their top for both lives of theirs, although training uses little of it."""

from types import SimpleNamespace

from sagemaker_training import content_types, encoders, entry_point, environment, errors, files, mapping, params

env = environment

# Their names are imported for handlers that run when the model is served, where the model server has them.
modules = SimpleNamespace()
server = SimpleNamespace()
transformer = SimpleNamespace()
worker = SimpleNamespace()

__all__ = [
    "content_types",
    "encoders",
    "entry_point",
    "env",
    "errors",
    "files",
    "mapping",
    "modules",
    "params",
    "server",
    "transformer",
    "worker",
]
