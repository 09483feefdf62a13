"""AWS Identity and Access Management, as far as SageMaker's clients ask it about execution roles.

Roles are not stored: every role name of the account stands for a role that SageMaker may assume and that may do
everything, so there is nothing to create, and a program's role names from AWS work as they are.

Source: https://docs.aws.amazon.com/IAM/latest/APIReference/API_Operations.html
"""

import base64
import json
import re
from urllib.parse import quote

from sagesmith.credentials import role_id
from sagesmith.services.base import Home
from sagesmith.wire.context import Handler, Params, RequestContext
from sagesmith.wire.errors import AwsError, NotImplementedException

DEFAULT_ITEMS = 100
MAX_SESSION_SECONDS = 12 * 3600

_TRUST_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}
_PATHS = (
    ("AmazonSageMaker-ExecutionRole-", "/service-role/"),
    ("AmazonSageMakerServiceCatalogProducts", "/service-role/"),
    ("AWSServiceRoleForAmazonSageMaker", "/aws-service-role/sagemaker.amazonaws.com/"),
)
"""Where AWS's console puts the roles that it makes, by the beginning of their names; every other role lies in `/`."""
_ENTITY_ARN = re.compile(r"arn:aws[a-z-]*:iam::(\d{12}):(user|group|role)/(?:[\x21-\x7e]*/)?([\w+=,.@-]{1,128})")
_MATCHED_STATEMENT = {
    "SourcePolicyId": "AmazonSageMakerFullAccess",
    "SourcePolicyType": "IAM Policy",
    "StartPosition": {"Line": 3, "Column": 17},
    "EndPosition": {"Line": 8, "Column": 6},
}


def handlers(home: Home) -> dict[str, Handler]:
    """The operations that are built."""
    created_at = (home.platform.dir.keys / "master.key").stat().st_mtime

    def get(context: RequestContext, params: Params) -> Params:
        return get_role(created_at, context, params)

    return {"GetRole": get, "SimulatePrincipalPolicy": simulate_principal_policy}


def get_role(created_at: float, context: RequestContext, params: Params) -> Params:
    """The role of this name; all are as old as the platform's keys (`created_at`, seconds since the epoch)."""
    name = params["RoleName"]
    path = next((path for prefix, path in _PATHS if name.startswith(prefix)), "/")
    arn = f"arn:aws:iam::{context.account_id}:role{path}{name}"
    return {
        "Role": {
            "Path": path,
            "RoleName": name,
            "RoleId": role_id(arn),
            "Arn": arn,
            "CreateDate": created_at,
            "AssumeRolePolicyDocument": quote(json.dumps(_TRUST_POLICY), safe=""),
            "MaxSessionDuration": MAX_SESSION_SECONDS,
            "RoleLastUsed": {},
        }
    }


def simulate_principal_policy(context: RequestContext, params: Params) -> Params:
    """Every action of a role of this account is allowed, on every resource."""
    source = params["PolicySourceArn"]
    found = _ENTITY_ARN.fullmatch(source)
    if found is None:
        raise AwsError(
            "InvalidInput", f"Invalid Entity Arn: {source} does not clearly define entity type and name.", 400
        )
    account, kind, name = found.groups()
    if kind != "role" or account != context.account_id:
        raise AwsError("NoSuchEntity", f"The {kind} with name {name} cannot be found.", 404)
    for member in ("PolicyInputList", "PermissionsBoundaryPolicyInputList", "PolicyExclusionList", "ResourcePolicy"):
        if params.get(member):
            raise NotImplementedException(
                f"SimulatePrincipalPolicy (iam) with {member}: policies are not evaluated, every action is allowed."
            )
    asked = [(action, resource) for action in params["ActionNames"] for resource in params.get("ResourceArns") or ["*"]]
    start = _read_marker(params.get("Marker"))
    end = start + (params.get("MaxItems") or DEFAULT_ITEMS)
    results = [
        {
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": "allowed",
            "MatchedStatements": [_MATCHED_STATEMENT],
            "MissingContextValues": [],
            "ResourceSpecificResults": [],
        }
        for action, resource in asked[start:end]
    ]
    more = end < len(asked)
    marker = base64.urlsafe_b64encode(str(end).encode()).decode() if more else None
    return {"EvaluationResults": results, "IsTruncated": more, "Marker": marker}


def _read_marker(marker: str | None) -> int:
    """The place in the list of results from which on to answer."""
    if marker is None:
        return 0
    try:
        start = int(base64.urlsafe_b64decode(marker.encode()))
    except ValueError as error:
        raise AwsError("ValidationError", "Invalid Marker.", 400) from error
    if start < 0:
        raise AwsError("ValidationError", "Invalid Marker.", 400)
    return start
