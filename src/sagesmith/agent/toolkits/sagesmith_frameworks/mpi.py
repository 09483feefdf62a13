"""The toolkit's MPI launcher, without SSH daemons: a job's hosts ask each other by `remote`.

The containers of AWS have Open MPI and OpenSSH installed. Here `mpirun` is the machine's, or comes with the script's
requirements. Open MPI 4 and 5 take the same arguments, written with two dashes.
"""

import os
import shutil
from typing import Any

from sagemaker_training import environment, errors, logging_config, mpi, params, process, timeout
from sagesmith_frameworks import remote

# Open MPI 5, Open MPI 4: what starts its daemons on other hosts.
_AGENT_VARIABLES = ("PRTE_MCA_plm_ssh_agent", "OMPI_MCA_plm_rsh_agent")
_AGENT = "python -m sagesmith_frameworks.remote"
_LONG_OPTIONS = frozenset(("-mca", "-bind-to", "-map-by"))
_NO_MPI = (
    "There is no mpirun here. Name `openmpi` and `mpi4py` in the script's requirements.txt, or install Open MPI "
    "(Debian's openmpi-bin) on the machine that jobs run on."
)


def runner(env: environment.Environment, args: "list[str]", env_vars: "dict[str, str]") -> process.ProcessRunner:
    """What runs the script on this host: mpirun on the first one, and a servant of its on the others."""
    own = env.additional_framework_parameters
    each = own.get(params.MPI_PROCESSES_PER_HOST) or max(int(env.num_gpus), 1)
    if not env.is_master:
        return _Worker(env.user_entry_point, args, env_vars, each, env.master_hostname, env.current_host)
    return _Master(
        env.user_entry_point,
        args,
        env_vars,
        each,
        env.master_hostname,
        env.distribution_hosts,
        own.get(params.MPI_CUSTOM_OPTIONS) or "",
        env.network_interface_name,
        num_processes=own.get(params.MPI_NUM_PROCESSES),
        instance_type=env.current_instance_type,
    )


class _Master(mpi.MasterRunner):  # type: ignore[misc]
    def run(self, wait: bool = True, capture_error: bool = False) -> Any:
        workers = [host for host in self._hosts if host != self._master_hostname]
        try:
            if shutil.which("mpirun") is None:
                raise errors.ClientError(_NO_MPI)
            with timeout.timeout(seconds=self.timeout_in_seconds):
                for host in workers:
                    remote.wait_for(host)
            os.environ.update(dict.fromkeys(_AGENT_VARIABLES, _AGENT))
            command = [f"-{each}" if each in _LONG_OPTIONS else each for each in self._create_command()]
            logging_config.log_script_invocation(command, self._env_vars)
            return process.check_error(
                command, [errors.ExecuteUserScriptError], self._processes_per_host, capture_error=capture_error
            )
        finally:
            for host in workers:
                remote.wait_for(host)
                remote.end(host)


class _Worker(mpi.WorkerRunner):  # type: ignore[misc]
    def run(self, wait: bool = True, capture_error: bool = False) -> None:
        remote.serve()
