"""The claim to a database, and its watch, where the network to the server fails."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from sagesmith.platform.claim import TAKEOVER_SECONDS, Claim, Claimed
from sagesmith.platform.errors import StartFailed
from sagesmith.platform.watch import LOST_SECONDS, Watch
from tests.integration.relay import Relay, relay

pytestmark = pytest.mark.postgres


@pytest.fixture
def network(empty_postgres: str) -> Iterator[Relay]:
    with relay(make_url(empty_postgres).port or 5432) as between:
        yield between


@pytest.fixture
def claim(empty_postgres: str, network: Relay, tmp_path: Path) -> Iterator[Claim]:
    """One that is taken, over a network that can be broken."""
    url = make_url(empty_postgres).set(port=network.port).render_as_string(hide_password=False)
    with closing(Claim(url, tmp_path)) as taken:
        taken.take()
        yield taken


def holder(url: str) -> Any:
    """The process of the server whose session has the claim; None if nobody has it."""
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted").fetchone()


def test_a_session_of_ours_that_the_server_has_not_given_up_is_succeeded(
    empty_postgres: str, network: Relay, claim: Claim, tmp_path: Path
) -> None:
    former = holder(empty_postgres)
    network.cut()
    assert not claim.holds()
    assert holder(empty_postgres) == former
    claim.take()
    assert claim.holds()
    assert holder(empty_postgres) != former
    # What has the same name is another all the same.
    with closing(Claim(empty_postgres, tmp_path)) as other, pytest.raises(Claimed) as refused:
        other.take()
    assert refused.value.holder == claim.name == other.name
    assert claim.holds()


def test_a_session_that_the_server_ends_is_noticed_without_a_question(empty_postgres: str, claim: Claim) -> None:
    assert claim.is_quiet()
    with psycopg.connect(empty_postgres) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    while claim.is_quiet():
        time.sleep(0.05)
    claim.take()
    assert claim.is_quiet()
    assert claim.holds()


@pytest.mark.parametrize("stands_by", [False, True])
def test_a_platform_goes_on_after_its_connection_was_cut(
    empty_postgres: str, network: Relay, claim: Claim, stands_by: bool
) -> None:
    former = holder(empty_postgres)
    watch = Watch(claim, stands_by=stands_by)
    network.cut()
    while holder(empty_postgres) in {former, None}:
        assert watch.must_end() == ""
    assert watch.end()
    assert watch.must_end() == ""
    assert claim.holds()


def test_a_platform_ends_when_another_has_its_claim(empty_postgres: str, claim: Claim, tmp_path: Path) -> None:
    claim.close()
    while holder(empty_postgres) is not None:
        time.sleep(0.05)
    with closing(Claim(empty_postgres, tmp_path / "other")) as other:
        other.take()
        watch = Watch(claim, stands_by=False)
        while not (reason := watch.must_end()):
            time.sleep(0.05)
        assert reason.startswith("another platform runs on the database")
        assert watch.end()
        assert other.holds()


def test_a_server_that_takes_questions_and_does_not_answer_is_waited_for_no_longer_than_another_waits(
    network: Relay, claim: Claim
) -> None:
    watch = Watch(claim, stands_by=True, lost_seconds=3.0)
    network.silence()
    while not (reason := watch.must_end()):
        time.sleep(0.05)
    assert "Another may have taken over" in reason
    network.close()
    assert watch.end()
    assert LOST_SECONDS < TAKEOVER_SECONDS


def test_a_password_is_read_as_the_store_reads_it(postgres: str, empty_postgres: str, tmp_path: Path) -> None:
    with psycopg.connect(postgres + "postgres", autocommit=True) as connection:
        connection.execute("CREATE ROLE special LOGIN PASSWORD 'a/b#c?d:e'")
        try:
            address = empty_postgres.partition("@")[2]
            with closing(Claim(f"postgresql+psycopg://special:a/b#c?d:e@{address}", tmp_path)) as claim:
                claim.take()
                assert claim.holds()
        finally:
            connection.execute("DROP ROLE special")
    with pytest.raises(StartFailed, match="%XX") as refused:
        Claim("postgresql://user:secret@host:port/name", tmp_path)
    assert "secret" not in str(refused.value)
