"""Object2Vec as AWS describes it."""

import re

from sagesmith.algorithms.declaration import JSON, JSON_LINES, Algorithm, Channel, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Rule, Schema, Tunable

NETWORKS = ("hcnn", "bilstm", "pooled_embedding")
COMPARATORS = ("hadamard", "concat", "abs_diff")
TEXT = "text/plain"
STORAGE = "token_embedding_storage_type"
DENSE, ROW_SPARSE = "dense", "row_sparse"
_SPARSE_OPTIMIZERS = ("adam", "adagrad", "sgd")


def comparators(text: str) -> tuple[str, ...]:
    """The comparators of a list such as `hadamard, concat`, in their order.

    Raises:
        ValueError: one is none, or there is none.
    """
    found = tuple(each.strip() for each in text.split(","))
    for each in found:
        if each not in COMPARATORS:
            raise ValueError(f"'{each}' is not one of {list(COMPARATORS)}")
    return found


def _file(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._]*", text):
        raise ValueError(f"'{text}' does not match '^[A-Za-z0-9._]*$'")
    return text


def _encoder(name: str) -> tuple[Hyperparameter, ...]:
    """The hyperparameters of an encoder; those of `enc1` are as `enc0`'s where a job has none."""
    first = name == "enc0"
    as_first = "" if first else "as `enc0`"
    networks = NETWORKS if first else ("enc0", *NETWORKS)
    return (
        Hyperparameter(
            f"{name}_network",
            "choice",
            "The encoder's network: a hierarchy of convolutions, a bidirectional LSTM, or the mean of the tokens.",
            default="hcnn" if first else "enc0",
            choices=networks,
        ),
        Hyperparameter(
            f"{name}_max_seq_len",
            "integer",
            "Longer sequences are cut off there.",
            required=first,
            low=1,
            high=5000,
            chosen=as_first,
        ),
        Hyperparameter(
            f"{name}_vocab_size",
            "integer",
            "The number of tokens: each is a number below it.",
            required=first,
            low=2,
            high=3_000_000,
            chosen=as_first,
        ),
        Hyperparameter(
            f"{name}_token_embedding_dim",
            "integer",
            "The length of a token's vector.",
            default=300 if first else None,
            low=2,
            high=1000,
            chosen=as_first,
            tunable=Tunable(5, 300),
        ),
        Hyperparameter(
            f"{name}_layers",
            "integer",
            "Layers of `hcnn` (`auto`: 4) or `bilstm` (`auto`: 1).",
            default="auto" if first else None,
            low=1,
            high=4,
            words=("auto",),
            chosen=as_first,
            tunable=Tunable(1, 4),
        ),
        Hyperparameter(
            f"{name}_cnn_filter_width",
            "integer",
            "The width of `hcnn`'s filters.",
            default=3 if first else None,
            low=1,
            high=9,
            chosen=as_first,
            tunable=Tunable(1, 5),
        ),
        Hyperparameter(
            f"{name}_pretrained_embedding_file",
            "text",
            "A file of the channel `auxiliary`: a token and its vector a line.",
            default="",
            check=_file,
        ),
        Hyperparameter(
            f"{name}_vocab_file",
            "text",
            "A file of the channel `auxiliary`: a JSON object that has a number for each of those tokens.",
            default="",
            check=_file,
        ),
        Hyperparameter(
            f"{name}_freeze_pretrained_embedding", "boolean", "Leave those vectors as they are.", default=True
        ),
    )


def _metrics() -> tuple[Metric, ...]:
    kinds = (
        ("accuracy", "score", "Maximize", "The share of pairs whose class is right"),
        ("cross_entropy", "loss", "Minimize", "Cross-entropy"),
        ("mean_squared_error", "loss", "Minimize", "Mean squared error"),
    )
    found = []
    for channel, data in (("train", "training"), ("validation", "validation"), ("test", "test")):
        for name, kind, goal, meaning in kinds:
            at = "" if channel == "test" else r" epoch=\S+,"
            regex = rf"#quality_metric: host=\S+,{at} {channel} {name} <{kind}>=(\S+)"
            objective = None if channel == "train" else goal
            found.append(Metric(f"{channel}:{name}", regex, f"{meaning}, {data} data.", objective))  # type: ignore[arg-type]
    return tuple(found)


