"""Channels as what XGBoost learns from. XGBoost itself is imported when there is something for it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from sagesmith.algorithms.data.batch import Batch
from sagesmith.algorithms.data.read import Source, parameters, whole
from sagesmith.algorithms.declaration import CSV, LIBSVM
from sagesmith.algorithms.errors import CustomerError


def has_data(source: Source) -> bool:
    """Whether there is anything in a channel; of a pipe that is not known before it is read."""
    if source.mode == "Pipe":
        return True
    visible = (path for path in source.folder.rglob("*") if not path.name.startswith((".", "_")))
    return any(path.is_file() and path.stat().st_size for path in visible)


def read(source: Source, *, weighted: bool) -> Batch:
    """All rows of a channel.

    Args:
        weighted: CSV has the rows' weights in its second column.

    Raises:
        CustomerError: the data are wrong; it names file, line and column.
    """
    kind, given = parameters(source.content_type)
    if kind == LIBSVM and source.mode == "Pipe":
        raise CustomerError("Pipe mode not supported for LibSVM.")
    if given.get("label_size", "1") != "1":
        raise CustomerError(
            f"{source.content_type} is not an accepted csv ContentType. Optional parameter label_size must be equal to "
            "1"
        )
    rows = whole(source, labels=1, missing=True)
    if not (weighted and kind == CSV):
        return rows
    if rows.columns < 2:
        raise CustomerError(
            f"Channel '{source.name}': csv_weights is 1, so that a row has a label, a weight and features; it has "
            f"{rows.columns + 1} columns."
        )
    return replace(rows, features=rows.features[:, 1:], weights=rows.features[:, 0])


def check_labels(labels: Any, objective: str, classes: int | None, channel: str) -> None:
    """See that labels are such as the objective needs.

    Raises:
        CustomerError: one is not.
    """
    if objective.startswith("binary:") or objective == "reg:logistic":
        wrong, words = (labels < 0) | (labels > 1), "label must be in [0,1] for logistic regression"
    elif objective.startswith("multi:"):
        wrong, words = (labels < 0) | (labels >= classes) | (labels % 1 != 0), "label must be in [0, num_class)"
    elif objective in ("count:poisson", "reg:tweedie", "reg:gamma"):
        wrong, words = labels < 0, f"{objective}: label must be nonnegative"
    else:
        return
    if wrong.any():
        row = int(wrong.argmax())
        raise CustomerError(f"{words}: row {row + 1} of channel '{channel}' has {labels[row]:g}.")


def matrix(rows: Batch, threads: int | None) -> Any:
    """Rows as a DMatrix. With several instances to be called on all of them: they agree on the number of columns."""
    import xgboost

    return xgboost.DMatrix(rows.features, label=rows.labels, weight=rows.weights, nthread=threads or -1)


def ranked(source: Source) -> Any:
    """A channel of libsvm with groups (`qid:…`), as a DMatrix that XGBoost itself has read; None if it has no groups.

    Raises:
        CustomerError: XGBoost cannot read it.
    """
    if parameters(source.content_type)[0] != LIBSVM or source.mode == "Pipe" or not _grouped(source.folder):
        return None
    import xgboost

    try:
        return xgboost.DMatrix(f"{source.folder}?format=libsvm")
    except xgboost.core.XGBoostError as error:
        raise CustomerError(f"Failed to load libsvm data with exception:\n{error}") from error


def _grouped(folder: Path) -> bool:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith((".", "_")):
            with path.open("rb") as file:
                return b" qid:" in file.readline(1 << 20)
    return False
