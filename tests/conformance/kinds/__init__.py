"""Facts about kinds, one module a family, one entry a kind (see `tests.conformance.facts`)."""
