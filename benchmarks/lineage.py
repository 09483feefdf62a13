"""Milliseconds that a QueryLineage takes which walks a whole graph, beside the same walk as one recursive statement.

The graph has ten levels of entities, each of which leads to two of the next, and 10,000 associations. What is asked for
is only at its end, so that nothing but the whole walk finds it.
"""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.control_plane import ACCOUNT, client_of
from benchmarks.figures import ROUNDS, Figure, Figures
from benchmarks.search import milliseconds
from sagesmith.config import Platform
from sagesmith.store import Association, Document, Store
from tests.integration.conftest import Running

REGION = "ap-south-1"
DEPTH, WIDE = 10, 500
CALLS = 20
REACH = 6.0
"""Times the bare statement, which neither comes over HTTP, nor is signed, checked, paged or shown."""

_WALK = """
WITH RECURSIVE walk (arn, type, depth) AS (
    VALUES (:start, 'DataSet', 0)
    UNION
    SELECT destination, destination_type, depth + 1
    FROM walk JOIN associations ON region = :region AND source = walk.arn
    WHERE depth < :depth
)
SELECT arn FROM walk WHERE type = 'Model' ORDER BY depth, arn LIMIT 50
"""


def arn(level: int, number: int) -> str:
    """An entity of the graph."""
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:artifact/{level:02}{number:030}"


def edges() -> Iterator[Association]:
    """Each entity of a level leads to two of the next."""
    for level in range(DEPTH):
        kind = "Model" if level == DEPTH - 1 else "DataSet"
        for number in range(WIDE):
            for other in (number, (number + 2**level) % WIDE):
                ends = (arn(level, number), arn(level + 1, other))
                yield Association(REGION, *ends, "ContributedTo", "DataSet", kind)


def fill(database_url: str) -> None:
    """Put the graph into a platform's database, as AddAssociation would."""
    store = Store.open(database_url)
    with store.write() as tx:
        start = arn(0, 0)
        body = {"ArtifactArn": start, "ArtifactType": "DataSet", "Source": {"SourceUri": "s3://data/first"}}
        tx.create(Document("artifact", REGION, start.rpartition("/")[2], "first", start, body))
        for edge in edges():
            tx.associate(edge)
    store.close()


def ours(platform: Running) -> Callable[[], Any]:
    sagemaker = client_of(platform, REGION)
    return lambda: sagemaker.query_lineage(
        StartArns=[arn(0, 0)], Direction="Descendants", MaxDepth=DEPTH, Filters={"Types": ["Model"]}, MaxResults=50
    )


def bare(database: Path) -> Callable[[], list[Any]]:
    """The same walk in one statement, in this process."""
    connection = sqlite3.connect(database)
    asked = {"start": arn(0, 0), "region": REGION, "depth": DEPTH}
    return lambda: connection.execute(_WALK, asked).fetchall()


def figures(platform: Running) -> Figures:
    settings = Platform.load(platform.data)
    fill(settings.database_url)
    walk, statement = ours(platform), bare(settings.dir.database)
    found = [each["Arn"] for each in walk()["Vertices"]]
    assert found == [each for (each,) in statement()], "both walks find the same"
    rounds = [(milliseconds(walk, CALLS)[0], milliseconds(statement, CALLS)[0]) for _ in range(ROUNDS)]
    measured, peer = (median(each) for each in zip(*rounds, strict=True))
    yield Figure(
        "QueryLineage over 10,000 associations, p50", "ms", measured, "within", REACH, peer, "recursive SQL, bare"
    )
