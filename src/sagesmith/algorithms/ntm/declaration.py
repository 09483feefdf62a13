"""Neural Topic Model as AWS describes it."""

import json

from sagesmith.algorithms.declaration import CSV, JSON, JSON_LINES, RECORDIO, Algorithm, Channel, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Schema, Tunable


def _layers(text: str) -> tuple[int, ...]:
    """The sizes of `100, 50` or `[100, 50]`."""
    try:
        sizes = json.loads(text if text.startswith("[") else f"[{text}]")
    except ValueError:
        sizes = None
    if not sizes or not all(type(size) is int and size > 0 for size in sizes):
        raise ValueError("it is not a list of positive integers, separated by commas")
    return tuple(sizes)


def _metric(name: str, meaning: str, goal: bool = False) -> Metric:
    channel, _, loss = name.partition(":")
    regex = rf"#quality_metric: host=\S+, epoch=\d+, {channel} {loss} <loss>=(\S+)"
    return Metric(name, regex, meaning, "Minimize" if goal else None)


_SCHEMA = Schema(
    parameters=(
        Hyperparameter("feature_dim", "integer", "The size of the vocabulary.", required=True, low=1, high=1_000_000),
        Hyperparameter("num_topics", "integer", "The number of topics.", required=True, low=2, high=1000),
        Hyperparameter("batch_norm", "boolean", "Whether to normalize the encoder's layers by batch.", default=False),
        Hyperparameter(
            "clip_gradient",
            "real",
            "The greatest magnitude of each component of a gradient.",
            low=1e-3,
            chosen="infinity",
        ),
        Hyperparameter(
            "encoder_layers",
            "text",
            "The sizes of the encoder's layers, separated by commas; `auto`: two, of 3 and 2 times `num_topics`.",
            default="auto",
            words=("auto",),
            check=_layers,
        ),
        Hyperparameter(
            "encoder_layers_activation",
            "choice",
            "The activation function of the encoder's layers.",
            default="sigmoid",
            choices=("sigmoid", "tanh", "relu"),
            tunable=Tunable(categories=("sigmoid", "tanh", "relu")),
        ),
        Hyperparameter("epochs", "integer", "The most passes over the training data.", default=50, low=1),
        Hyperparameter(
            "learning_rate",
            "real",
            "The learning rate of the optimizer; `adadelta` has none.",
            default=0.001,
            low=1e-6,
            high=1.0,
            tunable=Tunable(1e-4, 0.1),
        ),
        Hyperparameter(
            "mini_batch_size",
            "integer",
            "The number of documents in a batch.",
            default=256,
            low=1,
            high=10_000,
            tunable=Tunable(16, 2048),
        ),
        Hyperparameter(
            "num_patience_epochs",
            "integer",
            "Training ends early when the loss has changed by less than `tolerance` within so many epochs; more than "
            "`epochs`: it does not.",
            default=3,
            low=1,
        ),
        Hyperparameter(
            "optimizer",
            "choice",
            "The optimizer.",
            default="adadelta",
            choices=("sgd", "adam", "adagrad", "adadelta", "rmsprop"),
            tunable=Tunable(categories=("sgd", "adam", "adadelta")),
        ),
        Hyperparameter(
            "rescale_gradient",
            "real",
            "A factor of the gradient.",
            default=1.0,
            low=1e-3,
            high=1.0,
            tunable=Tunable(0.1, 1.0),
        ),
        Hyperparameter(
            "sub_sample",
            "real",
            "The share of the training data that is drawn for each epoch.",
            default=1.0,
            low=0.0,
            high=1.0,
            above=True,
        ),
        Hyperparameter(
            "tolerance",
            "real",
            "The relative change of the loss below which training ends early.",
            default=0.001,
            low=1e-6,
            high=0.1,
        ),
        Hyperparameter(
            "weight_decay",
            "real",
            "The coefficient of L2 regularization.",
            default=0.0,
            low=0.0,
            high=1.0,
            tunable=Tunable(0.0, 1.0),
        ),
    )
)

