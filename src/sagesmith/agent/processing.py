"""A processing task, from its first event to its last.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/build-your-own-processing-container.html
"""

import codecs
import time
from dataclasses import replace
from typing import Any

from sagesmith.agent import layout
from sagesmith.agent.engine import OwnImage
from sagesmith.agent.failures import TaskFailed, machine_failed, uploading
from sagesmith.agent.inputs.channels import Inputs
from sagesmith.agent.mirror import Mirror
from sagesmith.agent.process import Ended
from sagesmith.agent.runtime import add_programs, container_variables
from sagesmith.agent.sandbox import HOME, own_tree
from sagesmith.agent.task import Task, read_beginning, real_directory
from sagesmith.agent.train import Ending, Staged, run_user_code
from sagesmith.images.base import Runtime

MAX_MESSAGE_BYTES = 1024


def process(task: Task) -> Ending:
    """Run a processing task up to the event that ends it, which the caller writes.

    Raises:
        TaskFailed, TaskStopped: it ended before user code ran.
    """
    spec, report = task.spec, task.report
    report.write("Starting", "Preparing the instances for processing")
    with task.signals.interruptible():
        runtime = task.resolve_any()
    command = _command(task, runtime)
    report.write("Downloading", runtime.notice or "Downloading input data")
    with task.signals.interruptible():
        staged = _stage(task, runtime, command)
        mirrors = [_mirror(task, index) for index in range(len(spec.outputs))]
    started_at = time.time()
    report.write("Processing", "Processing image download completed. Processing in progress.")
    continuous = [mirror for mirror, output in zip(mirrors, spec.outputs, strict=True) if output.continuous]
    ended, reason = run_user_code(task, staged, continuous)
    detail: dict[str, Any] = {
        "exit_code": ended.exit_code,
        "processing_started_at": started_at,
        "processing_ended_at": time.time(),
    }
    try:
        detail["exit_message"] = _exit_message(task)
    except TaskFailed as error:
        reason = reason or error.reason
    try:
        _upload(task, mirrors)
    except TaskFailed as error:
        reason = reason or error.reason
    return _ending(ended, reason, detail)


def _command(task: Task, runtime: Runtime | OwnImage) -> list[str]:
    """What to run: as a container engine does it, the arguments are the command of an image without an entrypoint."""
    spec = task.spec
    if isinstance(runtime, OwnImage):
        return [*spec.command, *spec.arguments]
    command = [*(spec.command or runtime.entrypoint), *spec.arguments]
    if not command:
        raise TaskFailed(
            f"ClientError: The image {task.spec.image} has no program of its own. "
            "Name one as ContainerEntrypoint of AppSpecification."
        )
    return command


def _stage(task: Task, runtime: Runtime | OwnImage, command: list[str]) -> Staged:
    try:
        staged = _in_container(task, runtime) if isinstance(runtime, OwnImage) else _in_sandbox(task, runtime)
        own_tree(task.directory.opt_ml, task.uid)
    except OSError as error:
        raise machine_failed(error, "downloading input data") from error
    own = {"HOSTNAME": task.spec.host, **task.variables()}
    return replace(staged, command=command, variables={**staged.variables, **own})


def _in_container(task: Task, image: OwnImage) -> Staged:
    container = task.container(image, entrypoint=bool(task.spec.command))
    inputs = _inputs(task)
    return Staged(inputs.seen_from(container), [], {}, inputs)


def _in_sandbox(task: Task, runtime: Runtime) -> Staged:
    environment, inputs = task.ensure(runtime), _inputs(task)
    # A container's own directory is its root, which may be written to; ours may not.
    sandbox = replace(inputs.seen_from(task.sandbox(environment, [])), work=HOME)
    add_programs(task.directory.scratch / "venv", runtime.programs)
    own_tree(task.directory.scratch / "venv", task.uid)
    sizes = layout.size_variables(task.spec.resources) if runtime.programs else {}
    return Staged(sandbox, [], {**container_variables(runtime, environment), **sizes}, inputs)


def _inputs(task: Task) -> Inputs:
    layout.make_processing_directories(task.directory.opt_ml, task.spec)
    inputs = Inputs(task, task.directory.opt_ml / layout.PROCESSING, task.directory.root)
    inputs.stage()
    return inputs


def _mirror(task: Task, index: int) -> Mirror:
    from sagesmith.agent.s3 import S3Failed, split_uri

    output = task.spec.outputs[index]
    try:
        bucket, prefix = split_uri(output.s3_uri)
    except S3Failed as error:
        raise TaskFailed(f"ClientError: {error.code}: {error} ({output.s3_uri})") from error
    folder = layout.PROCESSING / output.folder
    return Mirror(
        task.directory.opt_ml, folder, f"/opt/ml/{folder}", bucket, prefix, task.spec.kms_key_id, task.output.say
    )


def _upload(task: Task, mirrors: list[Mirror]) -> None:
    """Upload the outputs, those of a program that failed too.

    Raises:
        TaskFailed: something could not be stored.
    """
    if mirrors:
        task.report.write("Uploading", "Uploading outputs")
    for mirror in mirrors:
        with uploading("outputs", mirror.target, as_="Data"):
            mirror.finish(lambda: task.s3)


def _exit_message(task: Task) -> str:
    """The first KB of /opt/ml/output/message.

    Raises:
        TaskFailed: it is not UTF-8.
    """
    folder = real_directory(task.directory.opt_ml, layout.MESSAGE.parent)
    data = read_beginning(folder, layout.MESSAGE.name, MAX_MESSAGE_BYTES + 1)
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        # A character that the limit cuts is left out.
        text = decoder.decode(data[:MAX_MESSAGE_BYTES], final=len(data) <= MAX_MESSAGE_BYTES)
    except UnicodeDecodeError as error:
        raise TaskFailed(f"ClientError: The content of /opt/ml/{layout.MESSAGE} is not UTF-8 text") from error
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _ending(ended: Ended, reason: str | None, detail: dict[str, Any]) -> Ending:
    if reason is not None:
        return Ending("Failed", reason, {**detail, "failure_reason": reason})
    if ended.timed_out:
        message = "Processing job runtime exceeded MaxRuntimeInSeconds provided"
        return Ending("Stopped", message, {**detail, "secondary_status": "MaxRuntimeExceeded"})
    if ended.stopped:
        return Ending("Stopped", "Processing job stopped", detail)
    return Ending("Completed", "Processing job completed", detail)
