"""Sentence Pair Classification as AWS describes it."""

from sagesmith.algorithms.declaration import Algorithm, Example, Metric
from sagesmith.algorithms.encoder import declaration as shared
from sagesmith.algorithms.hyperparameters import Schema

LIST_TEXT = "application/list-text"
_HUGGING_FACE = (
    "bert-base-cased",
    "bert-base-uncased",
    "bert-large-cased",
    "bert-large-cased-whole-word-masking",
    "bert-large-uncased",
    "bert-large-uncased-whole-word-masking",
    "distilbert-base-cased",
    "distilbert-base-uncased",
    "distilroberta-base",
    "roberta-base",
    "roberta-large",
)
_TENSORFLOW = (
    "bert-en-cased-L-12-H-768-A-12-2",
    "bert-en-uncased-L-12-H-768-A-12-2",
    "bert-en-uncased-L-24-H-1024-A-16-2",
    "bert-en-wwm-cased-L-24-H-1024-A-16-2",
    "bert-en-wwm-uncased-L-24-H-1024-A-16-2",
    "electra-base-1",
    "electra-small-1",
    "experts-bert-pubmed-1",
    "experts-bert-wiki-books-1",
)
_MODELS = (
    *(f"huggingface-spc-{name}" for name in _HUGGING_FACE),
    *(f"tensorflow-spc-{name}" for name in _TENSORFLOW),
)
"""JumpStart's models of English sentences."""

ALGORITHM = Algorithm(
    name="sentence_pair_classification",
    title="Sentence Pair Classification",
    repositories=("huggingface-spc", "tensorflow-spc"),
    summary=(
        "Fine-tunes a text encoder, which reads both sentences of a pair together, and a classification layer, on "
        "PyTorch. JumpStart's models are found by their ids, as in AWS's notebook."
    ),
    schema=Schema(shared.hyperparameters(epochs=3, batch_size=32)),
    channels=shared.channels("the two sentences"),
    metrics=(
        Metric("eval_accuracy", r"'eval_accuracy': ([0-9\.]+)", "Accuracy, validation data.", "Maximize"),
        Metric("eval_loss", r"'eval_loss': ([0-9\.]+)", "Cross-entropy, validation data.", "Minimize"),
        Metric(
            "val_accuracy", r"val_accuracy: ([0-9\.]+)", "The accuracy again, as TensorFlow's log has it.", "Maximize"
        ),
    ),
    train="sagesmith.algorithms.sentence_pair_classification.train:train",
    load="sagesmith.algorithms.sentence_pair_classification.model:load",
    content_types=(LIST_TEXT,),
    accepts=shared.ACCEPTS,
    hardware="CPU or GPU",
    sources=(
        "https://sagemaker.readthedocs.io/en/v2.206.0/algorithms/text/sentence_pair_classification_hugging_face.html",
        "https://sagemaker.readthedocs.io/en/v2.206.0/algorithms/text/sentence_pair_classification_tensor_flow.html",
        "https://github.com/aws/amazon-sagemaker-examples (introduction_to_amazon_algorithms, "
        "jumpstart_sentence_pair_classification)",
        *shared.SOURCES,
    ),
    differences=(
        "AWS has no page of hyperparameters; its notebook has `batch-size` and `adam-learning-rate`, which are taken "
        "by these names too. The others are those of Text Classification.",
        *shared.DIFFERENCES,
        "Any number of classes is taken, not two alone.",
    ),
    incremental=True,
    artifact=shared.ARTIFACT,
    models=_MODELS,
    examples=(
        Example(
            "Fine-tuning with the SageMaker Python SDK v2",
            shared.example(
                "huggingface-spc-bert-base-uncased",
                '[[0, "Who wrote it?", "Austen wrote it."], [1, "Who wrote it?", "It is long."]] * 20',
                LIST_TEXT,
                'json.dumps(["Who wrote it?", "Joyce wrote it."])',
            ),
        ),
    ),
)
