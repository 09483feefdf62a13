"""A training task, from its first event to its last."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from sagesmith.agent import artifacts, layout
from sagesmith.agent.checkpoints import finish, restore
from sagesmith.agent.engine import OwnImage
from sagesmith.agent.failures import MAX_REASON, TaskFailed, TaskStopped, machine_failed
from sagesmith.agent.handover import be_ready
from sagesmith.agent.inputs.channels import Inputs
from sagesmith.agent.mirror import Mirror, kept_up_to_date
from sagesmith.agent.process import Ended
from sagesmith.agent.reasons import REASONS, algorithm_error, complete, out_of_memory
from sagesmith.agent.runtime import (
    TOOLKITS,
    container_variables,
    image_command,
    is_algorithm,
    runs_algorithm,
    sdk_runtime,
    training_packages,
    with_sdk,
)
from sagesmith.agent.sandbox import HOME, PACKAGE_DIRECTORY, Sandbox, SandboxFailed, check, own_tree
from sagesmith.agent.ssh import with_ssh
from sagesmith.agent.task import Task, read_failure_file, real_directory
from sagesmith.agent.tensorboard import event_files
from sagesmith.compute.base import TaskState
from sagesmith.images.base import BuiltEnvironment, Runtime

if TYPE_CHECKING:
    from sagesmith.agent.container import Container

# A sandbox that cannot be made ends within milliseconds, and bubblewrap says why on its standard error.
_BWRAP = "bwrap: "
_KILLED = 137


@dataclass(frozen=True, slots=True)
class Ending:
    """A task's last event."""

    state: TaskState
    message: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Staged:
    """What user code starts with, here and in a processing task.

    Attributes:
        mirrors: a training task's folders that are kept in step with S3, by what they have.
        explains: what is run gives the whole reason of a failure itself, with AWS's word for whose it is.
    """

    isolation: "Sandbox | Container"
    command: list[str]
    variables: dict[str, str]
    inputs: Inputs
    mirrors: Mapping[str, Mirror] = field(default_factory=dict)
    explains: bool = False


def train(task: Task) -> Ending:
    """Run a training task up to the event that ends it, which the caller writes.

    Raises:
        TaskFailed, TaskStopped: it ended before user code ran.
    """
    report = task.report
    report.write("Starting", "Preparing the instances for training")
    with task.signals.interruptible():
        runtime = task.resolve_any()
    report.write("Downloading", runtime.notice or "Downloading input data")
    with task.signals.interruptible():
        try:
            staged = _stage(task, runtime)
        except OSError as error:
            raise machine_failed(error, "downloading input data") from error
    started_at = time.time()
    report.write("Training", "Training image download completed. Training in progress.")
    ended, reason = run_user_code(task, staged, list(staged.mirrors.values()))
    detail: dict[str, Any] = {
        "exit_code": ended.exit_code,
        "metrics": task.output.metrics.final(),
        "training_started_at": started_at,
        "training_ended_at": time.time(),
    }
    for what, mirror in staged.mirrors.items():
        try:
            finish(mirror, what, lambda: task.s3)
        except TaskFailed as error:
            reason = reason or error.reason
    try:
        detail |= artifacts.upload(task, model=reason is None)
    except TaskFailed as error:
        reason = reason or error.reason
    if reason is not None:
        return Ending("Failed", reason, {**detail, "failure_reason": reason})
    if ended.timed_out:
        message = "Training job runtime exceeded MaxRuntimeInSeconds provided"
        return Ending("Stopped", message, {**detail, "secondary_status": "MaxRuntimeExceeded"})
    if ended.stopped:
        return Ending("Stopped", "Training job stopped", detail)
    return Ending("Completed", "Training job completed", detail)


def _stage(task: Task, runtime: Runtime | OwnImage) -> Staged:
    spec, opt_ml = task.spec, task.directory.opt_ml
    prepared: _Shipped | Container
    if isinstance(runtime, OwnImage):
        prepared = task.container(runtime, entrypoint=bool(spec.command))
    else:
        prepared = _Shipped.of(task, runtime)
    layout.make_training_directories(opt_ml, spec)
    inputs = Inputs(task, opt_ml / layout.CHANNELS, task.directory.root)
    inputs.stage()
    checkpoints, events = restore(task), event_files(task)
    variables = {**layout.contract_variables(spec), **task.variables()}
    if isinstance(prepared, _Shipped):
        staged = prepared.stage(task, variables, inputs)
    else:
        # "docker run IMAGE train", as AWS's page on how it runs a training image has it.
        command = [*(spec.command or ["train"]), *spec.arguments]
        staged = Staged(inputs.seen_from(prepared), command, variables, inputs)
    own_tree(opt_ml, task.uid)
    if checkpoints is not None:
        checkpoints.assume_stored()
    mirrors = {"Checkpoint": checkpoints, "TensorBoard output": events}
    return replace(staged, mirrors={what: mirror for what, mirror in mirrors.items() if mirror is not None})


