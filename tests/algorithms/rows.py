"""Tables as channels' files."""

from typing import Any

import numpy as np


def csv(features: Any, labels: Any = None) -> str:
    """A row a line, its label first."""
    table = np.asarray(features) if labels is None else np.column_stack([labels, features])
    return "".join(",".join(f"{value:.9g}" for value in row) + "\n" for row in table.tolist())
