"""Which inference component an invocation asks for, in AWS's words where it asks for none, or for one that cannot be.

Source: https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpoint.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/endpoint-auto-scaling-zero-instances.html
"""

from sagesmith.routes import EndpointRoute, VariantRoute
from sagesmith.wire.context import RequestContext
from sagesmith.wire.errors import AwsError

_REQUIRED = (
    "Inference Component Name header is required for endpoints to which you plan to deploy inference components. "
    "Please include Inference Component Name header or consider using SageMaker models."
)
_NOT_ALLOWED = (
    "Inference Component Name header is not allowed for endpoints to which you dont plan to deploy inference "
    "components. Please remove the Inference Component Name header and try again."
)
_NO_CAPACITY = (
    "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress (if "
    "configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
)


class NoCapacity(AwsError):
    """A component has no copies: what a scaling policy waits for to make one.

    Attributes:
        route: the component's.
    """

    def __init__(self, route: VariantRoute) -> None:
        super().__init__("ValidationError", _NO_CAPACITY, 400)
        self.route = route


def asked_for(context: RequestContext, route: EndpointRoute, component: str | None) -> list[VariantRoute]:
    """The one variant, so to speak, that the copies of a component are.

    Args:
        component: as the client named it, None if it did not.

    Raises:
        AwsError: ValidationError, if it must be named, or must not, or is not there.
        NoCapacity: it has no copies.
    """
    if route.components is None:
        raise AwsError("ValidationError", _NOT_ALLOWED, 400)
    if component is None:
        raise AwsError("ValidationError", _REQUIRED, 400)
    found = route.components.get(component.lower())
    if found is None:
        message = f"Inference Component {component} of account {context.account_id} not found."
        raise AwsError("ValidationError", message, 400)
    if found.idle:
        raise NoCapacity(found)
    return [found]
