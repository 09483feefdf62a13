"""How the objects of a channel become directories and files."""

import pytest

from sagesmith.agent.failures import TaskFailed
from sagesmith.agent.inputs.tree import ROOT, Directory, Tree
from sagesmith.agent.s3 import S3Object


def tree(*names: str) -> Tree:
    return Tree((S3Object("b", name, 1), name) for name in names)


def test_names_with_slashes_are_directories_and_files() -> None:
    made = tree("a/b/c", "a/d", "e")
    folder = made.child(ROOT, "a")
    assert folder is not None
    inner = made.nodes[folder]
    assert isinstance(inner, Directory)
    assert list(inner.children) == ["b", "d"]
    assert inner.parent == ROOT
    assert made.child(ROOT, "none") is None
    leaf = made.child(ROOT, "e")
    assert leaf is not None
    assert made.child(leaf, "x") is None


def test_an_object_that_is_listed_twice_is_one_file() -> None:
    assert len(tree("a", "a").nodes) == 3


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a")])
def test_an_object_that_is_a_folder_too_is_refused(names: tuple[str, str]) -> None:
    with pytest.raises(TaskFailed, match="both a folder as well as a file"):
        tree(*names)
