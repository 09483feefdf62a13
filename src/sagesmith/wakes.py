"""Wakes: who finds nobody to answer for an endpoint asks for a model server, and the API process hears of it.

A wake is a file, so that it outlives whoever asked and waits for an API process that is away. It is asked for by
whoever has a request in hand (a router, what works through a queue), and answered once the endpoint's document says
that a model server is wanted.
"""

import os
from collections.abc import Iterator
from pathlib import Path

_SEPARATOR = "."
"""Neither the name of a region nor that of an endpoint has one."""


def ask(folder: Path, region: str, endpoint: str) -> None:
    """Ask for a model server of an endpoint; again if need be, for who watches the folder hears of each time."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(_file(folder, region, endpoint), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def is_asked(folder: Path, region: str, endpoint: str) -> bool:
    """Whether somebody asked for a model server of an endpoint, and nobody has answered yet."""
    return _file(folder, region, endpoint).exists()


def answered(folder: Path, region: str, endpoint: str) -> None:
    """Forget what was asked for an endpoint: it is stored that a model server is wanted, or the endpoint is gone."""
    _file(folder, region, endpoint).unlink(missing_ok=True)


def asked(folder: Path) -> Iterator[tuple[str, str]]:
    """All endpoints, as region and name in lower case, for which somebody waits."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return
    for name in names:
        region, found, endpoint = name.partition(_SEPARATOR)
        if found:
            yield region, endpoint


def _file(folder: Path, region: str, endpoint: str) -> Path:
    return folder / f"{region}{_SEPARATOR}{endpoint.lower()}"
