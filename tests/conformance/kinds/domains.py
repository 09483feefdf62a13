"""Domains, user profiles, spaces."""

from tests.conformance.facts import Facts
from tests.conformance.model import Params


def _owned_and_shared(params: Params) -> Params:
    """A space says both whose it is and who shares it, or neither."""
    if not {"OwnershipSettings", "SpaceSharingSettings"} <= params.keys():
        params.pop("OwnershipSettings", None)
        params.pop("SpaceSharingSettings", None)
    return params


DOMAIN = Facts("Domain", named=False, values={"AuthMode": "IAM"})

_SIGN_ON = "only domains with single sign-on have it; AuthMode is IAM here"

USER_PROFILE = Facts("UserProfile", without={"SingleSignOnUserIdentifier": _SIGN_ON, "SingleSignOnUserValue": _SIGN_ON})

SPACE = Facts("Space", mend=_owned_and_shared)
