"""`python -m benchmarks.algorithms [quality|speed|memory] [NAME …]`: rows of all or some algorithms, in Markdown."""

import argparse
import sys
from importlib import import_module
from pathlib import Path

NAMES = sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=("quality", "speed", "memory"), default="quality")
    parser.add_argument("names", nargs="*", default=[], help=f"of {', '.join(NAMES)}")
    options = parser.parse_args()
    write = sys.stdout.write
    write("| algorithm | data | metric | Sagesmith | reference | | ratio |\n|---|---|---|---|---|---|---|\n")
    for name in options.names or NAMES:
        rows = getattr(import_module(f"benchmarks.algorithms.{name}"), options.what, None)
        for row in rows() if rows else ():
            write(
                f"| {row.algorithm} | {row.data} | {row.metric} | {row.ours:.4g} | {row.theirs:.4g} | "
                f"{row.reference} | {row.ratio:.3f} |\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main()
