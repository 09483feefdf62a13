"""Hubs: under which models, notebooks, datasets and documents are shared. What lies in them are hub contents.

The public hub, SageMakerPublicHub, is AWS's: it is in every region, nobody changes it, and it is empty until there are
models for it.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreateHub.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/jumpstart-curated-hubs.html
"""

from sagesmith.services.sagemaker.engine import DOES_NOT_EXIST, NAME_IN_USE, Call, Kind
from sagesmith.store import Document
from sagesmith.wire.context import Params, RequestContext
from sagesmith.wire.errors import AwsError

PUBLIC_HUB = "SageMakerPublicHub"
_MADE_AT = 1_638_316_800.0
"""2021-12-01. Describe must tell a time, and AWS's is not documented."""


def _public(context: RequestContext, name: str) -> Document | None:
    arn = f"arn:aws:sagemaker:{context.region}:aws:hub/{PUBLIC_HUB}"
    if name.lower() not in (PUBLIC_HUB.lower(), arn.lower()):
        return None
    body = {"HubName": PUBLIC_HUB, "HubDescription": "The models that AWS offers to everybody."}
    return Document(
        kind=HUB.id,
        region=context.region,
        key=HUB.key(PUBLIC_HUB),
        name=PUBLIC_HUB,
        arn=arn,
        body=body,
        status=HUB.rests_as,
        created_at=_MADE_AT,
        updated_at=_MADE_AT,
    )


def is_public(hub: Document) -> bool:
    """Whether a hub is AWS's."""
    return hub.name == PUBLIC_HUB


def own_hub(call: Call, name: str) -> Document:
    """A hub that the account may change, by its name or ARN.

    Raises:
        AwsError: there is none, or it is AWS's.
    """
    hub = HUB.find(call.tx, call.context, name)
    if is_public(hub):
        raise AwsError(
            "AccessDeniedException",
            f"User: {call.context.principal.arn} is not authorized to perform: sagemaker:{call.context.operation} on "
            f"resource: {hub.arn}",
        )
    return hub


def _locate(kind: Kind, call: Call, params: Params) -> Document:
    if call.context.operation == "DescribeHub":
        return kind.find(call.tx, call.context, params["HubName"])
    return own_hub(call, params["HubName"])


def _initial(call: Call, params: Params) -> Params:
    if (taken := _public(call.context, params["HubName"])) is not None:
        raise HUB.error(HUB.duplicate, taken.arn, taken.name)
    return {}


HUB = Kind(
    noun="Hub",
    keeps_case=True,
    locate=_locate,
    everywhere=_public,
    initial=_initial,
    rests_as="InService",
    sorts={"AccountIdOwner": "name"},
    missing=DOES_NOT_EXIST,
    duplicate=NAME_IN_USE,
    without_effect={"S3StorageConfig": "documents of contents are kept in the database"},
)