_EXAMPLE = """\
import numpy as np
import sagemaker
from sagemaker import NTM

rng = np.random.default_rng(0)
topics = rng.dirichlet(np.full(100, 0.1), 4)
documents = np.stack([rng.multinomial(60, topics[each % 4]) for each in range(1000)]).astype("float32")

ntm = NTM(
    role=sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.m5.large",
    num_topics=4,
    epochs=20,
    optimizer="adam",
    learning_rate=0.01,
)
train = ntm.record_set(documents[:800])
validation = ntm.record_set(documents[800:], channel="validation")
ntm.fit([train, validation], mini_batch_size=100)

predictor = ntm.deploy(initial_instance_count=1, instance_type="ml.m5.large")
for record in predictor.predict(documents[:4]):
    print(np.round(record.label["topic_weights"].float32_tensor.values, 2))
predictor.delete_model()
predictor.delete_endpoint()
"""

ALGORITHM = Algorithm(
    name="ntm",
    title="Neural Topic Model (NTM)",
    repositories=("ntm",),
    summary=(
        "Finds topics in documents that are counts of words: a variational autoencoder whose encoder makes a "
        "document's weights of topics, and whose decoder adds up by them what topics add to the logarithms of words' "
        "frequencies. PyTorch trains it; NumPy and SciPy answer. Losses are per word of a document: a document's log "
        "loss (`recons`), the divergence of its topics from the prior (`kld`), and the sum of both, of which the "
        "exponential is the perplexity."
    ),
    schema=_SCHEMA,
    channels=(
        Channel(
            "train", "Documents: how often each word occurs.", (RECORDIO, CSV), True, distribution="ShardedByS3Key"
        ),
        Channel("validation", "Documents to measure with, and to end early by.", (RECORDIO, CSV)),
        Channel("test", "Documents to measure the model with.", (RECORDIO, CSV)),
        Channel(
            "auxiliary",
            "`vocab.txt`: a word a line, in the order of the columns. Topics are told in words, with their coherence.",
            ("text/plain",),
            modes=("File", "FastFile"),
        ),
    ),
    metrics=(
        _metric("validation:total_loss", "`recons` and `kld` of the validation data.", goal=True),
        _metric("validation:recons", "The log loss of a word of the validation data."),
        _metric("validation:kld", "The divergence of topics from the prior, validation data."),
        _metric("train:total_loss", "`recons` and `kld` of the training data."),
        _metric("train:recons", "The log loss of a word of the training data."),
        _metric("train:kld", "The divergence of topics from the prior, training data."),
        _metric("test:total_loss", "`recons` and `kld` of the test data."),
    ),
    train="sagesmith.algorithms.ntm.train:train",
    load="sagesmith.algorithms.ntm.model:load",
    content_types=(RECORDIO, CSV, JSON, JSON_LINES),
    accepts=(JSON, JSON_LINES, RECORDIO, CSV),
    hardware="CPU or GPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/ntm.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/ntm_hyperparameters.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/ntm-tuning.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/ntm-in-formats.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-inference.html",
        "Ding, Nallapati and Xiang, Coherence-Aware Neural Topic Modeling, EMNLP 2018",
        "Srivastava and Sutton, Autoencoding Variational Inference for Topic Models, ICLR 2017",
        "https://aws.amazon.com/blogs/machine-learning/"
        "amazon-sagemaker-neural-topic-model-now-supports-auxiliary-vocabulary-channel-new-topic-evaluation-metrics-and-"
        "training-subsampling/",
    ),
    differences=(
        "Coherence (`wetc`) is measured by vectors of words that are made of the first 5,000 training documents; AWS "
        "uses GloVe's.",
        "What topics add to words has a normal prior, so that rare words are not their first ones; the divergence "
        "counts in full from the 200th batch on, and the losses before that do not end training.",
        "On one instance, topics begin as groups of like documents of the first batch.",
        "Training data in Pipe mode, of which a pass reads one pipe, are as many pipes as there are epochs.",
        "Several instances each learn from their own documents and average what they have learned after each pass.",
    ),
    instances=True,
    artifact=(
        "`model.json` and `model.npz`: the encoder's layers, and the distributions of words of the topics; these also "
        "in `model_algo-1`, as in AWS's a zip with an MXNet file `params`, whose `arg:projection_weight` of shape "
        "(feature_dim, num_topics) has their logarithms"
    ),
    examples=(Example("SageMaker Python SDK v2", _EXAMPLE),),
)
