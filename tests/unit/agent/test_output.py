"""Lines and metrics out of what programs print."""

import itertools
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagesmith.agent.output import MAX_LINE_BYTES, LineSplitter, MetricScraper, Output
from sagesmith.compute.base import MetricDefinition


def lines_of(*pieces: bytes) -> list[str]:
    splitter = LineSplitter()
    return [line for piece in pieces for line in splitter.feed(piece)] + list(splitter.end())


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_lines_do_not_depend_on_how_the_stream_was_cut(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(data)]
    assert lines_of(*(data[a:b] for a, b in itertools.pairwise(edges))) == lines_of(data)


@given(st.lists(st.text(st.characters(exclude_characters="\r\n\0", codec="utf-8"), max_size=20)))
def test_lines_come_back_as_they_were_written(lines: list[str]) -> None:
    assert lines_of("".join(line + "\n" for line in lines).encode()) == lines


def test_each_state_of_a_progress_bar_is_a_line() -> None:
    assert lines_of(b"\r 10%\r 20%", b"\r100%\r\n", b"done\n") == [" 10%", " 20%", "100%", "done"]


def test_empty_lines_stay() -> None:
    assert lines_of(b"a\n\n\r\nb") == ["a", "", "", "b"]


def test_a_long_line_is_cut_between_characters() -> None:
    text = "ä" * MAX_LINE_BYTES
    found = lines_of(text.encode())
    assert "".join(found) == text
    assert all(len(line.encode()) <= MAX_LINE_BYTES for line in found)


@pytest.mark.parametrize("piece", [b"x" * 65536, b"\r" * 65536])
def test_a_line_that_never_ends_takes_no_memory(piece: bytes) -> None:
    splitter = LineSplitter()
    tracemalloc.start()
    try:
        cut = sum(len(line) for _ in range(500) for line in splitter.feed(piece))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert cut >= 500 * len(piece) - MAX_LINE_BYTES - 1
    assert peak < 4 << 20


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert lines_of(b"a\xffb\x00c\n") == ["a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"]


def scraped(regex: str, *lines: str) -> list[float]:
    scraper = MetricScraper([MetricDefinition("m", regex)])
    scraper.scan(lines, 5.0)
    assert all(each["Timestamp"] == 5.0 for each in scraper.final())
    return [each["Value"] for each in scraper.final()]


@pytest.mark.parametrize(
    ("regex", "lines", "value"),
    [
        ("loss=([0-9.]+)", ("loss=0.5", "loss=0.25", "nothing"), [0.25]),
        ("loss=([0-9.]+)", ("loss=.", "loss=1.2.3"), []),
        ("loss=(\\S+)", ("loss=1e-3",), [0.001]),
        ("[0-9]+", ("42",), [42.0]),
        ("loss", ("loss=1",), []),
    ],
)
def test_a_metric_is_the_last_number_that_its_expression_found(
    regex: str, lines: tuple[str, ...], value: list[float]
) -> None:
    assert scraped(regex, *lines) == value


def test_an_expression_that_takes_forever_is_given_up_and_the_others_go_on() -> None:
    scraper = MetricScraper([MetricDefinition("slow", "(a|aa)+$"), MetricDefinition("fast", "n=([0-9]+)")])
    scraper.scan(["a" * 60 + "b", "n=3"], 1.0)
    assert [each["MetricName"] for each in scraper.final()] == ["fast"]
    assert "slow" in scraper.complaints[0]


def test_an_expression_that_is_not_valid_is_said_in_the_log(tmp_path: Path) -> None:
    output = Output(tmp_path / "output.log", [MetricDefinition("m", "(")])
    output.feed(b"line\n")
    lines = (tmp_path / "output.log").read_text().splitlines()
    assert lines[0].endswith(" line")
    assert "metric m is not valid" in lines[1]


def test_returns_without_end_are_split_as_fast_as_anything_else() -> None:
    pieces = [b"\r" * 65_536] * 16
    assert "".join(lines_of(*pieces, b"end\n")).strip("\r") == "end"
