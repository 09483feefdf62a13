"""Documents, tags, leases and logs, on SQLite or PostgreSQL."""

from sagesmith.store.base import (
    AlreadyExists,
    CannotOpen,
    Document,
    Heading,
    InvalidToken,
    LogEvent,
    LogGroup,
    LogStream,
    NotFound,
    Page,
    Query,
    SchemaMismatch,
    SortKey,
    StoreError,
    StreamEvent,
    VersionConflict,
    Work,
)
from sagesmith.store.conditions import EVERY, AllOf, AnyOf, At, Condition, Equal, Named, Not, Present, Within
from sagesmith.store.database import Store
from sagesmith.store.properties import ARN, STATUS, TAGS, number_of
from sagesmith.store.searching import Found, Search
from sagesmith.store.transaction import Transaction

__all__ = [
    "ARN",
    "EVERY",
    "STATUS",
    "TAGS",
    "AllOf",
    "AlreadyExists",
    "AnyOf",
    "At",
    "CannotOpen",
    "Condition",
    "Document",
    "Equal",
    "Found",
    "Heading",
    "InvalidToken",
    "LogEvent",
    "LogGroup",
    "LogStream",
    "Named",
    "Not",
    "NotFound",
    "Page",
    "Present",
    "Query",
    "SchemaMismatch",
    "Search",
    "SortKey",
    "Store",
    "StoreError",
    "StreamEvent",
    "Transaction",
    "VersionConflict",
    "Within",
    "Work",
    "number_of",
]
