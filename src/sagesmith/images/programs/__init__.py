"""Programs that AWS's images have in their PATH, for runtimes that need one of ours in its place.

A program is called as its module, with - for _. Each file is copied into a job's environment and run by the job's own
Python, any that the catalogue has, with nothing but the standard library.
"""

from importlib import resources


def source(program: str) -> str:
    """The text of a program."""
    name = f"{program.replace('-', '_')}.py"
    return resources.files("sagesmith.images.programs").joinpath(name).read_text(encoding="utf-8")
