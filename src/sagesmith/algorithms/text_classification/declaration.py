"""Text Classification as AWS describes it."""

from sagesmith.algorithms.declaration import Algorithm, Example, Metric
from sagesmith.algorithms.encoder import declaration as shared
from sagesmith.algorithms.hyperparameters import Schema

TEXT = "application/x-text"
_EXAMPLE_ID = "tensorflow-tc-bert-en-uncased-L-12-H-768-A-12-2"
_SMALL = tuple(
    f"small-bert-bert-en-uncased-L-{layers}-H-{64 * heads}-A-{heads}"
    for layers in (2, 4, 6, 8, 10, 12)
    for heads in (2, 4, 8, 12)
)
_MODELS = tuple(
    f"tensorflow-tc-{name}"
    for name in (
        "bert-en-uncased-L-12-H-768-A-12-2",
        "bert-en-cased-L-12-H-768-A-12-2",
        *_SMALL,
        "bert-en-uncased-L-24-H-1024-A-16-2",
        "bert-en-cased-L-24-H-1024-A-16-2",
        "bert-en-wwm-uncased-L-24-H-1024-A-16-2",
        "bert-en-wwm-cased-L-24-H-1024-A-16-2",
        "albert-en-base",
        "electra-small-1",
        "electra-base-1",
        "experts-bert-wiki-books-1",
        "experts-bert-pubmed-1",
        "talking-heads-base",
        "talking-heads-large",
    )
)
"""JumpStart's models of English texts."""

ALGORITHM = Algorithm(
    name="text_classification",
    title="Text Classification - TensorFlow",
    repositories=("tensorflow-tc",),
    summary=(
        "Fine-tunes a text encoder and a classification layer on labelled texts, on PyTorch. JumpStart's models are "
        "found by their ids, as in AWS's notebooks."
    ),
    schema=Schema(shared.hyperparameters(epochs=10, batch_size=32)),
    channels=shared.channels("the text"),
    metrics=(
        Metric("validation:accuracy", r"val_accuracy=([0-9\.]+)", "Accuracy, validation data.", "Maximize"),
        Metric("validation:loss", r"val_loss=([0-9\.]+)", "Cross-entropy, validation data."),
        Metric("train:accuracy", r"(?<!val_)accuracy=([0-9\.]+)", "Accuracy while learning."),
        Metric("train:loss", r"(?<!val_)loss=([0-9\.]+)", "Cross-entropy while learning."),
    ),
    train="sagesmith.algorithms.text_classification.train:train",
    load="sagesmith.algorithms.text_classification.model:load",
    content_types=(TEXT,),
    accepts=shared.ACCEPTS,
    hardware="CPU or GPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/text-classification-tensorflow.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/text-classification-tensorflow-Hyperparameter.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/text-classification-tensorflow-inputoutput.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/text-classification-tensorflow-tuning.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/text-classification-tensorflow-Models.html",
        *shared.SOURCES,
    ),
    differences=shared.DIFFERENCES,
    incremental=True,
    artifact=shared.ARTIFACT,
    models=_MODELS,
    examples=(
        Example(
            "Fine-tuning with the SageMaker Python SDK v2",
            shared.example(
                _EXAMPLE_ID,
                '[[0, "contains no wit , only labored gags"], [1, "that loves its characters"]] * 20',
                TEXT,
                'b"a film that loves its audience"',
            ),
        ),
    ),
)
