"""`sagesmith status`: processes with their memory, unfinished jobs, endpoints."""

import argparse
import contextlib
import http.client
import json
import socket
from pathlib import Path
from typing import Any

import psutil

from sagesmith.config import DataDir, Platform
from sagesmith.platform import datadir, processes
from sagesmith.platform.backends import processes_of
from sagesmith.platform.standby import is_standing_by


def status(options: argparse.Namespace) -> int:
    """Print what runs on a data directory; exit code 3 if no platform does."""
    data: Path = options.data
    directory = DataDir(data)
    running = datadir.is_locked(directory)
    report: dict[str, Any] = {"processes": _processes(directory), **_resources(directory)}
    if options.json:
        print(json.dumps(report, indent=1))
        return 0 if running else 3
    if not running:
        print(f"No platform runs on {data}.")
    elif is_standing_by(directory):
        print(f"A platform stands by for another.  (data: {data})")
    else:
        print(f"{Platform.load(data).url}  (data: {data})")
    _table(report["processes"], ["pid", "name", "memory_mib"])
    _table(report["jobs"], ["name", "status", "region"])
    _table(report["endpoints"], ["name", "status", "region"])
    return 0 if running else 3


def _processes(directory: DataDir) -> list[dict[str, Any]]:
    found = [
        {"pid": each.pid, "name": each.name, "memory_mib": _memory_mib(process)}
        for each in processes.load(directory.run / "processes.json")
        if (process := each.find())
    ]
    platform = Platform.last(directory.root)
    running = processes_of(platform) if platform is not None else []
    for each in running:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(each.pid)
            # User code runs below its sandbox's first process; what runs below an agent is that, listed itself.
            below = [] if each.name.startswith("agent:") else _below(process, {other.pid for other in running})
            found.append({"pid": each.pid, "name": each.name, "memory_mib": _memory_mib(process, *below)})
    return found


def _below(process: psutil.Process, listed: set[int]) -> list[psutil.Process]:
    """What runs below a process, but for that which is listed itself."""
    found: list[psutil.Process] = []
    for child in process.children():
        if child.pid not in listed:
            # One that ends meanwhile must not take what it is below from the list.
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [child, *_below(child, listed)]
    return found


def _memory_mib(*processes: psutil.Process) -> float | None:
    """The proportional set size of some processes together, None if the first one's cannot be read."""
    sizes = []
    for process in processes:
        try:
            sizes.append(float(process.memory_full_info().pss))
        except (psutil.Error, AttributeError):
            if not sizes:
                return None
    return round(sum(sizes) / 2**20, 1)


def _resources(directory: DataDir) -> dict[str, Any]:
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.connect(str(directory.api_socket))
        connection.request("GET", "/status")
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return {"jobs": [], "endpoints": []}
    finally:
        connection.close()
    return answer


def _table(rows: list[dict[str, Any]], columns: list[str]) -> None:
    if not rows:
        return
    cells = [columns, *([str(row[column] if row[column] is not None else "-") for column in columns] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    print()
    for row in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
