"""Why user code failed, in AWS's FailureReason.

A program says it in /opt/ml/output/failure. Scripts seldom do; what starts them does it for them, and writes of its own
troubles alone. Then the script's last words are taken from its output:

* the sagemaker-training toolkit (SDK v2) leaves the error message empty when it does not read the script's output;
* SDK v3's launcher writes the traceback with which it found that the script had failed;
* SDK v3's shell script, and its launcher when it knows nothing, say where the log is.
"""

import re
from collections.abc import Sequence

from sagesmith.agent.failures import MAX_REASON

_PREFIX = "AlgorithmError: "
REASONS = ("ClientError: ", _PREFIX, "InternalServerError: ")
"""How AWS's FailureReasons begin."""
_TOOLKIT_SAYS_NOTHING = 'ErrorMessage ""'
_LAUNCHER_TRACEBACK = "in execute_commands\n"
_LAUNCHER_SAYS_NOTHING = "Training Execution failed."
# The lines with which they begin to speak of the failure, the last first: the script's own output ends before them.
_TORCHRUN_SPEAKS = re.compile(r"E\d{4} .*torch/distributed/elastic/.*\] failed \(exitcode: ")
_TOOLKIT_SPEAKS = (re.compile(r".*Reporting training FAILURE"), _TORCHRUN_SPEAKS)
_LAUNCHER_SPEAKS = (
    re.compile(r"\++ handle_error$"),
    re.compile(r"Command failed with exit code \d+\. Traceback: "),
    _TORCHRUN_SPEAKS,
)
# The launcher's shell lists the environment, names the command and traces what it does.
_LAUNCHER_STARTS = "Executing command: "
_SHELL_TRACE = re.compile(r"\++ ")
# PyTorch names the rank in front of each line.
_TRACEBACK = re.compile(r"(\[rank\d+\]: ?)?Traceback \(most recent call last\)")
_LINES = 10


def out_of_memory(instance_type: str, memory_bytes: int, exit_code: int) -> str:
    """The FailureReason of a program of which something was ended for want of memory."""
    return (
        f"{_PREFIX}Out of memory: the job used more than the {memory_bytes / 2**30:.1f} GiB that it has as "
        f"{instance_type} on this machine. Please use an instance type with more memory, or reduce the size of job "
        f"data processed on an instance, exit code: {exit_code}"
    )


def algorithm_error(said: str, lines: Sequence[str], exit_code: int) -> str:
    """The FailureReason of a program that failed, at most 1024 characters.

    Args:
        said: what is in /opt/ml/output/failure.
        lines: the end of the program's output.
    """
    suffix = f", exit code: {exit_code}"
    room = MAX_REASON - len(_PREFIX) - len(suffix)
    if not said:
        # The end of a traceback says more than its beginning.
        said = "\n".join(lines[-2 * _LINES :])[-room:]
    elif _TOOLKIT_SAYS_NOTHING in said:
        words = _last_words(_before(lines, _TOOLKIT_SPEAKS), room - len(said))
        said = said.replace(_TOOLKIT_SAYS_NOTHING, f'ErrorMessage "{words}"', 1)
    elif _LAUNCHER_TRACEBACK in said or said.startswith(_LAUNCHER_SAYS_NOTHING):
        last = said.splitlines()[-1]
        own = [line for line in _before(lines, _LAUNCHER_SPEAKS) if not _SHELL_TRACE.match(line)]
        own = own[max((number for number, line in enumerate(own) if line.startswith(_LAUNCHER_STARTS)), default=0) :]
        said = f"{_last_words(own, room - len(last) - 1)}\n{last}"
    return f"{_PREFIX}{said[:room]}{suffix}"


def complete(reason: str, exit_code: int) -> str:
    """The FailureReason of a program that gives a whole one itself."""
    suffix = f", exit code: {exit_code}"
    return f"{reason[: MAX_REASON - len(suffix)]}{suffix}"


def _before(lines: Sequence[str], marks: Sequence[re.Pattern[str]]) -> Sequence[str]:
    """The lines before the last one of each mark."""
    for mark in marks:
        found = [number for number, line in enumerate(lines) if mark.match(line)]
        lines = lines[: found[-1]] if found else lines
    return lines


def _last_words(lines: Sequence[str], room: int) -> str:
    """The last traceback, or else the last lines: the end of it that has room."""
    tracebacks = [number for number, line in enumerate(lines) if _TRACEBACK.match(line)]
    words = "\n".join(lines[tracebacks[-1] + 1 :] if tracebacks else lines[-_LINES:])
    return words[-room:] if room > 0 else ""
