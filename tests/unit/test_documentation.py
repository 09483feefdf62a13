"""The documentation is whole and so: what exists is in it, what it points at exists, what it shows is what runs."""

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import sagesmith
from sagesmith.cli import parser
from sagesmith.settings import ALL, VARIABLE

ROOT = Path(__file__).parents[2]
PACKAGE = Path(sagesmith.__file__).parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [*DOCS, *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "examples/README.md"))]
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
SETTING = re.compile(r"SAGESMITH_[A-Z0-9_]+[A-Z0-9]")


def text(*names: str) -> str:
    return "\n".join((ROOT / name).read_text() for name in names)


def settings(*paths: Path) -> set[str]:
    return {name for path in paths for name in SETTING.findall(path.read_text())}


def commands(of: argparse.ArgumentParser, before: str = "sagesmith") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Every command with its parser."""
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield f"{before} {name}", below
                yield from commands(below, f"{before} {name}")


def anchor(heading: str) -> str:
    """A heading's anchor, as MkDocs and GitHub make it."""
    return re.sub(r"[ -]+", "-", re.sub(r"[^\w\- ]", "", heading).strip().lower())


@pytest.mark.parametrize(("command", "below"), [pytest.param(*each, id=each[0]) for each in commands(parser())])
def test_every_command_is_documented_with_its_options(command: str, below: argparse.ArgumentParser) -> None:
    documented = text("docs/operations.md")
    group, _, name = command.rpartition(" ")
    assert command in documented or re.search(rf"`{group} [^|]*`{name}\b", documented)
    options = [option for action in below._actions for option in action.option_strings if option.startswith("--")]
    assert [option for option in options if option not in documented and option != "--help"] == []


def test_every_setting_is_documented() -> None:
    scripts = [path for path in (ROOT / "scripts").iterdir() if path.is_file()]
    read = settings(*PACKAGE.rglob("*.py"), *scripts, ROOT / "Makefile")
    assert read - settings(ROOT / "docs/configuration.md", ROOT / "docs/operations.md") == set()


def test_every_setting_that_is_read_is_declared() -> None:
    told_to_agents = {"SAGESMITH_SOCKET_DIRECTORY", "SAGESMITH_LEASE", "SAGESMITH_WIRE", "SAGESMITH_PLACE"}
    told_to_programs = {
        "SAGESMITH_JOB_CPUS",
        "SAGESMITH_JOB_MEMORY_BYTES",
        "SAGESMITH_MEMORY_BYTES",
        "SAGESMITH_HOSTS_KEY",
    }
    of_models = {"SAGESMITH_HANDLERS", "SAGESMITH_BATCHING", "SAGESMITH_MODEL_CACHE"}
    of_models |= {"SAGESMITH_MODEL_CACHE_BYTES", "SAGESMITH_MODEL_WAIT_SECONDS"}
    # What an image says of itself.
    of_models |= {"SAGESMITH_ALGORITHM", "SAGESMITH_REPOSITORY"}
    others = told_to_agents | told_to_programs | of_models | {VARIABLE}
    assert settings(*PACKAGE.rglob("*.py")) - others == set(ALL)


def test_no_setting_is_documented_that_nothing_reads() -> None:
    assert (
        settings(*PAGES) - settings(*PACKAGE.rglob("*.py"), ROOT / "Makefile", *(ROOT / "tests").rglob("*.py")) == set()
    )


def test_every_package_is_in_the_picture_of_the_house() -> None:
    house = text("docs/architecture.md")
    parts = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {part for part in parts - {"__init__", "__main__"} if f"`{part}`" not in house} == set()


def test_every_module_that_the_picture_of_the_house_names_is_there() -> None:
    named = re.findall(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+\.py)`", text("docs/architecture.md"))
    assert named
    assert [name for name in named if not ((ROOT / name).exists() or (PACKAGE / name).exists())] == []


def test_every_page_is_in_the_navigation() -> None:
    navigation = text("mkdocs.yml")
    assert [page.name for page in DOCS if f": {page.name}\n" not in navigation] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if "://" in link:
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if fragment:
            assert fragment in {anchor(heading) for heading in HEADING.findall(target.read_text())}, link


def test_every_make_target_that_is_named_exists() -> None:
    shown = re.findall(r"`[^`\n]+`|^make .*$", text("README.md", "CONTRIBUTING.md", "docs/operations.md"), re.MULTILINE)
    named = set(re.findall(r"\bmake ([a-z]+)", "\n".join(shown)))
    assert {"setup", "demo", "test", "check"} <= named
    assert named - set(re.findall(r"^([a-z]+):", text("Makefile"), re.MULTILINE)) == set()


def test_the_version_is_one() -> None:
    assert tomllib.loads(text("pyproject.toml"))["project"]["version"] == sagesmith.__version__
    assert f"## {sagesmith.__version__}" in text("CHANGELOG.md")


@pytest.mark.parametrize("script", ["api-coverage.py", "configuration.py"])
def test_what_is_written_from_declarations_is_up_to_date(script: str) -> None:
    command = [sys.executable, str(ROOT / "scripts" / script), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr


def test_the_example_of_a_new_kind_is_the_one_that_runs() -> None:
    declared = (PACKAGE / "services" / "sagemaker" / "code_repositories.py").read_text()
    assert f"```python\n{declared}```\n" in text("docs/architecture.md")
    assert len(declared.splitlines()) <= 60
