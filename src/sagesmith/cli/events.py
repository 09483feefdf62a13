"""`sagesmith events`: what happened to resources, as EventBridge would tell it."""

import argparse
import contextlib
import json
import time
from typing import Any

from sagesmith.cli import UsageError
from sagesmith.config import Platform
from sagesmith.store import CannotOpen, SchemaMismatch, Store

POLL_SECONDS = 0.5


def events(options: argparse.Namespace) -> int:
    """Print all events that are kept, the oldest first; with `--follow` those that come as well, until interrupted."""
    platform = Platform.last(options.data)
    if platform is None:
        raise UsageError(f"No platform was started on {options.data} yet.")
    try:
        store = Store.open(platform.database_url)
    except (CannotOpen, SchemaMismatch) as error:
        raise UsageError(str(error)) from error
    cursor: str | None = None
    with contextlib.closing(store):
        while True:
            with store.read() as tx:
                page = tx.events(cursor)
            cursor = page.cursor
            for event in page.events:
                print(json.dumps(event) if options.json else _line(event), flush=True)
            if page.events:
                continue
            if not options.follow:
                return 0
            time.sleep(POLL_SECONDS)


def _line(event: dict[str, Any]) -> str:
    resource = event["resources"][0].split(":", 5)[-1]
    status = " ".join(str(value) for member, value in event["detail"].items() if member.endswith("Status"))
    return "  ".join(filter(None, (event["time"], event["region"], event["detail-type"], resource, status)))
