"""Figures, measured beside their peers in the same run. `make bench` runs all of them."""
