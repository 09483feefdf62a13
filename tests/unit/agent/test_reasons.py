import pytest

from sagesmith.agent.reasons import algorithm_error

TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "train.py", line 3, in <module>',
    '    raise ValueError("no target")',
    "ValueError: no target",
]


def test_what_a_program_says_itself_is_the_reason() -> None:
    assert algorithm_error("out of data", TRACEBACK, 3) == "AlgorithmError: out of data, exit code: 3"


def test_a_program_that_says_nothing_is_quoted() -> None:
    reason = algorithm_error("", ["first", "last"], 1)
    assert reason == "AlgorithmError: first\nlast, exit code: 1"


def test_the_toolkits_empty_message_is_filled_with_the_scripts_exception() -> None:
    said = 'ExecuteUserScriptError:\nExitCode 1\nErrorMessage ""\nCommand "python train.py"'
    lines = ["hello", *TRACEBACK, "2026-01-01 sagemaker-training-toolkit ERROR    Reporting training FAILURE", "more"]
    reason = algorithm_error(said, lines, 1)
    assert 'ErrorMessage "  File' in reason
    assert 'ValueError: no target"\nCommand "python train.py", exit code: 1' in reason
    assert "more" not in reason
    assert "hello" not in reason


@pytest.mark.parametrize(
    "said",
    [
        'ExecuteUserScriptError:\nExitCode 1\nErrorMessage ""\nCommand "torchrun train.py"',
        "Training Execution failed. For more details, see CloudWatch logs at 'x'.\nTrainingJob - job-1",
    ],
    ids=["v2", "v3"],
)
def test_the_traceback_of_torchrun_gives_way_to_that_of_the_rank_that_failed(said: str) -> None:
    torchrun = "E1121 16:54:16.51 21 torch/distributed/elastic/multiprocessing/api.py:1002] failed (exitcode: 1)"
    lines = [f"[rank1]: {line}" for line in TRACEBACK] + [torchrun, *TRACEBACK[:2], "ChildFailedError", "=" * 60]
    reason = algorithm_error(said, lines, 1)
    assert "ValueError: no target" in reason
    assert "ChildFailedError" not in reason


def test_the_traceback_of_a_launcher_gives_way_to_that_of_the_script() -> None:
    said = (
        'Traceback (most recent call last):\n  File "utils.py", line 193, in execute_commands\n    raise\n'
        "subprocess.CalledProcessError: Command '['python', 'train.py']' returned non-zero exit status 1."
    )
    lines = [
        *TRACEBACK,
        "Command failed with exit code 1. Traceback: Traceback (most recent call last):",
        "  File",
        "",
        "+++ handle_error",
    ]
    reason = algorithm_error(said, lines, 1)
    assert "ValueError: no target\nsubprocess.CalledProcessError: Command" in reason
    assert "execute_commands" not in reason


def test_a_launcher_that_points_to_the_log_gives_way_to_what_its_command_printed() -> None:
    said = "Training Execution failed. For more details, see CloudWatch logs at 'x'.\nTrainingJob - job-1"
    failed = "cat: /no/such/file: No such file or directory"
    begun = ["SM_HPS={}", "++ set +x", "Executing command: cat /no/such/file", "+++ cat /no/such/file"]
    reason = algorithm_error(said, [*begun, failed, "++++ handle_error", "++++ exit 1"], 1)
    assert reason.startswith(f"AlgorithmError: Executing command: cat /no/such/file\n{failed}\n")
    assert reason.endswith("\nTrainingJob - job-1, exit code: 1")


def test_a_reason_is_never_longer_than_awss_limit_and_keeps_the_exceptions_end() -> None:
    long = [*TRACEBACK[:-1], "ValueError: " + "x" * 3000 + " the end"]
    for said in ("", 'ErrorMessage ""', "y" * 1020 + 'ErrorMessage ""', "Training Execution failed."):
        reason = algorithm_error(said, long, 137)
        assert len(reason) <= 1024
        assert reason.endswith(", exit code: 137")
    assert 'the end"' in algorithm_error('ErrorMessage ""', long, 1)
