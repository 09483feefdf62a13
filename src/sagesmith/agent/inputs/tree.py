"""The directories and files of a channel, as a read-only file system has them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sagesmith.agent.inputs.failures import both_folder_and_file

if TYPE_CHECKING:
    from sagesmith.agent.s3 import S3Object

ROOT = 1
"""The root's number (FUSE_ROOT_ID)."""


@dataclass(frozen=True, slots=True)
class Directory:
    parent: int
    children: dict[str, int] = field(default_factory=dict)


class Tree:
    """Nodes by their numbers, which begin with the root's. It does not change after it was made.

    Raises:
        TaskFailed: an object is both a folder and a file.
    """

    def __init__(self, files: "Iterable[tuple[S3Object, str]]") -> None:
        self.nodes: list[Directory | S3Object] = [Directory(ROOT), Directory(ROOT)]
        for entry, name in files:
            *folders, last = [part for part in name.split("/") if part not in ("", ".")]
            where = ROOT
            for folder in folders:
                where = self._folder(where, folder)
            children = self._children(where)
            if last not in children:
                children[last] = self._add(entry)
            elif isinstance(self.nodes[children[last]], Directory):
                raise both_folder_and_file()
            # Otherwise a manifest lists it twice.

    def child(self, number: int, name: str) -> int | None:
        """The number of a directory's child, None if it has no such child or is a file."""
        node = self.nodes[number]
        return node.children.get(name) if isinstance(node, Directory) else None

    def _folder(self, where: int, name: str) -> int:
        children = self._children(where)
        if name not in children:
            children[name] = self._add(Directory(where))
        return children[name]

    def _children(self, number: int) -> dict[str, int]:
        node = self.nodes[number]
        if not isinstance(node, Directory):
            raise both_folder_and_file()
        return node.children

    def _add(self, node: "Directory | S3Object") -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1
