"""`sagesmith interrupt`: take the instances of a managed spot training job away, as AWS does when it needs them."""

import argparse
import contextlib

from sagesmith.cli import UsageError
from sagesmith.config import Platform
from sagesmith.services.sagemaker.training import interrupt as interrupt_job
from sagesmith.store import CannotOpen, NotFound, SchemaMismatch, Store


def interrupt(options: argparse.Namespace) -> int:
    """Interrupt one job; it goes on from its checkpoint as soon as there are hosts for it."""
    platform = Platform.last(options.data)
    if platform is None:
        raise UsageError(f"No platform was started on {options.data} yet.")
    try:
        store = Store.open(platform.database_url)
    except (CannotOpen, SchemaMismatch) as error:
        raise UsageError(str(error)) from error
    with contextlib.closing(store):
        try:
            interrupt_job(store, options.region or platform.region, options.job)
        except (NotFound, ValueError) as error:
            raise UsageError(str(error)) from error
    print(f"{options.job} is asked to end, and starts again from its checkpoint.")
    return 0
