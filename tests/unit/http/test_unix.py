"""Unix sockets where somebody else may write."""

import asyncio
from pathlib import Path

import pytest

from sagesmith.http.client import Client, ConnectFailed
from sagesmith.http.messages import Request, Response
from sagesmith.http.server import serve


async def _hello(_request: Request) -> Response:
    return Response(200, [], b"hello")


async def _ask(path: Path) -> int:
    client = Client(f"unix:{path}")
    try:
        return (await client.request("GET", b"/", [(b"host", b"x")], b"")).status
    finally:
        client.close()


def test_a_link_to_a_socket_is_not_followed(tmp_path: Path) -> None:
    async def scene() -> None:
        server = await serve(_hello, unix=tmp_path / "real")
        (tmp_path / "link").symlink_to("real")
        try:
            assert await _ask(tmp_path / "real") == 200
            with pytest.raises(ConnectFailed):
                await _ask(tmp_path / "link")
        finally:
            await server.close()

    asyncio.run(scene())


@pytest.mark.parametrize("kind", ["file", "nothing", "dangling"])
def test_what_is_no_socket_is_not_connected_to(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    if kind == "file":
        path.touch()
    elif kind == "dangling":
        path.symlink_to("nowhere")
    with pytest.raises(ConnectFailed):
        asyncio.run(_ask(path))
