"""Calls of the platform's own operations in the name of whoever asked for what needs them."""

import time
import uuid

from sagesmith.credentials import Principal
from sagesmith.services.base import Home
from sagesmith.services.sagemaker.engine import Call
from sagesmith.store import Document, Transaction
from sagesmith.wire.context import Params, RequestContext

CREATOR = "_creator"


def creator_of(context: RequestContext) -> Params:
    """The member of a new document by which `call_for` knows in whose name to act."""
    return {CREATOR: {"arn": context.principal.arn, "user_id": context.principal.user_id}}


def call_for(home: Home, tx: Transaction, document: Document, operation: str) -> Call:
    """A call of an operation of SageMaker, within a transaction, in the name of a document's creator."""
    creator = document.body[CREATOR]
    principal = Principal(creator["arn"], home.platform.account_id, "", creator["user_id"], document.arn)
    context = RequestContext(str(uuid.uuid4()), "sagemaker", operation, document.region, principal, "")
    return Call(home, context, tx, time.time())
