"""Resource catalogs: all feature groups of an account and region, under a name by which they are shared with others.

Sources: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_ResourceCatalog.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-cross-account-discoverability-share-sagemaker-catalog.html
"""

import contextlib

from sagesmith.services.sagemaker.engine import DOES_NOT_EXIST, NAME_IN_USE, Call, Kind, created
from sagesmith.wire.errors import ResourceInUse

DEFAULT_CATALOG = "DefaultFeatureGroupCatalog"

RESOURCE_CATALOG = Kind(
    noun="ResourceCatalog",
    resource_type="sagemaker-catalog",
    keeps_case=True,
    ascending=True,
    missing=DOES_NOT_EXIST,
    duplicate=NAME_IN_USE,
)


def open_catalog(call: Call) -> None:
    """Make the catalog of the region, which comes with its first feature group."""
    if RESOURCE_CATALOG.seek(call.tx, call.context, DEFAULT_CATALOG) is None:
        # Two may be the first at once.
        with contextlib.suppress(ResourceInUse):
            created(
                call,
                RESOURCE_CATALOG,
                {"ResourceCatalogName": DEFAULT_CATALOG, "Description": "All feature groups of the account."},
            )
