"""SSH between a job's hosts, for SDK v3's MPI driver, which starts the server that AWS's containers have."""

from dataclasses import replace
from pathlib import Path

from sagesmith.agent.layout import CHANNELS
from sagesmith.agent.sandbox import ADMINISTRATORS_PROGRAMS, VENV, Sandbox, own
from sagesmith.agent.task import Task

DRIVERS = "sm_drivers"
"""The channel by which SDK v3 brings its drivers."""

_NO_SSHD = (
    f"This machine's {ADMINISTRATORS_PROGRAMS} is a link, as on Fedora and Arch: the SageMaker SDK's MPI driver will "
    'not find its sshd there ("SSH daemon not found"). Run the job on a machine where it is a directory, such as one '
    "with Debian or Ubuntu, or let a Torchrun start the script."
)
_SCRIPT = "sm_train.sh"
"""What SDK v3 has run: it names the driver."""
_SCRIPT_BYTES = 1 << 20

_PROGRAMS = {
    "ssh": "import sys\nfrom sagesmith_frameworks.remote import main\nsys.exit(main(sys.argv[1:]))\n",
    "sshd": "from sagesmith_frameworks.sshd import main\nmain()\n",
}


def with_ssh(task: Task, sandbox: Sandbox, venv: Path) -> Sandbox:
    """A sandbox with what a driver of SDK v3's finds in AWS's containers: `ssh`, /usr/sbin/sshd and an /etc/environment
    to write to. Every other task's stays as it is.

    Args:
        venv: the host directory that the sandbox shows as `VENV`.
    """
    if not any(channel.name == DRIVERS for channel in task.spec.channels):
        return sandbox
    if ADMINISTRATORS_PROGRAMS.is_symlink() and _uses_mpi(task):
        task.output.say(_NO_SSHD)
    for name, text in _PROGRAMS.items():
        program = venv / "bin" / name
        program.write_text(f"#!{VENV}/bin/python\n{text}", encoding="utf-8")
        program.chmod(0o755)
    environment = sandbox.scratch / "etc" / "environment"
    environment.touch(mode=0o644)
    own(environment, task.uid)
    return replace(
        sandbox,
        mounts=[*sandbox.mounts, (environment, "/etc/environment", True)],
        administrators_programs={"sshd": f"{VENV}/bin/sshd"},
    )


def _uses_mpi(task: Task) -> bool:
    script = task.directory.opt_ml / CHANNELS / DRIVERS / _SCRIPT
    try:
        with script.open("rb") as file:
            return b"mpi_driver" in file.read(_SCRIPT_BYTES)
    except OSError:
        return False  # The SDK brings it in File mode; somebody else's channel has nothing that we know.
