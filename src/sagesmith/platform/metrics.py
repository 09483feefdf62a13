"""What runs, for `sagesmith status` and for Prometheus."""

from typing import Any

from sagesmith.services.base import Home
from sagesmith.store import Query

_JOB_KINDS = ("training-job", "processing-job", "transform-job")
_STATUSES = ("InProgress", "Stopping")


def resources(home: Home) -> dict[str, list[dict[str, Any]]]:
    """Unfinished jobs and all endpoints of every region, newest first, at most 100 of a kind and region."""
    jobs: list[dict[str, Any]] = []
    endpoints: list[dict[str, Any]] = []
    with home.store.read() as tx:
        for region in tx.regions():
            for kind in _JOB_KINDS:
                for status in _STATUSES:
                    page = tx.list(Query(kind, region, status=status, limit=100))
                    jobs += [
                        {"name": each.name, "kind": kind, "region": region, "status": status} for each in page.documents
                    ]
            page = tx.list(Query("endpoint", region, limit=100))
            endpoints += [{"name": each.name, "region": region, "status": each.status} for each in page.documents]
    return {"jobs": jobs, "endpoints": endpoints}


def prometheus(home: Home) -> str:
    """Counts by kind and status in Prometheus' text format."""
    lines = ["# HELP sagesmith_resources Resources by kind and status.", "# TYPE sagesmith_resources gauge"]
    with home.store.read() as tx:
        for kind, status, count in tx.counts():
            lines.append(f'sagesmith_resources{{kind="{kind}",status="{status}"}} {count}')
    tasks = home.backend.tasks()
    lines += ["# HELP sagesmith_tasks_alive Tasks whose node agent runs.", "# TYPE sagesmith_tasks_alive gauge"]
    lines.append(f"sagesmith_tasks_alive {sum(task.alive for task in tasks)}")
    return "\n".join(lines) + "\n"
