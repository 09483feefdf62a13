"""Resolves the images' lock files anew, from the catalogue and the `.in` files beside them.

The library and its scientific stack are pinned in the `.in` files to what AWS's container has; the rest is taken as of
CUTOFF, so that a second run writes the same files. Wheels only, but for the toolkit, whose sources have a lock file of
their own. Each lock is resolved for every machine that its release claims, and must come out the same.

Usage: scripts/lock-images.py [name of a lock …]
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from sagesmith.images import sdk
from sagesmith.images.installer import uv_binary
from sagesmith.images.registry import catalogue

CUTOFF = "2026-11-01"
LOCKS = Path(__file__).resolve().parent.parent / "src" / "sagesmith" / "images" / "locks"
PLATFORMS = {"x86_64": "x86_64-manylinux_2_36", "aarch64": "aarch64-manylinux_2_36"}
TORCH = tomllib.loads((LOCKS / "torch.toml").read_text(encoding="utf-8"))
SOURCES = ("toolkit", "chainer", "spark")
SOURCES_ONLY = ("inotify-simple", "sagemaker-training")
# Would bring gigabytes of CUDA to machines without a GPU.
FORBIDDEN = re.compile(
    r"^(torch|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+|jax-cuda[a-z0-9-]*)==(?!.*\+cpu)", re.MULTILINE
)


def main(names: list[str]) -> None:
    wanted: dict[str, tuple[str, str, tuple[str, ...]]] = {
        name: (f"{name}.in", "3.11", ("x86_64",)) for name in SOURCES
    }
    for major, pythons in sdk.PYTHONS.items():
        for python in pythons:
            wanted[f"{sdk.lock(major)}-py{python}"] = (f"{sdk.lock(major)}.in", python, ("x86_64", "aarch64"))
    for family in catalogue().values():
        for release in family.releases:
            for python in release.pythons:
                wanted[f"{release.lock}-py{python}"] = (f"{release.lock}.in", python, release.machines)
                wanted[f"build-py{python}"] = ("build.in", python, ("x86_64", "aarch64"))
    for name, (source, python, machines) in wanted.items():
        if names and name not in names:
            continue
        # The machine with fewer wheels leads; the other one follows it.
        leader = compile_lock(source, python, machines[-1], name in SOURCES)
        texts = {leader} | {compile_lock(source, python, each, name in SOURCES, leader) for each in machines[:-1]}
        if len(texts) != 1:
            sys.exit(f"{name}: resolves differently on {' and '.join(machines)}")
        text = texts.pop() + torch(source, python)
        found = FORBIDDEN.search(text)
        if found:
            sys.exit(f"{name}: {found[1]} must not be in a lock file")
        marks = "".join(re.findall(r"^# sources: .*\n", (LOCKS / source).read_text(encoding="utf-8"), re.MULTILINE))
        head = f"# Made by scripts/lock-images.py from {source}\n{marks}"
        (LOCKS / f"{name}.txt").write_text(head + text, encoding="utf-8")
        sys.stdout.write(f"{name}\n")


def torch(source: str, python: str) -> str:
    """PyTorch's pin, for what includes torch-cpu.in."""
    if "-r torch-cpu.in\n" not in (LOCKS / source).read_text(encoding="utf-8"):
        return ""
    hashes = [f"    --hash=sha256:{digest}" for digest in TORCH["hashes"][python]]
    return " \\\n".join([f"torch=={TORCH['version']}", *hashes]) + "\n"


def compile_lock(source: str, python: str, machine: str, from_sources: bool, leader: str = "") -> str:
    command = [uv_binary(), "pip", "compile", "--quiet", "--no-config", "--no-header", "--no-annotate"]
    command += ["--generate-hashes", "--exclude-newer", CUTOFF, "--python-version", python]
    command += ["--python-platform", PLATFORMS[machine], "--default-index", "https://pypi.org/simple"]
    if from_sources:
        command += ["--no-deps", "--no-binary", ":all:"]
    else:
        command += ["--only-binary", ":all:"]
        for override in ("without-cuda.override", source.replace(".in", ".override")):
            command += ["--override", override] if (LOCKS / override).exists() else []
        for name in SOURCES_ONLY:
            command += ["--no-binary", name, "--no-emit-package", name]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "lock.txt"
        constraints = Path(folder) / "constraints.txt"
        constraints.write_text("\n".join(re.findall(r"^[^ #\n]+==[^ \n]+", leader, re.MULTILINE)), encoding="utf-8")
        command += ["--constraint", str(constraints)]
        subprocess.run(
            [*command, source, "--output-file", str(output)], cwd=LOCKS, check=True, stdout=subprocess.DEVNULL
        )
        text = output.read_text(encoding="utf-8")
    return (
        re.sub(r"^# The following packages were excluded.*", "", text, flags=re.MULTILINE | re.DOTALL).rstrip() + "\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
