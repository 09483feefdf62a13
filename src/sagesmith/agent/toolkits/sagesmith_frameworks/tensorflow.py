"""The TensorFlow container's `train`: `TF_CONFIG`, parameter servers, and a word about models that cannot be served.

Source: github.com/aws/sagemaker-tensorflow-training-toolkit;
https://www.tensorflow.org/guide/distributed_training#setting_up_the_tf_config_environment_variable.
"""

import json
import logging
import multiprocessing
import socket
import time
from pathlib import Path
from typing import Any

from sagemaker_training import environment, mapping
from sagesmith_frameworks import script

WORKER_PORT = 2222
SERVER_PORT = 2223
MIRRORED_PORT = 8890
_LOOK_AGAIN_SECONDS = 1.0

logger = logging.getLogger(__name__)


def main() -> None:
    """Run the script as the job's distribution says, and look at what it has saved."""
    hyperparameters = environment.read_hyperparameters()
    env = environment.Environment(hyperparameters=hyperparameters)
    own = dict(env.hyperparameters)
    model_dir = own.get("model_dir")
    # The jobs of a tuning job share the estimator's model_dir and must not write over one another's.
    if "_tuning_objective_metric" in hyperparameters and model_dir and not model_dir.startswith("/opt/ml"):
        own["model_dir"] = f"{model_dir}/{env.job_name}/model"
    arguments = mapping.to_cmd_args(own)
    several = len(env.hosts) > 1
    if several and script.enabled(env, "sagemaker_parameter_server_enabled"):
        _run_with_parameter_servers(env, arguments)
    elif several and script.enabled(env, "sagemaker_multi_worker_mirrored_strategy_enabled"):
        script.run(env, args=arguments, env_vars=_with_config(env, mirrored_config(env.hosts, env.current_host)))
    elif script.enabled(env, "sagemaker_mpi_enabled"):
        script.run_under_mpi(env, args=arguments)
    else:
        script.run(env, args=arguments)
    warn_of_model(Path(env.model_dir))


def parameter_server_config(hosts: "list[str]", host: str, server: bool = False) -> "dict[str, Any]":
    """`TF_CONFIG` with a parameter server on every host, a master on the first one and workers on the others."""
    cluster = {
        "master": [f"{hosts[0]}:{WORKER_PORT}"],
        "ps": [f"{each}:{SERVER_PORT}" for each in hosts],
        "worker": [f"{each}:{WORKER_PORT}" for each in hosts[1:]],
    }
    if server:
        task = {"type": "ps", "index": hosts.index(host)}
    elif host == hosts[0]:
        task = {"type": "master", "index": 0}
    else:
        task = {"type": "worker", "index": hosts.index(host) - 1}
    return {"cluster": cluster, "environment": "cloud", "task": task}


def mirrored_config(hosts: "list[str]", host: str) -> "dict[str, Any]":
    """`TF_CONFIG` for MultiWorkerMirroredStrategy: all hosts are workers."""
    cluster = {"worker": [f"{each}:{MIRRORED_PORT}" for each in hosts]}
    return {"cluster": cluster, "environment": "cloud", "task": {"type": "worker", "index": hosts.index(host)}}


def warn_of_model(model_dir: Path) -> None:
    """Say what would keep TensorFlow's inference container from serving what was saved."""
    files = [path for path in model_dir.glob("**/*") if path.is_file()]
    saved = [path.parent for path in files if path.name in ("saved_model.pb", "saved_model.pbtxt")]
    if not files:
        logger.warning("No model artifact is saved under path %s. No model files will be uploaded.", model_dir)
    elif not saved:
        logger.warning(
            "Your model will NOT be servable with SageMaker TensorFlow Serving container. The model artifact was not "
            "saved in the TensorFlow SavedModel directory structure: "
            "https://www.tensorflow.org/guide/saved_model#structure_of_a_savedmodel_directory"
        )
    for folder in saved:
        if not folder.name.isdigit():
            logger.warning(
                "Your model will NOT be servable with SageMaker TensorFlow Serving containers. The SavedModel bundle "
                'is under directory "%s", not a numeric name.',
                folder.name,
            )


def _with_config(env: environment.Environment, config: "dict[str, Any]") -> "dict[str, str]":
    return {**env.to_env_vars(), "TF_CONFIG": json.dumps(config)}


def _run_with_parameter_servers(env: environment.Environment, arguments: "list[str]") -> None:
    server = multiprocessing.get_context("spawn").Process(
        target=_serve_parameters, args=(env.hosts, env.current_host), daemon=True
    )
    server.start()
    config = parameter_server_config(env.hosts, env.current_host)
    script.run(env, args=arguments, env_vars=_with_config(env, config))
    if env.current_host != env.hosts[0]:
        _wait_for_end_of(env.hosts[0], WORKER_PORT)


def _serve_parameters(hosts: "list[str]", host: str) -> None:
    import tensorflow

    config = parameter_server_config(hosts, host, server=True)
    # Several processes on one GPU would take its memory from each other.
    devices = tensorflow.compat.v1.ConfigProto(device_count={"GPU": 0})
    cluster = tensorflow.train.ClusterSpec(config["cluster"])
    index = config["task"]["index"]
    tensorflow.distribute.Server(cluster, job_name="ps", task_index=index, config=devices).join()


def _wait_for_end_of(host: str, port: int) -> None:
    """The parameters on this host are needed for as long as the master trains."""
    while True:
        try:
            socket.create_connection((host, port), timeout=_LOOK_AGAIN_SECONDS).close()
        except OSError:
            return
        time.sleep(_LOOK_AGAIN_SECONDS)
