"""BlazingText as AWS describes it."""

from sagesmith.algorithms.declaration import JSON, JSON_LINES, Algorithm, Channel, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Rule, Schema, Tunable

TEXT = "text/plain"
WRAPPED = "application/x-recordio"
_TYPES = (TEXT, JSON_LINES, WRAPPED)

_COMMON = (
    Hyperparameter(
        "mode",
        "choice",
        "Word vectors (`cbow`, `skipgram`, `batch_skipgram`) or text classification (`supervised`).",
        required=True,
        choices=("batch_skipgram", "skipgram", "cbow", "supervised"),
        tunable=Tunable(categories=("batch_skipgram", "skipgram", "cbow", "supervised")),
    ),
    Hyperparameter(
        "buckets",
        "integer",
        "The number of hash buckets for subwords, or for word n-grams of `supervised`.",
        default=2_000_000,
        low=1,
        tunable=Tunable(1_000_000, 10_000_000),
    ),
    Hyperparameter("epochs", "integer", "Passes over the training data.", default=5, low=1, tunable=Tunable(5, 15)),
    Hyperparameter(
        "learning_rate",
        "real",
        "The step size at the beginning; it falls linearly to zero.",
        default=0.05,
        low=0,
        above=True,
        tunable=Tunable(0.005, 0.01),
    ),
    Hyperparameter(
        "min_count", "integer", "Words seen less often are left out.", default=5, low=0, tunable=Tunable(0, 100)
    ),
    Hyperparameter(
        "vector_dim", "integer", "The length of a word's vector.", default=100, low=1, tunable=Tunable(32, 300)
    ),
)
_WORD2VEC = (
    Hyperparameter(
        "batch_size",
        "integer",
        "Pairs of words that share their negative samples; `batch_skipgram`.",
        default=11,
        low=1,
        tunable=Tunable(8, 32),
    ),
    Hyperparameter("evaluation", "boolean", "Compare the vectors with WordSimilarity-353; word vectors.", default=True),
    Hyperparameter("min_char", "integer", "The fewest characters of a subword; word vectors.", default=3, low=1),
    Hyperparameter("max_char", "integer", "The most characters of a subword; word vectors.", default=6, low=1),
    Hyperparameter(
        "negative_samples",
        "integer",
        "Negative samples a pair of words; word vectors.",
        default=5,
        low=1,
        tunable=Tunable(5, 25),
    ),
    Hyperparameter(
        "sampling_threshold",
        "real",
        "More frequent words than this share are left out at random; word vectors.",
        default=0.0001,
        low=0,
        high=1,
        above=True,
        tunable=Tunable(0.0001, 0.001),
    ),
    Hyperparameter(
        "subwords",
        "boolean",
        "Learn vectors of subwords, so that words that were never seen have vectors; `cbow` and `skipgram`.",
        default=False,
    ),
    Hyperparameter(
        "window_size",
        "integer",
        "How many words before and after a word are its context; word vectors.",
        default=5,
        low=1,
        tunable=Tunable(1, 10),
    ),
)
_SUPERVISED = (
    Hyperparameter(
        "early_stopping",
        "boolean",
        "Stop once the accuracy on the validation data gets no better; `supervised`.",
        default=False,
    ),
    Hyperparameter("min_epochs", "integer", "Passes before early stopping; `supervised`.", default=5, low=1),
    Hyperparameter(
        "patience", "integer", "Passes without progress before early stopping; `supervised`.", default=4, low=1
    ),
    Hyperparameter(
        "word_ngrams",
        "integer",
        "The longest sequence of words that is a feature; `supervised`.",
        default=2,
        low=1,
        tunable=Tunable(1, 3),
    ),
)

