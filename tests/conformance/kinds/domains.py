"""Domains, user profiles, spaces."""

from tests.conformance.facts import Facts

DOMAIN = Facts("Domain", named=False, values={"AuthMode": "IAM"})

_SIGN_ON = "only domains with single sign-on have it; AuthMode is IAM here"

USER_PROFILE = Facts("UserProfile", without={"SingleSignOnUserIdentifier": _SIGN_ON, "SingleSignOnUserValue": _SIGN_ON})
