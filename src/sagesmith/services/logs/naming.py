"""Names, ARNs and the errors that all operations share."""

import time
from typing import NoReturn

from sagesmith.store import LogGroup, Transaction
from sagesmith.wire.context import Params, RequestContext
from sagesmith.wire.errors import AwsError

DAY_MS = 86_400_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def group_arn(context: RequestContext, group: str) -> str:
    """The ARN of a group in the form that tags are put on, without `:*`."""
    return f"arn:aws:logs:{context.region}:{context.account_id}:log-group:{group}"


def no_group() -> AwsError:
    return AwsError("ResourceNotFoundException", "The specified log group does not exist.")


def no_stream() -> AwsError:
    return AwsError("ResourceNotFoundException", "The specified log stream does not exist.")


def invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)


def invalid_token() -> AwsError:
    return invalid("The specified nextToken is invalid.")


def named_group(context: RequestContext, params: Params) -> str:
    """The group that `logGroupName` or `logGroupIdentifier`, a name or an ARN, says."""
    name, identifier = params.get("logGroupName"), params.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise invalid("Exactly one of logGroupName and logGroupIdentifier must be specified.")
    return str(name) if identifier is None else of_identifier(context, identifier)


def of_identifier(context: RequestContext, identifier: str) -> str:
    """The name of a group of this account and region, from itself or its ARN."""
    if not identifier.startswith("arn:"):
        return identifier
    prefix = group_arn(context, "")
    if not identifier.startswith(prefix):
        raise no_group()
    return identifier.removeprefix(prefix).removesuffix(":*")


def existing_group(tx: Transaction, context: RequestContext, group: str) -> LogGroup:
    found = tx.log_group(context.region, group)
    return found if found is not None else _missing()


def _missing() -> NoReturn:
    raise no_group()


def oldest_kept_ms(group: LogGroup) -> int | None:
    """Events before this are gone by the group's retention; None keeps all."""
    return None if group.retention_days is None else now_ms() - group.retention_days * DAY_MS
