"""The PyTorch and Hugging Face containers' `train`.

Source: github.com/aws/sagemaker-pytorch-training-toolkit;
https://docs.aws.amazon.com/sagemaker/latest/dg/distributed-training-get-started.html.
"""

import os

from sagemaker_training import environment, errors, runner
from sagesmith_frameworks import script

MASTER_PORT = "7777"


def main() -> None:
    """Run the script alone, under torchrun (also for `pytorchddp`, which gives it the same variables) or under MPI.

    Raises:
        ClientError: it asks for Amazon's own library of collectives.
    """
    env = environment.Environment()
    os.environ.update(
        MASTER_ADDR=env.master_hostname,
        MASTER_PORT=MASTER_PORT,
        NCCL_SOCKET_IFNAME=env.network_interface_name,
        NCCL_IB_DISABLE="1",
        NCCL_DEBUG="WARN",
    )
    if script.enabled(env, "sagemaker_distributed_dataparallel_enabled"):
        raise errors.ClientError(
            "smdistributed.dataparallel is a library of AWS's own hardware and is not here: use "
            "distribution={'torch_distributed': {'enabled': True}} with the backend gloo or nccl."
        )
    if script.enabled(env, "sagemaker_mpi_enabled"):
        script.run_under_mpi(env)
    elif script.enabled(env, "sagemaker_torch_distributed_enabled") or script.enabled(
        env, "sagemaker_pytorch_ddp_enabled"
    ):
        script.run(env, runner.TorchDistributedRunnerType)
    else:
        script.run(env)
