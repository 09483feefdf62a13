#!/usr/bin/env python3
"""Write the table of docs/configuration.md from the declarations of the settings.

With `--check`, only say whether it is up to date.
"""

import sys
from pathlib import Path

from sagesmith.settings import ALL

TARGET = Path(__file__).parents[1] / "docs" / "configuration.md"
BEGIN = "| variable | key | default | meaning |\n|---|---|---|---|\n"


def main() -> None:
    """Write or check the page."""
    written = TARGET.read_text()
    before, begin, rest = written.partition(BEGIN)
    _, end, after = rest.partition("\n\n")
    rows = "\n".join(
        f"| `{setting.name}` | `{setting.key}` | {setting.default} | {setting.meaning} |" for setting in ALL.values()
    )
    page = before + begin + rows + end + after
    if "--check" in sys.argv[1:]:
        if page != written or not begin:
            sys.exit(f"{TARGET} is not up to date: run {Path(__file__).name}")
        return
    TARGET.write_text(page)


if __name__ == "__main__":
    main()
