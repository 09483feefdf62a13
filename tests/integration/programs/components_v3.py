"""Inference components with the SageMaker SDK v3's resource classes."""

import json
import sys
from pathlib import Path

from sagemaker.core.resources import Endpoint, InferenceComponent
from steps import step, take

facts = json.loads(Path("facts.json").read_text())


@step
def ask_a_component():
    endpoint = Endpoint.get(endpoint_name=facts["endpoint"])
    answer = endpoint.invoke(body=b"x", content_type="text/plain", inference_component_name=facts["component"])
    return {"answer": answer.body.read().decode(), "variant": answer.invoked_production_variant}


@step
def find_a_component():
    found = InferenceComponent.get_all(endpoint_name_equals=facts["endpoint"])
    return {"names": [each.inference_component_name for each in found], "python": sys.version_info[0]}


take()
