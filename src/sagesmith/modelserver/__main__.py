"""`python -m sagesmith.modelserver --socket PATH | --tcp PORT`."""

from __future__ import annotations

import argparse
import logging
import os
import sys

from sagesmith.modelserver import warm
from sagesmith.modelserver.process import ModelServer
from sagesmith.modelserver.settings import Settings


def main() -> int:
    parser = argparse.ArgumentParser(prog="sagesmith.modelserver", description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--socket", metavar="PATH", help="the unix socket to listen on")
    where.add_argument("--tcp", metavar="PORT", type=int, help="the TCP port to listen on")
    parser.add_argument("--warm", metavar="PATH", help="import libraries until told there what to serve")
    arguments = parser.parse_args()
    for stream in (sys.stdout, sys.stderr):
        # Line by line: what a handler prints must be in the log when the process dies.
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    if arguments.warm is not None:
        warm.wait(arguments.warm)
        sys.argv = [sys.argv[0], "--socket", arguments.socket]
    settings = Settings.from_environment(os.environ)
    logging.basicConfig(
        format="%(asctime)s %(levelname)s - %(name)s - %(message)s", level=settings.log_level, stream=sys.stderr
    )
    restart = [sys.executable, "-m", "sagesmith.modelserver", *sys.argv[1:]]
    if arguments.warm is not None and warm.must_start_anew(settings):
        os.execv(restart[0], restart)  # noqa: S606
    return ModelServer(settings, arguments.socket, arguments.tcp, restart).run()


if __name__ == "__main__":
    sys.exit(main())
