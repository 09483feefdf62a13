"""What the declarations of the tabular algorithms have in common."""

from sagesmith.algorithms.declaration import CSV, JSON, Channel

VERBOSE = "application/json;verbose"
MODEL_TYPES = ("application/x-sagemaker-model", "application/x-recordio", CSV)
CHANNELS = (
    Channel(
        "training",
        "Rows to learn from, the target first, without a header; or folders `train/` and `validation/` of such files. "
        "`categorical_index.json` beside them names columns that are categories: "
        '`{"cat_index_list": [1, 3]}`; these may have words in them.',
        (CSV,),
        modes=("File", "FastFile"),
    ),
    Channel("train", "The same by its other name.", (CSV,), modes=("File", "FastFile")),
    Channel(
        "validation",
        "Rows to stop by; without them a fifth of the training data is held out.",
        (CSV,),
        modes=("File", "FastFile"),
    ),
    Channel("model", "JumpStart's artifact of the algorithm, which has no meaning here.", MODEL_TYPES, modes=("File",)),
    Channel("code", "JumpStart's script of the algorithm, which has no meaning here.", MODEL_TYPES, modes=("File",)),
)
ACCEPTS = (JSON,)
DIFFERENCES = (
    "Categories may be words in all of these algorithms, not in TabTransformer alone.",
    "The model is kept in the library's own format, not as a pickle, and needs no script to be served.",
    "One instance trains, with all of its cores.",
)


def example(model_id: str) -> str:
    """A program that trains and asks a classification model of JumpStart by the SDK v2."""
    return f"""\
import json

import boto3
import numpy as np
import sagemaker
from sagemaker import hyperparameters, image_uris, model_uris, script_uris
from sagemaker.estimator import Estimator

session = sagemaker.Session()
model_id, version, instance_type = "{model_id}", "*", "ml.m5.xlarge"
generator = np.random.default_rng(0)
features = generator.normal(size=(500, 4))
target = (features[:, 0] + features[:, 1] > 0).astype(int)
np.savetxt("data.csv", np.column_stack([target, features]), delimiter=",", fmt="%g")
data = session.upload_data("data.csv", key_prefix="{model_id}/train")

common = {{"model_id": model_id, "model_version": version}}
estimator = Estimator(
    role=sagemaker.get_execution_role(),
    image_uri=image_uris.retrieve(
        region=None, framework=None, image_scope="training", instance_type=instance_type, **common
    ),
    source_dir=script_uris.retrieve(script_scope="training", **common),
    model_uri=model_uris.retrieve(model_scope="training", **common),
    entry_point="transfer_learning.py",
    instance_count=1,
    instance_type=instance_type,
    hyperparameters=hyperparameters.retrieve_default(**common),
)
estimator.fit({{"training": data.rsplit("/", 2)[0]}})
predictor = estimator.deploy(
    1,
    instance_type,
    image_uri=image_uris.retrieve(
        region=None, framework=None, image_scope="inference", instance_type=instance_type, **common
    ),
    source_dir=script_uris.retrieve(script_scope="inference", **common),
    entry_point="inference.py",
)
answer = boto3.client("sagemaker-runtime").invoke_endpoint(
    EndpointName=predictor.endpoint_name, ContentType="text/csv", Body="1,2,3,4"
)
print(json.loads(answer["Body"].read()))
predictor.delete_endpoint()
"""
