"""When scheduled actions run."""

import zoneinfo
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from sagesmith.services.autoscaling.schedules import BadSchedule, last_before, parse


def at(text: str) -> float:
    """A time of UTC in seconds since the epoch."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def shown(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def after(expression: str, moment: str, zone: str | None = None, begins: str = "2026-01-01T00:00:00") -> str | None:
    return shown(parse(expression, zone, at(begins), at_once=False).next_after(at(moment)))


@pytest.mark.parametrize(
    ("expression", "moment", "found"),
    [
        ("cron(30 6 ? * MON *)", "2026-07-01T00:00:00", "2026-07-06T06:30:00"),
        ("cron(0 10 * * ? *)", "2026-07-01T10:00:00", "2026-07-02T10:00:00"),
        ("cron(0/15 8-9 1 1,7 ? 2026-2027)", "2026-07-01T09:45:00", "2027-01-01T08:00:00"),
        ("cron(0 0 L * ? *)", "2028-02-01T00:00:00", "2028-02-29T00:00:00"),
        ("cron(0 0 ? * 6L *)", "2026-07-01T00:00:00", "2026-07-31T00:00:00"),
        ("cron(0 0 ? * 3#2 *)", "2026-07-01T00:00:00", "2026-07-14T00:00:00"),
        ("cron(0 0 15W * ? *)", "2026-08-01T00:00:00", "2026-08-14T00:00:00"),
        ("cron(0 0 ? JAN SUN,SAT *)", "2026-07-01T00:00:00", "2027-01-02T00:00:00"),
        ("cron(0 0 ? FEB FRI#5 *)", "2036-03-01T00:00:00", "2064-02-29T00:00:00"),
        ("cron(0 12 31 12 ? 2050)", "2026-07-01T00:00:00", "2050-12-31T12:00:00"),
        ("cron(0 0 30 2 ? *)", "2026-07-01T00:00:00", None),
        ("cron(0 0 1 1 ? 2025)", "2026-07-01T00:00:00", None),
        ("rate(5 minutes)", "2026-01-01T00:07:00", "2026-01-01T00:10:00"),
        ("rate(1 day)", "2025-12-31T00:00:00", "2026-01-02T00:00:00"),
        ("at(2026-07-01T12:00:00)", "2026-07-01T11:00:00", "2026-07-01T12:00:00"),
        ("at(2026-07-01T12:00:00)", "2026-07-01T12:00:00", None),
    ],
)
def test_the_next_time_follows_from_the_expression(expression: str, moment: str, found: str | None) -> None:
    assert after(expression, moment) == found


def test_a_time_zone_moves_with_its_summer() -> None:
    daily = "cron(0 9 * * ? *)"
    assert after(daily, "2026-01-15T00:00:00", "America/New_York") == "2026-01-15T14:00:00"
    assert after(daily, "2026-07-15T00:00:00", "America/New_York") == "2026-07-15T13:00:00"
    assert after("at(2026-07-15T09:00:00)", "2026-01-01T00:00:00", "Pacific/Tahiti") == "2026-07-15T19:00:00"


def test_an_hour_that_a_clock_leaves_out_is_none_and_one_that_it_has_twice_is_one() -> None:
    assert after("cron(30 2 * * ? *)", "2026-03-08T00:00:00", "America/New_York") == "2026-03-09T06:30:00"
    first = after("cron(30 1 * * ? *)", "2026-11-01T00:00:00", "America/New_York")
    assert first == "2026-11-01T05:30:00"
    assert after("cron(30 1 * * ? *)", first, "America/New_York") == "2026-11-02T06:30:00"


@pytest.mark.parametrize(
    ("expression", "zone"),
    [
        ("every day", None),
        ("cron(0 10 * * * *)", None),
        ("cron(0 10 * * ?)", None),
        ("cron(60 10 * * ? *)", None),
        ("cron(0 10 ? * FUNDAY *)", None),
        ("cron(0 20-10 * * ? *)", None),
        ("cron(0 ² * * ? *)", None),
        ("cron(0/² 10 * * ? *)", None),
        ("rate(1 minutes)", None),
        ("rate(0 minutes)", None),
        ("at(2026-02-30T00:00:00)", None),
        ("rate(5 minutes)", "Mars/Olympus"),
    ],
)
def test_what_says_nothing_is_refused(expression: str, zone: str | None) -> None:
    with pytest.raises(BadSchedule):
        parse(expression, zone, 0.0, at_once=False)


@pytest.mark.parametrize("expression", ["cron(* * * * ? *)", "rate(1 minute)"], ids=["cron", "rate"])
def test_of_many_that_were_missed_the_last_one_counts(expression: str) -> None:
    schedule = parse(expression, None, at("2026-01-01T00:00:00"), at_once=False)
    found = last_before(schedule, at("2026-01-01T00:01:00"), at("2026-12-31T23:59:30"))
    assert shown(found) == "2026-12-31T23:59:00"


def test_nothing_is_due_after_the_last_year_that_an_expression_can_name() -> None:
    daily = parse("cron(0 9 * * ? *)", "Pacific/Tahiti", 0.0, at_once=False)
    assert shown(daily.next_after(at("2199-12-31T00:00:00"))) == "2199-12-31T19:00:00"
    assert daily.next_after(1e15) is None


def test_a_rate_with_a_start_runs_at_once() -> None:
    schedule = parse("rate(1 hour)", None, at("2026-01-01T00:00:00"), at_once=True)
    assert shown(schedule.next_after(at("2025-12-31T23:59:59"))) == "2026-01-01T00:00:00"
    assert shown(schedule.next_after(at("2026-01-01T00:00:00"))) == "2026-01-01T01:00:00"


def test_time_zones_are_known_on_a_machine_that_has_none() -> None:
    ZoneInfo.clear_cache()
    zoneinfo.reset_tzpath(to=())
    try:
        assert after("at(2026-07-01T12:00:00)", "2026-07-01T00:00:00", "Europe/Berlin") == "2026-07-01T10:00:00"
    finally:
        zoneinfo.reset_tzpath()
