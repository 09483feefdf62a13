"""Domains, user profiles, spaces, images, hubs, pipelines, projects, people."""

from tests.conformance.rules import Rule

_ROLE = "arn:aws:iam::123456789012:role/role"
_VPC = {"AppNetworkAccessType": "VpcOnly", "VpcId": "vpc-1", "SubnetIds": ["subnet-1"]}
_GROUPS = {"DefaultUserSettings.SecurityGroups": ["sg-1"]}
_RSTUDIO = "DomainSettings.RStudioServerProDomainSettings.DomainExecutionRoleArn"
_RSTUDIO_UPDATE = "DomainSettingsForUpdate.RStudioServerProDomainSettingsForUpdate.DomainExecutionRoleArn"
_JUPYTER = "JupyterServerAppSettings.DefaultResourceSpec.InstanceType"
_HIDDEN = "StudioWebPortalSettings.HiddenSageMakerImageVersionAliases"
_POOL = {"UserPool": "us-east-1_a", "ClientId": "a", "UserGroup": "a"}
_OTHER_POOL = {**_POOL, "ClientId": "b"}
_OIDC = {
    "ClientId": "a",
    "ClientSecret": "a",
    **dict.fromkeys(
        ("Issuer", "AuthorizationEndpoint", "TokenEndpoint", "UserInfoEndpoint", "LogoutEndpoint", "JwksUri"),
        "https://example.com/a",
    ),
}
_CIDRS = {"SourceIpConfig.Cidrs": ["10.0.0.0/16"]}
_PORTAL_VPC = {"WorkforceVpcConfig": {"VpcId": "vpc-1", "SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}}
_REKOGNITION = "AWS/Rekognition/DetectModerationLabels/Image/V3"
_SCRIPT = [{"Content": "no base64!"}]
_DEFINITION = (
    '{"Version": "2020-12-01", "Steps": [{"Name": "End", "Type": "Fail", "Arguments": {"ErrorMessage": "new"}}]}'
)


def _of_settings(settings: str, create: str, kind: str) -> tuple[Rule, ...]:
    return (
        Rule(
            kind,
            create,
            "This value can only be passed if StudioWebPortal is set to ENABLED.",
            {f"{settings}.DefaultLandingUri": "studio::", f"{settings}.StudioWebPortal": "DISABLED"},
            "DefaultLandingUri",
        ),
        Rule(
            kind,
            create,
            "JupyterServer apps only support the system value.",
            {f"{settings}.{_JUPYTER}": "ml.m5.large"},
            "system",
        ),
        Rule(
            kind,
            create,
            "You must specify the SageMaker image name and version aliases.",
            {f"{settings}.{_HIDDEN}": [{"SageMakerImageName": "sagemaker_distribution"}]},
            "VersionAliases",
        ),
    )


RULES = (
    Rule(
        "Domain",
        "CreateDomain",
        "Required when the CreateDomain.AppNetworkAccessType parameter is set to VpcOnly",
        _VPC,
        "DefaultUserSettings.SecurityGroups is required",
    ),
    Rule(
        "Domain",
        "CreateDomain",
        "The DefaultAsDomain value is only supported for user profiles.",
        {"DefaultUserSettings.AutoMountHomeEFS": "DefaultAsDomain"},
        "DefaultAsDomain",
    ),
    Rule(
        "Domain",
        "UpdateDomain",
        "The DefaultAsDomain value is only supported for user profiles.",
        {"DefaultUserSettings.AutoMountHomeEFS": "DefaultAsDomain"},
        "DefaultAsDomain",
    ),
    Rule(
        "Domain",
        "CreateDomain",
        "The AuthMode that you use to create the domain must be SSO.",
        {"AuthMode": "IAM", "DomainSettings.AmazonQSettings.Status": "ENABLED"},
        "SSO",
    ),
    Rule(
        "Domain",
        "CreateDomain",
        "If setting up the domain for use with RStudio, this value must be set to Service.",
        {**_VPC, **_GROUPS, _RSTUDIO: _ROLE, "AppSecurityGroupManagement": "Customer"},
        "Service",
    ),
    *_of_settings("DefaultUserSettings", "CreateDomain", "Domain"),
    *_of_settings("DefaultUserSettings", "UpdateDomain", "Domain"),
    *_of_settings("UserSettings", "CreateUserProfile", "UserProfile"),
    *_of_settings("UserSettings", "UpdateUserProfile", "UserProfile"),
    Rule(
        "Domain",
        "UpdateDomain",
        "The configuration cannot be updated if DomainSettings.RStudioServerProDomainSettings.DomainExecutionRoleArn "
        "is already set or",
        {"AppNetworkAccessType": "VpcOnly"},
        "AppNetworkAccessType cannot be updated",
        {_RSTUDIO: _ROLE},
    ),
    Rule(
        "Domain",
        "UpdateDomain",
        "DomainSettings.RStudioServerProDomainSettings.DomainExecutionRoleArn is provided as part of the same request.",
        {"AppNetworkAccessType": "VpcOnly", _RSTUDIO_UPDATE: _ROLE},
        "AppNetworkAccessType cannot be updated",
    ),
    Rule(
        "Domain",
        "UpdateDomain",
        "you cannot change from Enabled to Disabled.",
        {"HomeEfsFileSystemCreation": "Disabled"},
        "cannot be changed from Enabled to Disabled",
    ),
    Rule(
        "Domain",
        "UpdateDomain",
        "Use this field only when adding VPC configuration to a SageMaker AI domain",
        {"VpcId": "vpc-2"},
        "VpcId cannot be changed",
        {"VpcId": "vpc-1"},
    ),
    Rule(
        "UserProfile",
        "CreateUserProfile",
        "If the Domain's AuthMode is not IAM Identity Center, this field cannot be specified.",
        {"SingleSignOnUserIdentifier": "UserName", "SingleSignOnUserValue": "ann"},
        "cannot be specified when the Domain's AuthMode is IAM",
    ),
    Rule(
        "Space",
        "CreateSpace",
        "",
        {"OwnershipSettings.OwnerUserProfileName": "ann"},
        "OwnershipSettings and SpaceSharingSettings must be specified together",
    ),
    Rule(
        "Space",
        "UpdateSpace",
        "You can't edit the app type of a space in the SpaceSettings.",
        {"SpaceSettings.AppType": "JupyterLab"},
        "The AppType of a Space cannot be changed",
        {"SpaceSettings.AppType": "CodeEditor"},
    ),
    Rule(
        "Space",
        "CreateSpace",
        "JupyterServer apps only support the system value.",
        {f"SpaceSettings.{_JUPYTER}": "ml.m5.large"},
        "system",
    ),
    Rule(
        "StudioLifecycleConfig",
        "CreateStudioLifecycleConfig",
        "This content must be base64 encoded.",
        {"StudioLifecycleConfigContent": "no base64!"},
        "base64",
    ),
    *(
        Rule(
            "NotebookInstanceLifecycleConfig",
            f"{operation}NotebookInstanceLifecycleConfig",
            "The shell script must be a base64-encoded string.",
            {member: _SCRIPT},
            "base64",
        )
        for operation in ("Create", "Update")
        for member in ("OnCreate", "OnStart")
    ),
    Rule(
        "HubContent",
        "UpdateHubContent",
        "specify at least one of the following fields to update:",
        {},
        "At least one of",
    ),
    Rule(
        "HubContent",
        "UpdateHubContent",
        "Only specify a Model or Notebook resource for this API.",
        {"HubContentType": "ModelReference"},
        "ModelReference",
        code="ResourceNotFound",
    ),
    Rule(
        "HubContent",
        "UpdateHubContentReference",
        "Only specify a ModelReference resource for this API.",
        {},
        "HubContentType must be ModelReference",
    ),
    Rule(
        "HubContent",
        "DeleteHubContentReference",
        "The only supported type of hub content reference to delete is ModelReference.",
        {},
        "HubContentType must be ModelReference",
    ),
    Rule(
        "Pipeline",
        "CreatePipeline",
        "",
        {"PipelineDefinitionS3Location": {"Bucket": "bucket", "ObjectKey": "key"}},
        "Both Pipeline Definition and Pipeline Definition S3 Location",
    ),
    Rule(
        "Pipeline",
        "CreatePipeline",
        "and can't consist of numbers only.",
        {"PipelineVersionAliases": ["12"]},
        "can't consist of numbers only",
    ),
    Rule(
        "Pipeline",
        "CreatePipeline",
        "An alias must be unique within the pipeline, and a version can have up to 10 aliases.",
        {"PipelineVersionAliases": ["a", "a"]},
        "more than once",
    ),
    Rule(
        "Pipeline",
        "UpdatePipeline",
        "You can specify aliases only when the update changes the pipeline definition.",
        {"PipelineVersionAliases": ["b"]},
        "Aliases can be specified only when the update changes",
    ),
    Rule(
        "Pipeline",
        "UpdatePipeline",
        "An alias must be unique within the pipeline.",
        {"PipelineVersionAliases": ["a"], "PipelineDefinition": _DEFINITION},
        "is assigned to version 1",
        {"PipelineVersionAliases": ["a"]},
        code="ConflictException",
    ),
    Rule(
        "Pipeline",
        "DescribePipeline",
        "You can't specify this with PipelineVersionAlias.",
        {"PipelineVersionId": 1, "PipelineVersionAlias": "a"},
        "You can't specify both PipelineVersionId and PipelineVersionAlias.",
    ),
    Rule(
        "Pipeline",
        "DescribePipeline",
        "You can't specify this with PipelineVersionId.",
        {"PipelineVersionId": 1, "PipelineVersionAlias": "a"},
        "You can't specify both",
    ),
    Rule(
        "Pipeline",
        "UpdatePipelineVersion",
        "An alias can't appear in both lists.",
        {"PipelineVersionId": 1, "PipelineVersionAliasOperations": {"Add": ["a"], "Remove": ["a"]}},
        "can't be both added and removed",
    ),
    Rule(
        "Pipeline",
        "UpdatePipelineVersion",
        "After the update, the version can have up to 10 aliases.",
        {"PipelineVersionId": 1, "PipelineVersionAliasOperations.Add": ["b"]},
        "up to 10 aliases",
        {"PipelineVersionAliases": [f"a{number}" for number in range(10)]},
    ),
    Rule(
        "Project",
        "UpdateProject",
        "the project must have tag update constraints set in order to include this parameter in the request.",
        {"Tags": [{"Key": "a", "Value": "b"}]},
        "cannot be updated",
    ),
    Rule(
        "Workforce",
        "CreateWorkforce",
        "Do not use OidcConfig if you specify values for CognitoConfig.",
        {"OidcConfig": _OIDC},
        "Exactly one of CognitoConfig and OidcConfig",
    ),
    Rule(
        "Workforce",
        "CreateWorkforce",
        "Do not use CognitoConfig if you specify values for OidcConfig.",
        {"CognitoConfig": {"UserPool": "us-east-1_a", "ClientId": "a"}, "OidcConfig": _OIDC},
        "Exactly one of CognitoConfig and OidcConfig",
    ),
    Rule(
        "Workforce",
        "UpdateWorkforce",
        "You specify allowed IP addresses by creating a list of up to ten CIDRs.",
        {"SourceIpConfig.Cidrs": [f"10.0.{number}.0/24" for number in range(11)]},
        "at most 10",
    ),
    *(
        Rule(
            "Workforce",
            operation,
            "Amazon SageMaker does not support Source Ip restriction for worker portals in VPC.",
            {**_CIDRS, **asked},
            "not supported for a workforce whose worker portal is in a VPC",
            having,
        )
        for operation, asked, having in (
            ("CreateWorkforce", _PORTAL_VPC, {}),
            ("UpdateWorkforce", {}, _PORTAL_VPC),
            ("UpdateWorkforce", _PORTAL_VPC, {}),
        )
    ),
    Rule("Workforce", "UpdateWorkforce", "", {"OidcConfig": _OIDC}, "was created using CognitoConfig"),
    Rule(
        "Workteam",
        "CreateWorkteam",
        "You cannot create more than 25 work teams in an account and region.",
        {},
        "The account-level service limit 'Number of work teams' is 25 work teams",
        code="ResourceLimitExceeded",
        first=tuple({"WorkteamName": f"team-{number}"} for number in range(25)),
    ),
    Rule(
        "Workteam",
        "CreateWorkteam",
        "All of the CognitoMemberDefinition objects that make up the member definition must have the same ClientId and "
        "UserPool values.",
        {
            "MemberDefinitions": [
                {"CognitoMemberDefinition": _POOL},
                {"CognitoMemberDefinition": _OTHER_POOL},
            ]
        },
        "the same UserPool and ClientId",
    ),
    Rule(
        "FlowDefinition",
        "CreateFlowDefinition",
        "",
        {
            "HumanLoopActivationConfig.HumanLoopActivationConditionsConfig.HumanLoopActivationConditions": "[]",
            "HumanLoopRequestSource.AwsManagedHumanLoopRequestSource": _REKOGNITION,
        },
        "must be a valid JSON object",
    ),
)
