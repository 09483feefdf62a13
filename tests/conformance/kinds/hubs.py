"""Hub contents; hubs are what their model says."""

from hypothesis import strategies as st

from tests.conformance.facts import Facts
from tests.conformance.model import Params

_VERSIONS = st.tuples(*[st.integers(0, 9999)] * 3).map(lambda numbers: ".".join(map(str, numbers)))


def _something(params: Params) -> Params:
    """An update changes at least one member."""
    return {"SupportStatus": "Deprecated", **params}


HUB_CONTENT = Facts(
    "HubContent",
    operations={"create": "ImportHubContent"},
    values={
        "HubContentDocument": st.sampled_from(("{}", '{"HostingArtifactUri": "s3://bucket/model.tar.gz"}')),
        "HubContentVersion": _VERSIONS,
        "DocumentSchemaVersion": _VERSIONS,
        "HubContentType": "Model",
    },
    mend_update=_something,
    exceptions={
        "ListHubContents.MaxSchemaVersion: say in `filters` what it selects by": "it is a bound; tests of hubs show it",
        "UpdateHubContentReference in state Available: not allowed": "it is for references to the public hub, of which "
        "tests of hubs show it",
    },
)
