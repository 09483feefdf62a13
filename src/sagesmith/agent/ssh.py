"""SSH between a job's hosts, for SDK v3's MPI driver, which starts the server that AWS's containers have."""

from dataclasses import replace
from pathlib import Path

from sagesmith.agent.sandbox import VENV, Sandbox, own
from sagesmith.agent.task import Task

DRIVERS = "sm_drivers"
"""The channel by which SDK v3 brings its drivers."""

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
