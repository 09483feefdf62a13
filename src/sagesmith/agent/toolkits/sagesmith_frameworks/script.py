"""The user's script, under one of the toolkit's runners."""

from typing import Any

from sagemaker_training import entry_point, environment, errors, runner


def enabled(env: environment.Environment, parameter: str) -> bool:
    """Whether a distribution was asked for by its hyperparameter, for the instance group that this host is in."""
    if not env.additional_framework_parameters.get(parameter):
        return False
    groups = env.distribution_instance_groups
    return not groups or env.current_instance_group in groups


def run(
    env: environment.Environment, kind: Any = runner.ProcessRunnerType, *, read: bool = False, **changes: Any
) -> None:
    """Run the script to its end.

    Amazon's containers let the toolkit read the script's output, for the end of a traceback in the FailureReason; it
    breaks lines wherever a read ends. The node agent finds that end by itself, so the lines stay whole; mpirun's are
    read, for the hosts' names in them.

    Args:
        kind: the runner: one process, or one that was made.
        read: whether the toolkit reads the script's output.
        changes: other `args` or `env_vars` than the environment's.

    Raises:
        ExecuteUserScriptError: it failed, with what it said.
    """
    given = {"args": env.to_cmd_args(), "env_vars": env.to_env_vars(), **changes}
    if env.user_entry_point is None:
        raise errors.ClientError("There is no entry point: sagemaker_program is not among the hyperparameters.")
    entry_point.run(
        uri=env.module_dir, user_entry_point=env.user_entry_point, capture_error=read, runner_type=kind, **given
    )


def run_under_mpi(env: environment.Environment, **changes: Any) -> None:
    """Run the script on all hosts at once, by the first one's mpirun.

    Args:
        changes: other `args` than the environment's.

    Raises:
        ClientError: there is no MPI here.
        ExecuteUserScriptError: it failed, with what it said.
    """
    from sagesmith_frameworks import mpi

    run(env, mpi.runner(env, changes.get("args") or env.to_cmd_args(), env.to_env_vars()), read=True, **changes)
