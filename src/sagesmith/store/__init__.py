"""Documents, tags, leases, logs and metrics, on SQLite or PostgreSQL."""

from sagesmith.store.associations import Association, AssociationPage, AssociationQuery, AssociationSort, End
from sagesmith.store.audit import AuditFilter, AuditPage, AuditQuery, AuditRecord
from sagesmith.store.base import (
    AlreadyExists,
    CannotOpen,
    Document,
    Heading,
    InvalidToken,
    LogEvent,
    LogGroup,
    LogStream,
    MetricPoint,
    NotFound,
    Page,
    Place,
    Query,
    SchemaMismatch,
    SortKey,
    StoreError,
    StreamEvent,
    VersionConflict,
    Work,
)
from sagesmith.store.conditions import EVERY, AllOf, AnyOf, At, Condition, Equal, Named, Not, Present, Within, Written
from sagesmith.store.database import Store
from sagesmith.store.events import EventPage
from sagesmith.store.logchunks import LogPage
from sagesmith.store.properties import ARN, STATUS, TAGS, number_of
from sagesmith.store.searching import Found, Search
from sagesmith.store.statisticsets import StatisticSet
from sagesmith.store.timeseries import Aggregate, Datum, Metric, MetricQuery, Window
from sagesmith.store.transaction import Observer, Transaction

__all__ = [
    "ARN",
    "EVERY",
    "STATUS",
    "TAGS",
    "Aggregate",
    "AllOf",
    "AlreadyExists",
    "AnyOf",
    "Association",
    "AssociationPage",
    "AssociationQuery",
    "AssociationSort",
    "At",
    "AuditFilter",
    "AuditPage",
    "AuditQuery",
    "AuditRecord",
    "CannotOpen",
    "Condition",
    "Datum",
    "Document",
    "End",
    "Equal",
    "EventPage",
    "Found",
    "Heading",
    "InvalidToken",
    "LogEvent",
    "LogGroup",
    "LogPage",
    "LogStream",
    "Metric",
    "MetricPoint",
    "MetricQuery",
    "Named",
    "Not",
    "NotFound",
    "Observer",
    "Page",
    "Place",
    "Present",
    "Query",
    "SchemaMismatch",
    "Search",
    "SortKey",
    "StatisticSet",
    "Store",
    "StoreError",
    "StreamEvent",
    "Transaction",
    "VersionConflict",
    "Window",
    "Within",
    "Work",
    "Written",
    "number_of",
]
