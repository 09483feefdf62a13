"""Entry point of the platform's own processes: `python -m sagesmith.platform api --data DIR`."""

import argparse
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sagesmith.platform")
    parser.add_argument("process", choices=["api"])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--lease", type=int, metavar="FD", help="inherited pipe, at whose end this machine's tasks end")
    arguments = parser.parse_args()
    from sagesmith.platform import api

    api.main(arguments.data, arguments.lease)


main()
