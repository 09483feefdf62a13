"""Model cards."""

import json

from hypothesis import strategies as st

from tests.conformance.facts import Facts
from tests.conformance.model import Params


def _content_alone(params: Params) -> Params:
    """An Update is of the content, which makes a version, or of the status."""
    return {"ModelCardName": params["ModelCardName"], "Content": json.dumps({"intended_uses": {"risk_rating": "High"}})}


MODEL_CARD = Facts(
    "ModelCard",
    values={
        "Content": json.dumps({"model_overview": {"model_name": "a"}}),
        "ModelCardStatus": st.sampled_from(["Draft", "PendingReview", "Approved"]),
    },
    mend_update=_content_alone,
)
