"""Documents one by one: create, get, update, delete."""

import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import BigInteger, Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from sagesmith.store import names, properties, tagging
from sagesmith.store.base import AlreadyExists, Document, NotFound, VersionConflict
from sagesmith.store.dialects import Integers
from sagesmith.store.prepared import Prepared
from sagesmith.store.schema import document_terms, documents, tags
from sagesmith.store.terms import Terms

_d = documents.c
COLUMNS = (
    _d.id,
    _d.kind,
    _d.region,
    _d.key,
    _d.name,
    _d.arn,
    _d.parent,
    _d.status,
    _d.created_at,
    _d.updated_at,
    _d.version,
    _d.facets,
    _d.body,
    _d.searchable,
    _d.unindexed,
)
_BY_KEY = (_d.kind == bindparam("b_kind"), _d.region == bindparam("b_region"), _d.key == bindparam("b_key"))
_get = select(*COLUMNS).where(*_BY_KEY)
_GET = Prepared(_get)
_GET_LOCKED = Prepared(_get.with_for_update())
_GET_KEPT = Prepared(_get.with_for_update(read=True, key_share=True))
_get_by_arn = select(*COLUMNS).where(_d.arn == bindparam("b_arn"))
_GET_BY_ARN = Prepared(_get_by_arn)
_GET_BY_ARN_LOCKED = Prepared(_get_by_arn.with_for_update())
_changing = (_d.parent, _d.status, _d.updated_at, _d.version, _d.facets, _d.body)
_given: dict[str, Any] = {column.name: bindparam(column.name) for column in COLUMNS[1:]}
_INSERT = {
    "sqlite": Prepared(sqlite.insert(documents).values(_given).on_conflict_do_nothing().returning(_d.id)),
    "postgresql": Prepared(postgresql.insert(documents).values(_given).on_conflict_do_nothing().returning(_d.id)),
}
_UPDATE = Prepared(
    update(documents)
    .where(_d.id == bindparam("b_id"), _d.version == bindparam("b_version"))
    .values({column.name: bindparam(f"new_{column.name}") for column in _changing})
    .returning(_d.unindexed)
)
_DELETE = Prepared(delete(documents).where(_d.id == bindparam("b_id")))
_terms = Integers(bindparam("b_terms")).table_valued("value")
_INSERT_TERMS = Prepared(
    insert(document_terms).from_select(
        ["term", "document_id"], select(_terms.c.value, bindparam("b_id", type_=BigInteger))
    )
)
_DELETE_TERMS = Prepared(
    delete(document_terms).where(
        document_terms.c.term.in_(select(_terms.c.value)), document_terms.c.document_id == bindparam("b_id")
    )
)
_REGIONS = select(_d.region).distinct().order_by(_d.region)
_COUNTS = select(_d.kind, _d.status, func.count()).group_by(_d.kind, _d.status).order_by(_d.kind, _d.status)
_DELETE_TAGS = Prepared(delete(tags).where(tags.c.arn == bindparam("b_arn")))

_NO_FACETS = orjson.dumps({})


def from_row(row: Any) -> Document:
    """The document of a row of COLUMNS."""
    _, kind, region, key, name, arn, parent, status, created_at, updated_at, version, facets, body, searchable, _ = row
    return Document(
        kind,
        region,
        key,
        name,
        arn or "",
        orjson.loads(body),
        parent,
        status,
        created_at,
        updated_at,
        version,
        orjson.loads(facets) if facets != _NO_FACETS else {},
        bool(searchable),
    )


def is_unindexed(row: Any) -> bool:
    """Whether the document of a row of COLUMNS is still to be put into the full-text indexes."""
    return bool(row[-1])


def _add_terms(connection: Connection, row_id: int, terms: set[int]) -> None:
    if terms:
        _INSERT_TERMS.run(connection, {"b_terms": orjson.dumps(sorted(terms)).decode(), "b_id": row_id})


def _remove_terms(connection: Connection, row_id: int, terms: set[int]) -> None:
    if terms:
        _DELETE_TERMS.run(connection, {"b_terms": orjson.dumps(sorted(terms)).decode(), "b_id": row_id})


def create(connection: Connection, document: Document, document_tags: Mapping[str, str]) -> Document:
    now = time.time()
    document = replace(
        document, created_at=document.created_at or now, updated_at=document.updated_at or now, version=1
    )
    sqlite = connection.dialect.name == "sqlite"
    unindexed = sqlite or document.searchable
    row = _INSERT[connection.dialect.name].first(
        connection,
        {
            "kind": document.kind,
            "region": document.region,
            "key": document.key,
            "name": document.name,
            "arn": document.arn or None,
            "parent": document.parent,
            "status": document.status,
            "created_at": document.created_at,
            "updated_at": document.updated_at,
            "version": 1,
            "facets": orjson.dumps(dict(document.facets)),
            "body": orjson.dumps(document.body),
            "searchable": int(document.searchable),
            "unindexed": int(unindexed),
        },
    )
    if row is None:
        raise AlreadyExists(f"{document.kind} {document.key} exists in {document.region}")
    row_id = row[0]
    terms = Terms(document.kind, document.region)
    found = terms.changing(document.parent, document.status, document.facets)
    if not sqlite:
        found |= terms.grams(document.name)
    _add_terms(connection, row_id, found)
    tagging.put(connection, document.arn, document_tags)
    return document