_EXAMPLE = """
import json
import random

import sagemaker
from sagemaker import image_uris
from sagemaker.estimator import Estimator

random.seed(0)
session = sagemaker.Session()
bucket = session.default_bucket()
pairs = [(random.randrange(20), random.randrange(20)) for _ in range(2000)]
rows = [{"label": int(a % 2 == b % 2), "in0": [a], "in1": [b]} for a, b in pairs]


def upload(channel, lines):
    body = "\\n".join(map(json.dumps, lines))
    return session.upload_string_as_file_body(body, bucket, f"object2vec/{channel}.jsonl")


estimator = Estimator(
    image_uri=image_uris.retrieve("object2vec", session.boto_region_name),
    role=sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.m5.xlarge",
    output_path=f"s3://{bucket}/object2vec/output",
    hyperparameters={
        "enc0_network": "pooled_embedding",
        "enc0_max_seq_len": 1,
        "enc0_vocab_size": 20,
        "enc0_token_embedding_dim": 8,
        "enc_dim": 8,
        "mlp_dim": 16,
        "epochs": 10,
        "learning_rate": 0.01,
        "mlp_activation": "relu",
    },
)
estimator.fit({"train": upload("train", rows[:1800]), "validation": upload("validation", rows[1800:])})
predictor = estimator.deploy(1, "ml.m5.large", serializer=sagemaker.serializers.JSONSerializer())
print(json.loads(predictor.predict({"instances": [{"in0": [2], "in1": [4]}]})))
print(json.loads(predictor.predict({"instances": [{"in0": [2]}]})))
predictor.delete_model()
predictor.delete_endpoint()
"""

