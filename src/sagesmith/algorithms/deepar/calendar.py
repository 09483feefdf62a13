"""Frequencies: the steps of a series in time, what a date says, and which earlier values are looked at.

Source: Salinas et al., "DeepAR: Probabilistic forecasting with autoregressive recurrent networks", and AWS's page on
how DeepAR works (feature time series and lags by frequency).
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

_FREQUENCY = re.compile(r"(\d*)(min|M|W|D|H)")
_ZONE = re.compile(r":\d\d(\.\d+)?\s*(Z|z|[+-]\d\d:?\d\d)$")
_UNITS = {"min": "m", "H": "h", "D": "D", "W": "W", "M": "M"}
_DAY_MINUTES = 24 * 60
_MINUTES = {"min": 1, "H": 60, "D": _DAY_MINUTES, "W": 7 * _DAY_MINUTES}
_RECENT = 7


@dataclass(frozen=True, slots=True)
class Frequency:
    """`number` times a unit: `min`, `H`, `D`, `W` or `M`."""

    number: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> "Frequency":
        """The frequency that a text such as `5min` or `H` names.

        Raises:
            ValueError: it names none.
        """
        found = _FREQUENCY.fullmatch(text.strip())
        number = int(found[1] or 1) if found else 0
        if found is None or not 1 <= number <= 1000:
            raise ValueError(f"'{text}' is not an integer followed by M, W, D, H or min")
        return cls(number, found[2])

    @property
    def lags(self) -> list[int]:
        """How many steps earlier the values lie that the network sees: the last ones, and those around a day, a week,
        a month, a quarter and a year ago, as far as a step is shorter."""
        if self.unit == "M":
            seasons = [12 // self.number * years for years in (1, 2, 3)]
            around: tuple[int, ...] = (-1, 0, 1)
        else:
            step = _MINUTES[self.unit] * self.number
            days = {"D": (7, 14, 21, 28, 365), "W": (364, 728), "H": (1, 2, 3, 7, 14, 21, 28), "min": (1, 2, 3, 7)}
            seasons = [days_ * _DAY_MINUTES // step for days_ in days[self.unit]]
            if self.unit == "min" and step < 60:
                seasons = [60 // step, 120 // step, *seasons]
            around = (-1, 0, 1) if self.unit != "D" else (0,)
        found = set(range(1, _RECENT + 1))
        found |= {season + delta for season in seasons if season > 1 for delta in around}
        return sorted(lag for lag in found if lag >= 1)

    def times(self, start: str, steps: int) -> Any:
        """The times of so many steps from a start on.

        Raises:
            ValueError: the start is none.
        """
        # NumPy would take a zone, and warn.
        if _ZONE.search(start.strip()):
            raise ValueError(f"'{start}' has a time zone; times such as '2009-11-01 00:00:00' have none")
        try:
            first = np.datetime64(start.strip().replace(" ", "T", 1), "s")
        except ValueError:
            raise ValueError(f"'{start}' is not a time such as '2009-11-01 00:00:00'") from None
        if np.isnat(first):
            raise ValueError(f"'{start}' is not a time such as '2009-11-01 00:00:00'")
        unit: Any = _UNITS[self.unit]
        # Weeks of NumPy begin on Thursdays: of them, and of days, the first is kept.
        if unit in ("M", "m", "h"):
            first = first.astype(f"datetime64[{unit}]")
        step = np.timedelta64(7 * self.number, "D") if unit == "W" else np.timedelta64(self.number, unit)
        if unit in ("D", "W"):
            first = first.astype("datetime64[D]")
        return first + np.arange(steps) * step

    def features(self, times: Any) -> Any:
        """What times say, each from -0.5 to 0.5: an array of shape (steps, features), float32."""
        days = times.astype("datetime64[D]")
        years, months = times.astype("datetime64[Y]"), times.astype("datetime64[M]")
        month = (months - years.astype("datetime64[M]")).astype(int) / 11 - 0.5
        if self.unit == "M":
            return month.astype(np.float32)[:, None]
        year_day = (days - years.astype("datetime64[D]")).astype(int) / 365 - 0.5
        if self.unit == "W":
            return np.stack([month, year_day], axis=1).astype(np.float32)
        month_day = (days - months.astype("datetime64[D]")).astype(int) / 30 - 0.5
        # 1970-01-01 was a Thursday.
        week_day = ((days.astype(int) + 3) % 7) / 6 - 0.5
        parts = [week_day, month_day, year_day]
        if self.unit in ("H", "min"):
            minutes = (times.astype("datetime64[m]") - days.astype("datetime64[m]")).astype(int)
            parts.insert(0, (minutes // 60) / 23 - 0.5)
            if self.unit == "min":
                parts.insert(0, (minutes % 60) / 59 - 0.5)
        return np.stack(parts, axis=1).astype(np.float32)
