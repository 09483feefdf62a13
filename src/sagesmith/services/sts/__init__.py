"""AWS Security Token Service: who is calling, and temporary credentials.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html
"""

import re

from sagesmith.credentials import Credentials, KeyRing
from sagesmith.services.base import Home
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import AwsError, NotImplementedException

ASSUMED_ROLE_SECONDS = 3600
SESSION_TOKEN_SECONDS = 12 * 3600
MAX_CHAINED_SECONDS = 3600

_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):role/[\x21-\x7e]{1,576}")


def handlers(home: Home) -> dict[str, Handler]:
    """The operations that are built."""
    keyring = home.keyring

    def assume(context: RequestContext, params: Params) -> Params:
        return assume_role(keyring, context, params)

    def get_token(context: RequestContext, params: Params) -> Params:
        return get_session_token(keyring, context, params)

    return {"AssumeRole": assume, "GetCallerIdentity": get_caller_identity, "GetSessionToken": get_token}


def get_caller_identity(context: RequestContext, params: Params) -> Params:
    principal = context.principal
    return {"UserId": principal.user_id, "Account": principal.account_id, "Arn": principal.arn}


def assume_role(keyring: KeyRing, context: RequestContext, params: Params) -> Params:
    """Credentials of any role of the caller's account. What a job assumes is still known to be that job's."""
    role_arn, principal = params["RoleArn"], context.principal
    found = _ROLE_ARN.fullmatch(role_arn)
    if found is None:
        raise AwsError("ValidationError", f"{role_arn} is invalid", 400)
    if found[1] != context.account_id:
        message = f"User: {principal.arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
        raise AwsError("AccessDenied", message, 403)
    for name in ("Policy", "PolicyArns"):
        if params.get(name):
            raise NotImplementedException(f"AssumeRole (sts) with {name}: session policies are not implemented.")
    if params.get("ProvidedContexts"):
        raise NotImplementedException("AssumeRole (sts) with ProvidedContexts: trusted contexts are not implemented.")
    if params.get("SerialNumber") or params.get("TokenCode"):
        raise AwsError("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.", 403)
    seconds = params.get("DurationSeconds", ASSUMED_ROLE_SECONDS)
    if _is_temporary(context) and seconds > MAX_CHAINED_SECONDS:
        message = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        raise AwsError("ValidationError", message, 400)
    made = keyring.mint(role_arn, params["RoleSessionName"], seconds, principal.job_arn)
    session, _ = keyring.find(made.access_key_id, made.session_token)
    return {
        "Credentials": _as_members(made),
        "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
        "SourceIdentity": params.get("SourceIdentity"),
    }


def get_session_token(keyring: KeyRing, context: RequestContext, params: Params) -> Params:
    """Temporary credentials with the caller's own identity; refused to temporary credentials, as at AWS."""
    if _is_temporary(context):
        raise AwsError("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)
    if params.get("SerialNumber") or params.get("TokenCode"):
        raise AwsError("AccessDenied", "MultiFactorAuthentication failed, no MFA device is associated.", 403)
    _, name, session = context.principal.arn.rsplit("/", 2)
    role_arn = f"arn:aws:iam::{context.account_id}:role/{name}"
    seconds = params.get("DurationSeconds", SESSION_TOKEN_SECONDS)
    return {"Credentials": _as_members(keyring.mint(role_arn, session, seconds))}


def _is_temporary(context: RequestContext) -> bool:
    return context.principal.access_key_id.startswith("ASIA")


def _as_members(made: Credentials) -> Params:
    return {
        "AccessKeyId": made.access_key_id,
        "SecretAccessKey": made.secret_access_key,
        "SessionToken": made.session_token,
        "Expiration": made.expires_at,
    }
