"""`sagesmith events`: what happened to resources, as EventBridge would tell it."""

import argparse
import json
import time
from typing import Any

from sagesmith.cli.stores import opened_last

POLL_SECONDS = 0.5


def events(options: argparse.Namespace) -> int:
    """Print all events that are kept, the oldest first; with `--follow` those that come as well, until interrupted."""
    cursor: str | None = None
    with opened_last(options.data) as (_, store):
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