ALGORITHM = Algorithm(
    name="object2vec",
    title="Object2Vec",
    repositories=("object2vec",),
    summary=(
        "Learns vectors of objects, each a sequence of tokens, from pairs of them: two encoders, a comparator of their "
        "vectors, and a network that tells the pair's class or score. Built with PyTorch."
    ),
    schema=Schema(
        parameters=(
            *_encoder("enc0"),
            *_encoder("enc1"),
            Hyperparameter(
                "bucket_width",
                "integer",
                "Rows of a batch differ in length by less than this; 0: by anything.",
                default=0,
                low=0,
                high=100,
            ),
            Hyperparameter(
                "comparator_list",
                "text",
                "How two vectors are compared, any of `hadamard` (product), `concat` and `abs_diff`, in this order.",
                default="hadamard, concat, abs_diff",
                check=comparators,
            ),
            Hyperparameter(
                "dropout", "real", "The share of values left out.", default=0.0, low=0, high=1, tunable=Tunable(0, 1)
            ),
            Hyperparameter(
                "early_stopping_patience",
                "integer",
                "Epochs without improvement before training stops.",
                default=3,
                low=1,
                high=5,
                tunable=Tunable(1, 5),
            ),
            Hyperparameter(
                "early_stopping_tolerance",
                "real",
                "By how much the loss has to fall to count as an improvement.",
                default=0.01,
                low=0.000001,
                high=0.1,
                tunable=Tunable(0.001, 0.1),
            ),
            Hyperparameter(
                "enc_dim",
                "integer",
                "The length of an object's vector.",
                default=4096,
                low=4,
                high=10_000,
                tunable=Tunable(4, 4096),
            ),
            Hyperparameter(
                "epochs", "integer", "Passes over the data.", default=30, low=1, high=100, tunable=Tunable(4, 20)
            ),
            Hyperparameter("feature_dim", "integer", "Not used; the SDK's class sends it.", low=1, chosen="none"),
            Hyperparameter(
                "learning_rate",
                "real",
                "The step size.",
                default=0.0004,
                low=1e-6,
                high=1,
                tunable=Tunable(1e-6, 1),
            ),
            Hyperparameter(
                "mini_batch_size",
                "integer",
                "Pairs that are learned from together.",
                default=32,
                low=1,
                high=10_000,
                tunable=Tunable(1, 8192),
            ),
            Hyperparameter(
                "mlp_activation",
                "choice",
                "The activation of the last network's layers.",
                default="linear",
                choices=("tanh", "relu", "linear"),
                tunable=Tunable(categories=("tanh", "relu", "linear")),
            ),
            Hyperparameter(
                "mlp_dim",
                "integer",
                "The size of its layers.",
                default=512,
                low=2,
                high=10_000,
                tunable=Tunable(16, 1024),
            ),
            Hyperparameter(
                "mlp_layers", "integer", "How many it has.", default=2, low=0, high=10, tunable=Tunable(1, 4)
            ),
            Hyperparameter(
                "negative_sampling_rate",
                "integer",
                "Pairs at random, of label 0, for each pair of the data; 0: none.",
                default=0,
                low=0,
            ),
            Hyperparameter("num_classes", "integer", "Classes of `softmax`.", default=2, low=2, high=30),
            Hyperparameter(
                "optimizer",
                "choice",
                "The optimizer.",
                default="adam",
                choices=("adadelta", "adagrad", "adam", "sgd", "rmsprop"),
                tunable=Tunable(categories=("adagrad", "adam", "rmsprop", "sgd", "adadelta")),
            ),
            Hyperparameter(
                "output_layer",
                "choice",
                "Classification or regression.",
                default="softmax",
                choices=("softmax", "mean_squared_error"),
            ),
            Hyperparameter(
                "tied_token_embedding_weight",
                "boolean",
                "Both encoders have the same vectors of tokens.",
                default=False,
            ),
            Hyperparameter(
                STORAGE,
                "choice",
                "Whether the vectors of all tokens are updated by each batch, or only those of its tokens.",
                default=DENSE,
                choices=(DENSE, ROW_SPARSE),
            ),
            Hyperparameter(
                "weight_decay",
                "real",
                "The weight decay of the optimizer.",
                default=0.0,
                low=0,
                high=10_000,
                tunable=Tunable(0, 1),
            ),
        ),
        rules=(
            Rule(
                lambda values: values[STORAGE] == DENSE or values["optimizer"] in _SPARSE_OPTIMIZERS,
                "token_embedding_storage_type row_sparse needs one of the optimizers adam, adagrad and sgd, "
                "not {optimizer}",
            ),
            Rule(
                lambda values: (
                    not values["tied_token_embedding_weight"]
                    or all(
                        values[f"enc1_{each}"] in (None, values[f"enc0_{each}"])
                        for each in ("vocab_size", "token_embedding_dim")
                    )
                ),
                "tied_token_embedding_weight needs enc0 and enc1 with the same vocab_size and token_embedding_dim",
            ),
            *(
                Rule(
                    lambda values, name=name: (
                        bool(values[f"{name}_pretrained_embedding_file"])  # type: ignore[misc]
                        == bool(values[f"{name}_vocab_file"])
                    ),
                    f"{name}_pretrained_embedding_file and {name}_vocab_file need each other",
                )
                for name in ("enc0", "enc1")
            ),
        ),
    ),
    channels=(
        Channel(
            "train",
            'Pairs and their labels: `{"label": 1, "in0": [6, 17], "in1": [16, 21, 13]}` a line.',
            (JSON_LINES,),
            required=True,
            distribution="one instance",
        ),
        Channel("validation", "The same, to stop by.", (JSON_LINES,), distribution="one instance"),
        Channel("test", "The same, to measure with at the end.", (JSON_LINES,), distribution="one instance"),
        Channel(
            "auxiliary",
            "Vectors of tokens that were learned before, and their vocabularies.",
            (TEXT, JSON, JSON_LINES),
            modes=("File", "FastFile"),
            distribution="one instance",
        ),
    ),
    metrics=_metrics(),
    train="sagesmith.algorithms.object2vec.train:train",
    load="sagesmith.algorithms.object2vec.model:load",
    content_types=(JSON, JSON_LINES),
    accepts=(JSON, JSON_LINES),
    hardware="CPU or GPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/object2vec.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/object2vec-hyperparameters.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/object2vec-training-formats.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/object2vec-inference-formats.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/object2vec-encoder-embeddings.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/object2vec-tuning.html",
        "Conneau et al.: Supervised Learning of Universal Sentence Representations, EMNLP 2017 (hcnn, bilstm)",
    ),
    differences=(
        "AWS publishes neither its networks' details nor its weights: vectors and scores are not the same numbers.",
        "A request with one input gets embeddings, one with both gets scores, whatever `INFERENCE_PREFERRED_MODE` "
        "says: that only chooses what lies on a GPU.",
        "All pairs are kept in memory, as numbers.",
    ),
    artifact="`object2vec.json`, the hyperparameters, and `weights.npz`",
    examples=(Example("Pairs with the SDK v2", _EXAMPLE),),
)