def get(connection: Connection, kind: str, region: str, key: str) -> Document | None:
    row = _GET.first(connection, {"b_kind": kind, "b_region": region, "b_key": key})
    return None if row is None else from_row(row)


def lock(connection: Connection, kind: str, region: str, key: str, exclusive: bool) -> Document | None:
    statement = _GET_LOCKED if exclusive else _GET_KEPT
    row = statement.first(connection, {"b_kind": kind, "b_region": region, "b_key": key})
    return None if row is None else from_row(row)


def get_by_arn(connection: Connection, arn: str) -> Document | None:
    row = _GET_BY_ARN.first(connection, {"b_arn": arn})
    return None if row is None else from_row(row)


def update_stored(connection: Connection, document: Document, touch: bool) -> tuple[Document, Document]:
    """Returns the document as it was and as it is."""
    row = _GET.first(connection, {"b_kind": document.kind, "b_region": document.region, "b_key": document.key})
    if row is None:
        raise NotFound(f"{document.kind} {document.key} does not exist in {document.region}")
    row_id, stored = row[0], from_row(row)
    changed = replace(
        document,
        name=stored.name,
        arn=stored.arn,
        created_at=stored.created_at,
        searchable=stored.searchable,
        updated_at=time.time() if touch else document.updated_at,
        version=document.version + 1,
    )
    # What is not indexed yet will be as it is then; only now, under the row's lock, is it known.
    matched = _UPDATE.first(
        connection,
        {
            "b_id": row_id,
            "b_version": document.version,
            "new_parent": changed.parent,
            "new_status": changed.status,
            "new_updated_at": changed.updated_at,
            "new_version": changed.version,
            "new_facets": orjson.dumps(dict(changed.facets)),
            "new_body": orjson.dumps(changed.body),
        },
    )
    if matched is None:
        raise VersionConflict(f"{document.kind} {document.key} is no longer at version {document.version}")
    terms = Terms(document.kind, document.region)
    before = terms.changing(stored.parent, stored.status, stored.facets)
    after = terms.changing(changed.parent, changed.status, changed.facets)
    _remove_terms(connection, row_id, before - after)
    _add_terms(connection, row_id, after - before)
    if changed.searchable and not matched[0]:
        # Read under the row's lock, which `retag` takes as well.
        document_tags = tagging.get(connection, changed.arn)
        before_tokens, after_tokens = (properties.tokens(each, document_tags) for each in (stored, changed))
        properties.change(connection, row_id, before_tokens, after_tokens)
    return stored, changed


def retag(connection: Connection, arn: str, put: Mapping[str, str], remove: Collection[str]) -> None:
    """Change the tags of whatever has this ARN, and what it is found by if it is a searchable document."""
    row = _GET_BY_ARN_LOCKED.first(connection, {"b_arn": arn})
    document = None if row is None or is_unindexed(row) else from_row(row)
    before = tagging.get(connection, arn) if document is not None and document.searchable else {}
    tagging.remove(connection, arn, remove)
    tagging.put(connection, arn, put)
    if document is not None and document.searchable:
        after = {key: value for key, value in before.items() if key not in remove} | dict(put)
        before_tokens, after_tokens = (properties.tokens(document, each) for each in (before, after))
        properties.change(connection, row[0], before_tokens, after_tokens)


def remove(connection: Connection, kind: str, region: str, key: str) -> Document:
    """Returns what was removed."""
    row = _GET_LOCKED.first(connection, {"b_kind": kind, "b_region": region, "b_key": key})
    if row is None:
        raise NotFound(f"{kind} {key} does not exist in {region}")
    row_id, stored = row[0], from_row(row)
    terms = Terms(kind, region)
    found = terms.changing(stored.parent, stored.status, stored.facets)
    if connection.dialect.name != "sqlite":
        found |= terms.grams(stored.name)
    elif not is_unindexed(row):
        names.remove(connection, row_id, stored.name)
    _remove_terms(connection, row_id, found)
    if stored.searchable and not is_unindexed(row):
        properties.remove(connection, row_id, properties.tokens(stored, tagging.get(connection, stored.arn)))
    if stored.arn:
        _DELETE_TAGS.run(connection, {"b_arn": stored.arn})
    _DELETE.run(connection, {"b_id": row_id})
    return stored


def regions(connection: Connection) -> list[str]:
    return list(connection.execute(_REGIONS).scalars())


def counts(connection: Connection) -> list[tuple[str, str, int]]:
    return [(kind, status, count) for kind, status, count in connection.execute(_COUNTS)]
