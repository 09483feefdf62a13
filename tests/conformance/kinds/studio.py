"""Images of Studio, their versions and configurations; lifecycle configurations; projects."""

import base64

from hypothesis import strategies as st

from tests.conformance.facts import Facts
from tests.conformance.model import Params

_SCRIPTS = st.text(min_size=1, max_size=100).map(lambda script: base64.b64encode(script.encode()).decode())


def _number(known: Params) -> int:
    return int(known["ImageVersionArn"].rpartition("/")[2])


# No other name that is drawn is that of one which has been made.
_NAMES = st.uuids().map(str)

IMAGE = Facts("Image", values={"ImageName": _NAMES})

APP_IMAGE_CONFIG = Facts("AppImageConfig", values={"AppImageConfigName": _NAMES})

IMAGE_VERSION = Facts(
    "ImageVersion",
    named=False,
    called={"Version": _number},
    values={"ClientToken": st.uuids().map(str)},
    without={
        "DescribeImageVersion:Alias": "the number names the version",
        "UpdateImageVersion:Alias": "the number names the version",
        "DeleteImageVersion:Alias": "the number names the version",
        "UpdateImageVersion:AliasesToDelete": "an alias must be the version's own",
    },
)

STUDIO_LIFECYCLE_CONFIG = Facts("StudioLifecycleConfig", values={"StudioLifecycleConfigContent": _SCRIPTS})

NOTEBOOK_INSTANCE_LIFECYCLE_CONFIG = Facts(
    "NotebookInstanceLifecycleConfig",
    values={"OnCreate[].Content": _SCRIPTS, "OnStart[].Content": _SCRIPTS},
)

PROJECT = Facts(
    "Project",
    without={
        "UpdateProject:ServiceCatalogProvisioningUpdateDetails": "products of Service Catalog are not built",
        "UpdateProject:TemplateProvidersToUpdate": "templates of CloudFormation are not built",
        "UpdateProject:Tags": "only a product of Service Catalog lets them be updated",
    },
)
