"""Batch transform: objects of S3 go through a model server record by record, and its answers become objects.

`records` takes objects apart, `association` filters and joins, `invocations` asks the model server, `pipeline` does all
of it for one object after the other, `task` is the life of a transform task.
"""
