"""Weights that were learned before: there are none on the machine but those that a job brings."""

import tarfile
import tempfile
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path

from sagesmith.algorithms.data.read import Source, files, no_data
from sagesmith.algorithms.errors import CustomerError

MODEL_TYPE = "application/x-sagemaker-model"


def check(wanted: bool, channels: Container[str], title: str) -> None:
    """Answer `use_pretrained_model`.

    Raises:
        CustomerError: it is set, and the job has no channel `model`.
    """
    if wanted and "model" not in channels:
        raise CustomerError(
            f"use_pretrained_model is 1, and no pretrained weights come with {title}: nothing is downloaded. Give the "
            "job a channel 'model' with the model.tar.gz of an earlier job to start from, or set use_pretrained_model "
            "to 0."
        )


@contextmanager
def unpacked(source: Source) -> Iterator[Path]:
    """The model of a channel `model`, as the directory that an earlier job wrote; the channel may have it unpacked.

    Raises:
        CustomerError: the channel is empty, or its archive is none.
    """
    found = files(source)
    if not found:
        raise no_data(source)
    archives = [path for path in found if path.name.endswith((".tar.gz", ".tgz"))]
    if not archives:
        yield found[0].parent
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(archives[0]) as archive:
                archive.extractall(folder, filter="data")
        except (tarfile.TarError, OSError, EOFError) as error:
            name = archives[0].relative_to(source.folder)
            raise CustomerError(f"The file {source.name}/{name} is not a model.tar.gz: {error}") from error
        yield Path(folder)
