"""`sagesmith interrupt`: take the instances of a managed spot training job away, as AWS does when it needs them."""

import argparse

from sagesmith.cli import UsageError
from sagesmith.cli.stores import opened_last
from sagesmith.services.sagemaker.training import interrupt as interrupt_job
from sagesmith.store import NotFound


def interrupt(options: argparse.Namespace) -> int:
    """Interrupt one job; it goes on from its checkpoint as soon as there are hosts for it."""
    with opened_last(options.data) as (platform, store):
        try:
            interrupt_job(store, options.region or platform.region, options.job)
        except (NotFound, ValueError) as error:
            raise UsageError(str(error)) from error
    print(f"{options.job} is asked to end, and starts again from its checkpoint.")
    return 0