ALGORITHM = Algorithm(
    name="blazingtext",
    title="BlazingText",
    repositories=("blazingtext",),
    summary=(
        "Vectors of words, and classification of texts. The engine is "
        "[fastText](https://github.com/facebookresearch/fastText), which AWS's algorithm extends and whose `.bin` "
        "files it reads and writes; it reads the text from disk on all cores, so that memory does not grow with it."
    ),
    schema=Schema(
        parameters=_COMMON + _WORD2VEC + _SUPERVISED,
        rules=(
            Rule(
                lambda values: values["min_char"] <= values["max_char"],
                "min_char ({min_char}) must not be greater than max_char ({max_char})",
            ),
            Rule(
                lambda values: not values["subwords"] or values["mode"] in ("cbow", "skipgram"),
                "subwords are learned by the modes cbow and skipgram, not by {mode}",
            ),
        ),
    ),
    channels=(
        Channel(
            "train",
            "A sentence a line, words between spaces; of `supervised` with labels, words that begin with `__label__`. "
            "Or an augmented manifest of `source` and `label`.",
            _TYPES,
            required=True,
            distribution="FullyReplicated",
        ),
        Channel("validation", "The same, to measure `supervised` with.", _TYPES, distribution="FullyReplicated"),
    ),
    metrics=(
        Metric(
            "train:mean_rho",
            r"#mean_rho: (\S+)",
            "Spearman's rank correlation of the words' similarities with WordSimilarity-353.",
            "Maximize",
        ),
        Metric("train:accuracy", r"#train_accuracy: (\S+)", "The share of training texts whose first label is right."),
        Metric(
            "validation:accuracy",
            r"#validation_accuracy: (\S+)",
            "The share of validation texts whose first label is right.",
            "Maximize",
        ),
    ),
    train="sagesmith.algorithms.blazingtext.train:train",
    load="sagesmith.algorithms.blazingtext.model:load",
    content_types=(JSON, JSON_LINES),
    accepts=(JSON, JSON_LINES),
    hardware="CPU or GPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/blazingtext.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/blazingtext_hyperparameters.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/blazingtext-tuning.html",
        "Bojanowski, Grave, Joulin, Mikolov: Enriching Word Vectors with Subword Information, TACL 2017",
        "Joulin, Grave, Bojanowski, Mikolov: Bag of Tricks for Efficient Text Classification, EACL 2017",
        "Finkelstein et al.: Placing Search in Context (WordSimilarity-353, CC BY 4.0), ACM TOIS 2002",
    ),
    differences=(
        "`batch_skipgram` is fastText's skip-gram: the objective is the same, but each pair of words has negative "
        "samples of its own; `batch_size` is checked and has no effect.",
        "Of several instances the first trains on all of the text and the others wait for nothing: more instances do "
        "not make it faster.",
        "`train:mean_rho` and `eval.json` are of the whole of WordSimilarity-353; AWS's also has its two subsets "
        "(similarity and relatedness), and means the three.",
        "Where the text is small, there are no more `buckets` than ten times its bytes, which keeps the model small.",
        "A text whose lines all have the same label, or none, is refused.",
        "Training uses all cores without locks, as AWS's does: two runs differ slightly.",
    ),
    instances=True,
    instances_with=("mode", "batch_skipgram"),
    artifact=(
        "`vectors.txt` (word2vec's text form) and `vectors.bin` of word vectors, with `eval.json`; `model.bin` of "
        "`supervised`. fastText reads the `.bin` files, and models that it wrote are served"
    ),
    examples=(
        Example(
            "Text classification with the SDK v2",
            """
import json
import sagemaker
from sagemaker import image_uris
from sagemaker.estimator import Estimator

session = sagemaker.Session()
bucket = session.default_bucket()
good, bad = "__label__good what a wonderful film", "__label__bad what a dreadful film"
train = session.upload_string_as_file_body("\\n".join([good, bad] * 200), bucket, "blazingtext/train.txt")
validation = session.upload_string_as_file_body("\\n".join([good, bad]), bucket, "blazingtext/validation.txt")
estimator = Estimator(
    image_uri=image_uris.retrieve("blazingtext", session.boto_region_name),
    role=sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.c5.xlarge",
    output_path=f"s3://{bucket}/blazingtext/output",
    hyperparameters={"mode": "supervised", "epochs": 10, "min_count": 1, "vector_dim": 10},
)
estimator.fit({"train": train, "validation": validation})
predictor = estimator.deploy(1, "ml.m5.large", serializer=sagemaker.serializers.JSONSerializer())
print(json.loads(predictor.predict({"instances": ["a wonderful film"], "configuration": {"k": 2}})))
predictor.delete_model()
predictor.delete_endpoint()
""",
        ),
    ),
)
