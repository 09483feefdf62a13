"""IP Insights as AWS describes it."""

from sagesmith.algorithms.declaration import CSV, JSON, JSON_LINES, Algorithm, Channel, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Rule, Schema, Tunable

_SCHEMA = Schema(
    parameters=(
        Hyperparameter(
            "num_entity_vectors",
            "integer",
            "The number of entity vectors. A hash function gives each entity one; twice the number of entities is "
            "recommended, so that few share one.",
            required=True,
            low=1,
            high=250_000_000,
            tunable=Tunable(10_000, 1_000_000),
        ),
        Hyperparameter(
            "vector_dim",
            "integer",
            "The size of the vectors of entities and addresses; 128 is recommended.",
            required=True,
            low=4,
            high=4096,
            tunable=Tunable(8, 256),
        ),
        Hyperparameter(
            "batch_metrics_publish_interval",
            "integer",
            "The log has the speed of training after every so many batches.",
            default=1000,
            low=1,
        ),
        Hyperparameter(
            "epochs",
            "integer",
            "The number of passes over the training data.",
            default=10,
            low=1,
            tunable=Tunable(5, 100),
        ),
        Hyperparameter(
            "learning_rate",
            "real",
            "The learning rate of the optimizer, Adam.",
            default=0.001,
            low=1e-6,
            high=10.0,
            tunable=Tunable(1e-4, 0.1),
        ),
        Hyperparameter(
            "mini_batch_size",
            "integer",
            "The number of examples in a batch.",
            default=10_000,
            low=1,
            high=500_000,
            tunable=Tunable(100, 50_000),
        ),
        Hyperparameter(
            "num_ip_encoder_layers",
            "integer",
            "The number of fully connected layers between an address's bits and the layer that makes its vector.",
            default=1,
            low=0,
            high=100,
            tunable=Tunable(1, 10),
        ),
        Hyperparameter(
            "random_negative_sampling_rate",
            "integer",
            "The number of examples that are made of each by giving its entity a random address.",
            default=1,
            low=0,
            high=500,
            tunable=Tunable(0, 10),
        ),
        Hyperparameter(
            "shuffled_negative_sampling_rate",
            "integer",
            "The number of examples that are made of each by giving its entity the address of another in the batch.",
            default=1,
            low=0,
            high=500,
            tunable=Tunable(0, 10),
        ),
        Hyperparameter(
            "weight_decay",
            "real",
            "The coefficient of L2 regularization.",
            default=0.00001,
            low=0.0,
            high=10.0,
            tunable=Tunable(0.0, 1.0),
        ),
    ),
    rules=(
        Rule(
            lambda values: values["random_negative_sampling_rate"] + values["shuffled_negative_sampling_rate"] > 0,
            "one of 'random_negative_sampling_rate' and 'shuffled_negative_sampling_rate' must be greater than 0",
        ),
    ),
)

_EXAMPLE = """\
import random

import sagemaker
from sagemaker import IPInsights
from sagemaker.amazon.amazon_estimator import RecordSet

random.seed(0)
session = sagemaker.Session()
users = [user for user in range(50) for _ in range(40)]
lines = [f"user_{user},10.{user}.{random.randrange(4)}.{random.randrange(256)}" for user in users]
random.shuffle(lines)
data = session.upload_string_as_file_body("\\n".join(lines), session.default_bucket(), "logins/train.csv")

insights = IPInsights(
    role=sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.m5.large",
    num_entity_vectors=100,
    vector_dim=16,
    epochs=20,
    learning_rate=0.01,
)
records = RecordSet(data, num_records=len(lines), feature_dim=None, s3_data_type="S3Prefix")
insights.fit(records, mini_batch_size=200)

predictor = insights.deploy(initial_instance_count=1, instance_type="ml.m5.large")
print(predictor.predict([["user_7", "10.7.1.1"], ["user_7", "203.0.113.9"]]))
predictor.delete_model()
predictor.delete_endpoint()
"""

ALGORITHM = Algorithm(
    name="ipinsights",
    title="IP Insights",
    repositories=("ipinsights",),
    summary=(
        "Learns which IPv4 addresses entities (users, accounts, hosts) use: a vector for each entity, and a network "
        "that makes a vector of an address's bits, so that the dot product of both tells what was seen from what was "
        "made up. The lower it is, the more unusual that the entity uses the address. NumPy computes it."
    ),
    schema=_SCHEMA,
    channels=(
        Channel(
            "train",
            "Rows of an entity and an IPv4 address that it has used.",
            (CSV,),
            required=True,
            modes=("File", "FastFile"),
        ),
        Channel(
            "validation",
            "Rows like them, to measure with.",
            (CSV,),
            modes=("File", "FastFile"),
            distribution="FullyReplicated",
        ),
    ),
    metrics=(
        Metric(
            "validation:discriminator_auc",
            r"#quality_metric: host=\S+, epoch=\d+, validation discriminator_auc <score>=(\S+)",
            "How well dot products tell rows of the validation data from random ones: the area under the ROC curve.",
            "Maximize",
        ),
        Metric(
            "train:cross_entropy",
            r"#quality_metric: host=\S+, epoch=\d+, train cross_entropy <loss>=(\S+)",
            "The log loss of rows of the training data and those that were made of them.",
        ),
    ),
    train="sagesmith.algorithms.ipinsights.train:train",
    load="sagesmith.algorithms.ipinsights.model:load",
    content_types=(CSV, JSON, JSON_LINES),
    accepts=(JSON, JSON_LINES),
    hardware="CPU or GPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/ip-insights.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/ip-insights-howitworks.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/ip-insights-hyperparameters.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/ip-insights-training-data-formats.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/ip-insights-inference-data-formats.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/ip-insights-tuning.html",
        "Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015",
    ),
    differences=(
        "Several instances each learn from their own rows and average what they have learned after each pass.",
        "`random_negative_sampling_rate` and `shuffled_negative_sampling_rate` may not both be 0: there would be "
        "nothing to tell rows from.",
        "It uses no GPU.",
    ),
    instances=True,
    artifact="`model.json` and `model.npz`: the entities' vectors and the layers of the network",
    examples=(Example("SageMaker Python SDK v2", _EXAMPLE),),
)