@dataclass(frozen=True, slots=True)
class _Shipped:
    """What a training task has of an image that is one of ours.

    Attributes:
        sdk: it has the SageMaker SDK beside.
    """

    runtime: Runtime
    environment: BuiltEnvironment
    paths: list[str]
    sdk: bool

    @classmethod
    def of(cls, task: Task, runtime: Runtime) -> "_Shipped":
        environment, paths = task.ensure(runtime), [TOOLKITS]
        if is_algorithm(runtime):
            paths.append(PACKAGE_DIRECTORY)
        sdk = sdk_runtime(runtime, [*task.spec.command, *task.spec.arguments])
        if sdk is not None:
            environment, packages = with_sdk(environment, task.ensure(sdk))
            paths += packages
        return cls(runtime, environment, paths, sdk is not None)

    def stage(self, task: Task, variables: dict[str, str], inputs: Inputs) -> Staged:
        spec = task.spec
        sandbox = inputs.seen_from(task.sandbox(self.environment, self.paths, training_packages(self.runtime)))
        sandbox = with_ssh(task, sandbox, task.directory.scratch / "venv")
        own_tree(task.directory.scratch / "venv", task.uid)
        command = [*(spec.command or image_command(self.environment, self.runtime.train_command)), *spec.arguments]
        variables = {**container_variables(self.runtime, self.environment), **variables}
        if self.sdk:
            # The SDK unpacks the client's directory into its working directory.
            sandbox = replace(sandbox, work=HOME)
            # Otherwise it would ask sudo for /opt/ml, which is the job's own: in AWS's containers it is root.
            variables |= {"USER": "root", "LOGNAME": "root"}
        algorithm = runs_algorithm(self.runtime, spec)
        if algorithm:
            variables |= layout.size_variables(spec.resources)
        return Staged(sandbox, command, variables, inputs, explains=algorithm)


def run_user_code(task: Task, staged: Staged, mirrors: Sequence[Mirror]) -> tuple[Ended, str | None]:
    """Run user code to its end, and keep folders in step with S3; how it ended, and the FailureReason if it failed."""
    process, inputs = task.process(), staged.inputs
    try:
        process.start(staged.isolation, f"job:{task.spec.label}", staged.command, staged.variables)
        be_ready(task)
        with kept_up_to_date(mirrors, lambda: task.s3), inputs.served():
            ended = process.run(task.spec.max_runtime_seconds, tick=inputs.check)
    except SandboxFailed as error:
        raise TaskFailed(f"InternalServerError: {error}") from error
    except TaskFailed as error:
        process.kill()
        return Ended(_KILLED, False, False), error.reason
    finally:
        task.limits.remove()
    lines = task.output.last_lines()[:1]
    if ended.exit_code != 0 and lines and lines[0].startswith(_BWRAP):
        return ended, f"InternalServerError: {check() or lines[0]}"[:MAX_REASON]
    return ended, _failure_reason(task, ended, staged.explains)


def _failure_reason(task: Task, ended: Ended, explains: bool) -> str | None:
    """AWS's FailureReason, None if user code did what it should."""
    # A program that was asked to end may do so with any exit code.
    if ended.exit_code == 0 or ended.stopped or ended.timed_out:
        return None
    if task.limits.ran_out_of_memory():
        return out_of_memory(task.spec.instance_type, task.limits.memory_bytes or 0, ended.exit_code)
    said = read_failure_file(real_directory(task.directory.opt_ml, layout.FAILURE.parent), MAX_REASON)
    if explains and said.startswith(REASONS):
        return complete(said, ended.exit_code)
    return algorithm_error(said, task.output.last_lines(), ended.exit_code)


def ending_of(error: TaskFailed | TaskStopped) -> Ending:
    """The ending of a task that user code never came to run in, or that the agent gave up."""
    if isinstance(error, TaskStopped):
        return Ending("Stopped", "Training job stopped", {})
    return Ending("Failed", error.reason, {"failure_reason": error.reason})
