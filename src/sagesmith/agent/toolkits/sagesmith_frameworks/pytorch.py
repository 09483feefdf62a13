"""The PyTorch and Hugging Face containers' `train`.

Source: github.com/aws/sagemaker-pytorch-training-toolkit;
https://docs.aws.amazon.com/sagemaker/latest/dg/distributed-training-get-started.html.
"""

import logging
import os
from typing import Any

from sagemaker_training import environment, torch_distributed
from sagesmith_frameworks import script

MASTER_PORT = "7777"

logger = logging.getLogger(__name__)


def main() -> None:
    """Run the script alone, under torchrun or under MPI.

    `smdistributed.dataparallel` is a library of AWS's own hardware. SDK v2 asks for it also where a program asked for
    `pytorchddp`: what that needs, torchrun gives; what imports the library fails by itself.
    """
    env = environment.Environment()
    os.environ.update(
        MASTER_ADDR=env.master_hostname,
        MASTER_PORT=MASTER_PORT,
        NCCL_SOCKET_IFNAME=env.network_interface_name,
        NCCL_IB_DISABLE="1",
        NCCL_DEBUG="WARN",
    )
    data_parallel = script.enabled(env, "sagemaker_distributed_dataparallel_enabled")
    if data_parallel:
        logger.warning(
            "smdistributed.dataparallel is a library of AWS's own hardware and is not here: the script is started by "
            "torchrun, and finds its peers with the backends gloo and nccl."
        )
    if script.enabled(env, "sagemaker_mpi_enabled"):
        script.run_under_mpi(env)
    elif (
        data_parallel
        or script.enabled(env, "sagemaker_torch_distributed_enabled")
        or script.enabled(env, "sagemaker_pytorch_ddp_enabled")
    ):
        script.run(env, _torchrun(env))
    else:
        script.run(env)


class _Torchrun(torch_distributed.TorchDistributedRunner):  # type: ignore[misc]
    """The toolkit's, with its arguments in the order that its caller has them in.

    Theirs are the other way round, and nobody would look at the exit code of a script whose output is not to be read.
    """

    def run(self, wait: bool = True, capture_error: bool = False) -> Any:
        return super().run(capture_error=capture_error, wait=wait)


def _torchrun(env: environment.Environment) -> _Torchrun:
    return _Torchrun(
        env.user_entry_point,
        env.to_cmd_args(),
        env.to_env_vars(),
        max(int(env.num_gpus), 1),
        env.master_hostname,
        env.distribution_hosts,
        env.current_host,
        env.network_interface_name,
        instance_type=env.current_instance_type,
    )
