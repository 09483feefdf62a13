"""A job's model as another job's channel has it: `model.tar.gz`.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/incremental-training.html
"""

import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sagesmith.algorithms.data.read import Source, files, no_data
from sagesmith.algorithms.errors import CustomerError


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
        except (tarfile.TarError, zlib.error, OSError, EOFError) as error:
            name = archives[0].relative_to(source.folder)
            raise CustomerError(f"The file {source.name}/{name} is not a model.tar.gz: {error}") from error
        yield Path(folder)
