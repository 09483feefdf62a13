"""Artifacts, actions, contexts."""

from tests.conformance.facts import Facts

_SOURCE = {"SourceUri": "Source.SourceUri"}

ARTIFACT = Facts("Artifact", unique="Source.SourceUri", filters=_SOURCE)
ACTION = Facts("Action", filters=_SOURCE)
CONTEXT = Facts("Context", filters=_SOURCE)
