"""What goes wrong with one object of a transform job; the job goes on with the others."""

from typing import Literal

Fault = Literal["ClientError", "AlgorithmError"]
SEE_LOGS = "See job logs for more information"
"""How AWS's FailureReasons of transform jobs go on after the fault."""


class ObjectFailed(Exception):
    """An object cannot be transformed. Its lines go into the data log, as AWS words them where that is known.

    Attributes:
        fault: whose it is: the data's, or the model's.
    """

    def __init__(self, fault: Fault, *lines: str) -> None:
        super().__init__(lines[0])
        self.fault: Fault = fault
        self.lines = lines


class Cancelled(Exception):
    """The job is to stop, or the model server has ended."""
