"""The store of the platform that a data directory belongs to, for commands that look into it themselves."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sagesmith.cli import UsageError
from sagesmith.config import Platform
from sagesmith.store import CannotOpen, SchemaMismatch, Store


@contextlib.contextmanager
def opened_last(data: Path) -> Iterator[tuple[Platform, Store]]:
    """The platform that ran last on a data directory, and its store as long as this is entered.

    Raises:
        UsageError: none ever ran there, or its store cannot be opened.
    """
    platform = Platform.last(data)
    if platform is None:
        raise UsageError(f"No platform was started on {data} yet.")
    with opened(platform) as store:
        yield platform, store


@contextlib.contextmanager
def opened(platform: Platform) -> Iterator[Store]:
    """A platform's store as long as this is entered.

    Raises:
        UsageError: it cannot be opened.
    """
    try:
        store = Store.open(platform.database_url)
    except (CannotOpen, SchemaMismatch) as error:
        raise UsageError(str(error)) from error
    with contextlib.closing(store):
        yield store
