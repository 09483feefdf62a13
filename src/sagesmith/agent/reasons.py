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
_TOOLKIT_SAYS_NOTHING = 'ErrorMessage ""'
_LAUNCHER_TRACEBACK = "in execute_commands\n"
_LAUNCHER_SAYS_NOTHING = "Training Execution failed."
# The line with which a launcher begins to speak of the failure: the script's own output ends before it.
_LAUNCHER_SPEAKS = re.compile(r".*Reporting training FAILURE|Command failed with exit code \d+|\++ handle_error$")
_TRACEBACK = "Traceback (most recent call last)"
_LINES = 10


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
        words = _last_words(lines, room - len(said))
        said = said.replace(_TOOLKIT_SAYS_NOTHING, f'ErrorMessage "{words}"', 1)
    elif _LAUNCHER_TRACEBACK in said or said.startswith(_LAUNCHER_SAYS_NOTHING):
        last = said.splitlines()[-1]
        said = f"{_last_words(lines, room - len(last) - 1)}\n{last}"
    return f"{_PREFIX}{said[:room]}{suffix}"


def _last_words(lines: Sequence[str], room: int) -> str:
    """What a script wrote before it ended, its last traceback or else its last lines: the end of it that has room."""
    spoken = [number for number, line in enumerate(lines) if _LAUNCHER_SPEAKS.match(line)]
    own = lines[: spoken[-1]] if spoken else lines
    tracebacks = [number for number, line in enumerate(own) if line.startswith(_TRACEBACK)]
    words = "\n".join(own[tracebacks[-1] + 1 :] if tracebacks else own[-_LINES:])
    return words[-room:] if room > 0 else ""
