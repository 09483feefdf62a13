"""The S3 front as a process of its own, for the tests beside it: `python -m tests.integration.s3.front DATA`.

It serves S3 only, with the platform's real server, front and object store, and prints its port.
"""

import asyncio
import sys
import uuid
from pathlib import Path

from sagesmith.config import Platform
from sagesmith.credentials import KeyRing
from sagesmith.gateway.s3 import S3Front
from sagesmith.http.messages import Request, Response
from sagesmith.http.server import serve


async def main(data: Path) -> None:
    platform = Platform.load(data)
    front = S3Front(platform, KeyRing.load(platform.dir.keys, platform.account_id))

    async def handler(request: Request) -> Response:
        return await front.handle(request, str(uuid.uuid4()))

    server = await serve(handler, tcp=("127.0.0.1", platform.port))
    print(server.port, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    try:
        import uvloop

        uvloop.run(main(Path(sys.argv[1])))
    except KeyboardInterrupt:
        pass
