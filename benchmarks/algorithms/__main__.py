"""`python -m benchmarks.algorithms [quality|speed|memory] [NAME …] [--page FILE]`: rows of all or some algorithms."""

import argparse
import sys
from importlib import import_module
from pathlib import Path

from benchmarks.algorithms import _page

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=("quality", "speed", "memory"), default="quality")
    parser.add_argument("names", nargs="*", default=[], help=f"of {', '.join(NAMES)}")
    parser.add_argument("--page", type=Path, help="a page (docs/algorithms/speed.md) whose table is to have the rows")
    options = parser.parse_args()
    sys.stdout.write(_page.HEAD)
    for name in options.names or NAMES:
        rows = getattr(import_module(f"benchmarks.algorithms.{name}"), options.what, None)
        for row in rows() if rows else ():
            sys.stdout.write(_page.line(row))
            sys.stdout.flush()
            if options.page:
                _page.renew(options.page, [row])


if __name__ == "__main__":
    main()
