"""What user code runs in, as the agent sees it: a sandbox of ours (`sandbox`) or a container (`container`)."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class Running(Protocol):
    """User code that waits for `release`, runs, or has ended. Main thread only."""

    first_is_users: bool
    """Whether the first process is the program itself, and not one of ours above it."""

    def first_pid(self) -> int | None:
        """The pid, seen from here, of the process that is pid 1 inside; None if it did not come to that."""
        ...

    def pids(self) -> list[int]:
        """The processes that must be under the task's limits before it is released."""
        ...

    def release(self) -> None:
        """Let the program run."""
        ...

    def exit_code(self) -> int | None:
        """As a shell gives it, 128 + the signal that ended it; None while it runs."""
        ...

    def kill(self) -> None:
        """End all of it at once."""
        ...

    def wait_for_all(self) -> None:
        """Return when none of its processes is left: it has ended, or has been killed.

        Raises:
            OSError: they do not end.
        """
        ...


class Isolation(Protocol):
    """Where a program can be started, apart from the rest of the machine."""

    def start(self, title: str, command: Sequence[str], environment: Mapping[str, str], output: int) -> Running:
        """Start a program that waits until it is released, and ends if this process ends before that.

        Args:
            title: for people who list processes.
            environment: all variables that the program gets; no process list has them.
            output: the descriptor that its standard output and error go to.

        Raises:
            SandboxFailed, TaskFailed: it is not to be.
        """
        ...
