"""What the container's environment variables say, by the names that AWS's containers use."""

from __future__ import annotations

import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_PROGRAM = "inference.py"
MEGABYTE = 1024 * 1024
PAYLOAD_MB, BATCH_PAYLOAD_MB = 25, 100


@dataclass(frozen=True)
class Settings:
    """A model server's settings.

    Attributes:
        program: the user's script, relative to the code directory; None if the user named none.
        framework: whose defaults hold for what the script does not say (`frameworks`); None for scikit-learn's.
        default_accept: what a request that accepts anything gets.
        workers: threads that run handlers.
        queue_limit: invocations that may wait or run before others are refused with 503.
        invocation_timeout_seconds: how long a handler may run until it is given up and the server starts anew.
        batching: whether requests that wait together are predicted together: `auto`, where no answer can change by it;
            `on`, also by a `predict_fn` of the user's, which then takes the rows of several requests; `off`.
        log_level: of Python's `logging`.
        multi_model: whether each request names the model that it is for (`multimodel`); there is no model at the start.
        keeps_models: whether a model that was asked for stays loaded.
        model_wait_seconds: how long a request waits for its model to be loaded.
        memory_bytes: what the instance has, None if there is no limit.
        models_bytes: what all models may take together, None if only the instance's memory limits them.
    """

    model_dir: Path
    code_dir: Path
    program: str | None
    framework: str | None
    default_accept: str
    workers: int
    queue_limit: int
    invocation_timeout_seconds: float
    max_payload_bytes: int
    log_level: int
    batching: str = "auto"
    multi_model: bool = False
    keeps_models: bool = True
    model_wait_seconds: float = 59.0
    memory_bytes: int | None = None
    models_bytes: int | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read the variables; one that makes no sense is reported and its default taken, as AWS's containers do."""
        base = Path(environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
        timeout = _number(environ, "SAGEMAKER_MODEL_SERVER_TIMEOUT", 60)
        return cls(
            model_dir=base / "model",
            code_dir=_code_dir(environ.get("SAGEMAKER_SUBMIT_DIRECTORY", ""), base),
            program=environ.get("SAGEMAKER_PROGRAM") or None,
            framework=environ.get("SAGESMITH_HANDLERS") or None,
            default_accept=environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or _default_accept(environ),
            workers=int(_number(environ, "SAGEMAKER_MODEL_SERVER_WORKERS", 1)),
            queue_limit=int(_number(environ, "SAGEMAKER_MODEL_SERVER_QUEUE_SIZE", 256)),
            invocation_timeout_seconds=_number(environ, "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS", timeout),
            max_payload_bytes=_max_payload_bytes(environ),
            log_level=int(_number(environ, "SAGEMAKER_CONTAINER_LOG_LEVEL", logging.INFO)),
            batching=_word(environ, "SAGESMITH_BATCHING", ("auto", "on", "off")),
            multi_model=environ.get("SAGEMAKER_MULTI_MODEL") == "true",
            keeps_models=environ.get("SAGESMITH_MODEL_CACHE") != "Disabled",
            model_wait_seconds=_number(environ, "SAGESMITH_MODEL_WAIT_SECONDS", 59),
            memory_bytes=int(_number(environ, "SAGESMITH_MEMORY_BYTES", 0)) or None,
            models_bytes=int(_number(environ, "SAGESMITH_MODEL_CACHE_BYTES", 0)) or None,
        )


def _default_accept(environ: Mapping[str, str]) -> str:
    """A built-in algorithm chooses itself what to answer with; scripts are told JSON."""
    chooses = "SAGESMITH_ALGORITHM" in environ and not environ.get("SAGEMAKER_PROGRAM")
    return "*/*" if chooses else "application/json"


def _max_payload_bytes(environ: Mapping[str, str]) -> int:
    """What a request may have; of a batch transform job what the job says, of which 0 stands for any size."""
    batch = environ.get("SAGEMAKER_BATCH") == "true"
    if batch and environ.get("SAGEMAKER_MAX_PAYLOAD_IN_MB") == "0":
        return sys.maxsize
    default = BATCH_PAYLOAD_MB if batch else PAYLOAD_MB
    return int(_number(environ, "SAGEMAKER_MAX_PAYLOAD_IN_MB", default) * MEGABYTE)


def _number(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if value > 0:
        return value
    logging.getLogger(__name__).warning("%s=%s is not a positive number, using %g", name, text, default)
    return default


def _word(environ: Mapping[str, str], name: str, words: tuple[str, ...]) -> str:
    word = environ.get(name, "").lower() or words[0]
    if word in words:
        return word
    logging.getLogger(__name__).warning("%s=%s is none of %s, using %s", name, word, ", ".join(words), words[0])
    return words[0]


def _code_dir(submit_directory: str, base: Path) -> Path:
    """Where the user's code is: the directory that was named, else where an archive or a model artifact brings it."""
    local = submit_directory[len("file://") :] if submit_directory.startswith("file://") else submit_directory
    if os.path.isabs(local):  # noqa: PTH117 - a URI such as s3://… must not pass through Path
        return Path(local)
    candidates = [base / "model" / "code", base / "code"]
    if local:
        candidates.reverse()
    return next((path for path in candidates if path.is_dir()), candidates[0])
