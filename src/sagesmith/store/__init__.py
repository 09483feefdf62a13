"""Documents, tags, leases and logs, on SQLite or PostgreSQL."""

from sagesmith.store.base import (
    AlreadyExists,
    CannotOpen,
    Document,
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
from sagesmith.store.database import Store
from sagesmith.store.transaction import Transaction

__all__ = [
    "AlreadyExists",
    "CannotOpen",
    "Document",
    "InvalidToken",
    "LogEvent",
    "LogGroup",
    "LogStream",
    "NotFound",
    "Page",
    "Query",
    "SchemaMismatch",
    "SortKey",
    "Store",
    "StoreError",
    "StreamEvent",
    "Transaction",
    "VersionConflict",
    "Work",
]
