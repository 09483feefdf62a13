"""Fails as user code does: somewhere below, with an exception."""

import sys


def inner():
    raise ValueError('no column "target" in the data')


print("before the failure")
sys.stdout.flush()
inner()
