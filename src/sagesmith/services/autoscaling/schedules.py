"""When a scheduled action runs: `at(…)`, `rate(…)` and `cron(…)` expressions, as pure functions of time.

Source: https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html,
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
"""

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_AT = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")
_CRON = re.compile(r"cron\((.+)\)")
_UNITS = {"minute": 60.0, "hour": 3_600.0, "day": 86_400.0}
_MONTHS = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
_LAST_YEAR = 2199
_END = datetime(_LAST_YEAR + 1, 1, 2, tzinfo=UTC).timestamp()
"""It is later than that year everywhere."""


class BadSchedule(ValueError):
    """An expression that says nothing, or a zone that nobody knows."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """An expression that was read.

    Attributes:
        next_after: the first time after another, None if there is none; seconds since the epoch.
        repeats: whether there may be more than one.
    """

    next_after: Callable[[float], float | None]
    repeats: bool


def parse(expression: str, zone: str | None, begins_at: float, *, at_once: bool) -> Schedule:
    """Read an expression.

    Args:
        zone: the IANA name of a time zone, None for UTC. A rate has none.
        begins_at: from when a rate is counted.
        at_once: whether a rate runs at `begins_at` already.

    Raises:
        BadSchedule: it cannot be read.
    """
    where = _zone(zone)
    if match := _AT.fullmatch(expression):
        return _once(match[1], where)
    if match := _RATE.fullmatch(expression):
        return _rate(int(match[1]), match[2], bool(match[3]), begins_at, at_once)
    if match := _CRON.fullmatch(expression):
        cron = _Cron.read(match[1])
        return Schedule(lambda after: cron.next_after(after, where), repeats=True)
    raise BadSchedule(f"{expression!r} is neither an at, nor a rate, nor a cron expression")


def last_before(schedule: Schedule, since: float, now: float) -> float:
    """The last time up to now that a schedule names, given the first one; of many that were missed it alone counts."""
    for span in (3_600.0, 86_400.0, 32 * 86_400.0, 400 * 86_400.0):
        found = schedule.next_after(max(since, now - span) - 1e-3)
        if found is not None and found <= now:
            while (later := schedule.next_after(found)) is not None and later <= now:
                found = later
            return found
    return since


def _zone(name: str | None) -> tzinfo:
    if name is None or name in ("UTC", "Etc/UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadSchedule(f"{name!r} is no time zone that is known here") from error


def _once(moment: str, zone: tzinfo) -> Schedule:
    try:
        at = datetime.fromisoformat(moment).replace(tzinfo=zone).timestamp()
    except ValueError as error:
        raise BadSchedule(f"{moment} is no time") from error
    return Schedule(lambda after: at if at > after else None, repeats=False)


def _rate(value: int, unit: str, plural: bool, begins_at: float, at_once: bool) -> Schedule:
    if value < 1 or plural != (value > 1):
        raise BadSchedule("a rate has a positive value, and `minutes` where it is more than one")
    seconds = value * _UNITS[unit]

    def next_after(after: float) -> float:
        passed = (after - begins_at) // seconds + 1
        return begins_at + max(passed, 0 if at_once else 1) * seconds

    return Schedule(next_after, repeats=True)


@dataclass(frozen=True, slots=True)
class _Cron:
    """The six fields; of the days those that a month has is a question of the month."""

    minutes: frozenset[int]
    hours: frozenset[int]
    month_days: Callable[[int, int], frozenset[int]]
    months: frozenset[int]
    years: frozenset[int]

    @staticmethod
    def read(fields: str) -> "_Cron":
        found = fields.upper().split()
        if len(found) != 6:
            raise BadSchedule("a cron expression has six fields: minutes hours day-of-month month day-of-week year")
        minutes, hours, days, months, weekdays, years = found
        if (days == "?") == (weekdays == "?"):
            raise BadSchedule("exactly one of day-of-month and day-of-week must be ?")
        return _Cron(
            _numbers(minutes, 0, 59),
            _numbers(hours, 0, 23),
            _of_weekdays(weekdays) if days == "?" else _of_month(days),
            _numbers(months, 1, 12, _MONTHS),
            _numbers(years, 1970, _LAST_YEAR),
        )

    def next_after(self, after: float, zone: tzinfo) -> float | None:
        if after >= _END:
            return None
        day = datetime.fromtimestamp(after, zone).date()
        # The 29th of February is a certain day of the week once in 28 years, or 40: whole months are passed over.
        while day.year <= _LAST_YEAR:
            if day.year not in self.years or day.month not in self.months:
                day = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
                continue
            for at in self._on(day, zone):
                if at > after:
                    return at
            day += timedelta(days=1)
        return None

    def _on(self, day: date, zone: tzinfo) -> Iterator[float]:
        """The times of a day; one that a clock which is put forward leaves out is none."""
        if day.day not in self.month_days(day.year, day.month):
            return
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                at = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
                if datetime.fromtimestamp(at.timestamp(), zone).replace(tzinfo=None) == at.replace(tzinfo=None):
                    yield at.timestamp()


def _of_month(field: str) -> Callable[[int, int], frozenset[int]]:
    """Day-of-month: numbers, `L` for the last, `15W` for the weekday that is nearest to the 15th."""
    if field == "L":
        return lambda year, month: frozenset({calendar.monthrange(year, month)[1]})
    if match := re.fullmatch(r"(\d{1,2})W", field):
        number = _number(match[1], 1, 31, {})
        return lambda year, month: frozenset({_nearest_weekday(year, month, number)})
    numbers = _numbers(field, 1, 31)
    return lambda year, month: numbers


def _of_weekdays(field: str) -> Callable[[int, int], frozenset[int]]:
    """Day-of-week, 1 to 7 from Sunday: numbers or names, `6L` for the last Friday, `3#2` for the second Tuesday."""
    if match := re.fullmatch(r"(\w+)#([1-5])", field):
        weekday, which = _number(match[1], 1, 7, _DAYS), int(match[2])
        return lambda year, month: frozenset(_days_of(year, month, {weekday})[which - 1 : which])
    if field != "L" and (match := re.fullmatch(r"(\w+)L", field)):
        weekday = _number(match[1], 1, 7, _DAYS)
        return lambda year, month: frozenset(_days_of(year, month, {weekday})[-1:])
    weekdays = frozenset({7}) if field == "L" else _numbers(field, 1, 7, _DAYS)
    return lambda year, month: frozenset(_days_of(year, month, weekdays))


def _days_of(year: int, month: int, weekdays: frozenset[int] | set[int]) -> list[int]:
    first, count = calendar.monthrange(year, month)
    return [day for day in range(1, count + 1) if (first + day) % 7 + 1 in weekdays]


def _nearest_weekday(year: int, month: int, day: int) -> int:
    """The Monday to Friday of the same month that is nearest; 0 if the month has no such day."""
    count = calendar.monthrange(year, month)[1]
    if day > count:
        return 0
    weekday = calendar.weekday(year, month, day)
    if weekday == calendar.SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == calendar.SUNDAY:
        return day + 1 if day < count else day - 2
    return day


def _numbers(field: str, least: int, most: int, names: dict[str, int] | None = None) -> frozenset[int]:
    """The values of a field: `*`, `5`, `1-5`, `0/15`, `MON-FRI`, and several of these with commas."""
    found: set[int] = set()
    for part in field.split(","):
        span, slash, step = part.partition("/")
        if slash and not (step.isdecimal() and int(step) > 0):
            raise BadSchedule(f"{part!r} has no step")
        low, dash, high = span.partition("-")
        if span == "*":
            first, last = least, most
        else:
            first = _number(low, least, most, names or {})
            last = _number(high, least, most, names or {}) if dash else (most if slash else first)
        if last < first:
            raise BadSchedule(f"{part!r} ends before it begins")
        found.update(range(first, last + 1, int(step) if slash else 1))
    return frozenset(found)


def _number(text: str, least: int, most: int, names: dict[str, int]) -> int:
    value = names.get(text, int(text) if text.isdecimal() else None)
    if value is None or not least <= value <= most:
        raise BadSchedule(f"{text!r} is not between {least} and {most}")
    return value
