"""An earlier job's model, which a job goes on from: the channel `model`.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/incremental-training.html
"""

import json
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sagesmith.algorithms.data.read import Source, files
from sagesmith.algorithms.errors import CustomerError


@contextmanager
def opened(source: Source) -> Iterator[Path]:
    """The directory of an earlier model: the channel's own, or what its model.tar.gz has.

    Raises:
        CustomerError: it is no archive.
    """
    archive = next((path for path in files(source) if path.name.endswith(".tar.gz")), None)
    if archive is None:
        yield source.folder
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(archive) as opened_archive:
                opened_archive.extractall(folder, filter="data")
        except (OSError, EOFError, tarfile.TarError) as error:
            raise CustomerError(f"Channel '{source.name}': {archive.name} is not a model.tar.gz: {error}") from error
        yield Path(folder)


def check(folder: Path, file: str, values: Mapping[str, Any], names: Sequence[str], title: str) -> None:
    """See whether an earlier model is of the same kind as the job.

    Args:
        file: the JSON of the model's hyperparameters.
        names: the hyperparameters that must be the same.

    Raises:
        CustomerError: it is another algorithm's, or one of `names` differs.
    """
    try:
        earlier = json.loads((folder / file).read_text(encoding="utf-8"))
        different = [name for name in names if earlier[name] != values[name]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CustomerError(f"The model in channel 'model' is not one of {title}: {file}: {error}") from error
    if different:
        name = different[0]
        raise CustomerError(
            f"The model in channel 'model' has another network: its {name} is {earlier[name]}, the job's "
            f"{values[name]}."
        )
