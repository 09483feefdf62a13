"""Sequence-to-Sequence as AWS describes it."""

from sagesmith.algorithms.declaration import JSON, JSON_LINES, RECORDIO, Algorithm, Channel, Example, Metric
from sagesmith.algorithms.hyperparameters import Hyperparameter, Rule, Schema, Tunable, Value


def _count(
    name: str, meaning: str, default: Value = None, tunable: Tunable | None = None, chosen: str = ""
) -> Hyperparameter:
    return Hyperparameter(name, "integer", meaning, default=default, low=1, tunable=tunable, chosen=chosen)


def _share(name: str, meaning: str, tunable: Tunable | None = None) -> Hyperparameter:
    return Hyperparameter(name, "real", meaning, default=0.0, low=0, high=1, tunable=tunable)


def _choice(
    name: str, meaning: str, choices: tuple[str, ...], default: str, *, tunable: bool = False
) -> Hyperparameter:
    ranges = Tunable(categories=choices) if tunable else None
    return Hyperparameter(name, "choice", meaning, default=default, choices=choices, tunable=ranges)


_SIZES = Tunable(categories=("128", "256", "512", "1024", "2048"))
_HALF = Tunable(0, 0.5)

_SHAPE = (
    _count("max_seq_len_source", "Longer sources are cut off there.", 100),
    _count("max_seq_len_target", "Longer targets are cut off there.", 100),
    _choice("encoder_type", "The encoder: recurrent or convolutional.", ("rnn", "cnn"), "rnn"),
    _choice("decoder_type", "The decoder: recurrent or convolutional.", ("rnn", "cnn"), "rnn"),
    _count("num_layers_encoder", "The encoder's layers.", 1, Tunable(1, 10)),
    _count("num_layers_decoder", "The decoder's layers.", 1, Tunable(1, 10)),
    _count("rnn_num_hidden", "The size of recurrent layers, an even number.", 1024, _SIZES),
    _choice("rnn_cell_type", "The cells of recurrent layers.", ("lstm", "gru"), "lstm"),
    _choice(
        "rnn_decoder_state_init",
        "What a recurrent decoder begins with: the encoder's last state, the mean of its states, or zeros.",
        ("last", "avg", "zero"),
        "last",
    ),
    Hyperparameter(
        "rnn_residual_connections", "boolean", "Recurrent layers add what they get to what they give.", default=False
    ),
    _count("rnn_first_residual_layer", "The first layer that does.", 2),
    _count("cnn_kernel_width_encoder", "The width of the encoder's convolutions.", 3),
    _count("cnn_kernel_width_decoder", "The width of the decoder's convolutions.", 5),
    _count("cnn_num_hidden", "The size of convolutional layers.", 512, _SIZES),
    _choice(
        "cnn_activation_type", "The activation of convolutions.", ("glu", "relu", "softrelu", "sigmoid", "tanh"), "glu"
    ),
    _share("cnn_hidden_dropout", "The share of values left out between convolutions.", _HALF),
    _count("num_embed_source", "The length of a source token's vector.", 512, Tunable(256, 512)),
    _count("num_embed_target", "The length of a target token's vector.", 512, Tunable(256, 512)),
    _share("embed_dropout_source", "The share of values left out of source tokens' vectors.", _HALF),
    _share("embed_dropout_target", "The share of values left out of target tokens' vectors.", _HALF),
    _choice("rnn_attention_type", "The attention of a recurrent decoder.", ("dot", "fixed", "mlp", "bilinear"), "mlp"),
    _count("rnn_attention_num_hidden", "The size of `mlp` attention.", chosen="`rnn_num_hidden`"),
    Hyperparameter(
        "rnn_attention_in_upper_layers",
        "boolean",
        "The decoder's first layer attends, and the layers above it get what it attends to.",
        default=True,
    ),
    _share("rnn_decoder_hidden_dropout", "The share of values left out of what a recurrent decoder says.", _HALF),
)
_TRAINING = (
    _count(
        "batch_size",
        "Pairs that are learned from together.",
        64,
        Tunable(categories=("16", "32", "64", "128", "256", "512", "1024", "2048")),
    ),
    Hyperparameter("bucketing_enabled", "boolean", "Batches are of pairs of about the same length.", default=True),
    _count("bucket_width", "By how much they may differ.", 10),
    _choice("loss_type", "The loss.", ("cross-entropy",), "cross-entropy"),
    _choice("training_metric", "The metric of the training data in the log.", ("perplexity", "accuracy"), "perplexity"),
    _choice(
        "optimized_metric",
        "The metric of the validation data that training stops by.",
        ("perplexity", "accuracy", "bleu"),
        "perplexity",
    ),
    Hyperparameter(
        "bleu_sample_size",
        "integer",
        "How many of the validation data are translated for `bleu`; -1, or 0 where it is the optimized metric: all.",
        default=0,
        low=-1,
    ),
    Hyperparameter("max_num_batches", "integer", "The most batches; -1: any number.", default=-1, low=-1),
    _count("checkpoint_frequency_num_batches", "Batches between looks at the validation data.", 1000),
    _count("checkpoint_threshold", "Such looks without improvement before training stops.", 3),
    _count(
        "max_num_epochs",
        "The most passes over the data; with it, training goes on until then, improvement or not.",
        chosen="none",
    ),
    _choice("optimizer_type", "The optimizer.", ("adam", "sgd", "rmsprop"), "adam", tunable=True),
    _choice("weight_init_type", "How weights begin.", ("xavier", "uniform"), "xavier", tunable=True),
    Hyperparameter(
        "weight_init_scale", "real", "The scale of weights at the beginning.", default=2.34, tunable=Tunable(2, 3)
    ),
    _choice("xavier_factor_type", "What `xavier` divides by.", ("in", "out", "avg"), "in"),
    Hyperparameter(
        "learning_rate",
        "real",
        "The step size at the beginning.",
        default=0.0003,
        low=0,
        above=True,
        tunable=Tunable(0.00005, 0.2),
    ),
    Hyperparameter("weight_decay", "real", "The weight decay.", default=0.0, low=0, tunable=Tunable(0, 0.1)),
    Hyperparameter(
        "momentum", "real", "The momentum of `sgd`.", low=0, high=1, chosen="none", tunable=Tunable(0.5, 0.9)
    ),
    Hyperparameter(
        "clip_gradient",
        "real",
        "Gradients greater than this are cut off; negative: none.",
        default=1.0,
        tunable=Tunable(1, 5),
    ),
    _choice(
        "lr_scheduler_type",
        "How the step size falls: once the metric gets no better, or with the batches.",
        ("plateau_reduce", "fixed_rate_inv_t", "fixed_rate_inv_sqrt_t"),
        "plateau_reduce",
        tunable=True,
    ),
    Hyperparameter(
        "plateau_reduce_lr_factor",
        "real",
        "What `plateau_reduce` multiplies it with.",
        default=0.5,
        low=0,
        high=1,
        above=True,
        tunable=Tunable(0.1, 0.5),
    ),
    _count("plateau_reduce_lr_threshold", "Looks without improvement before it does.", 3, Tunable(1, 5)),
    _count("fixed_rate_lr_half_life", "Looks after which the others have halved it.", 10, Tunable(10, 30)),
    _count("beam_size", "How many targets beam search follows.", 5),
)

_EXAMPLE = """
import io
import json
import random

import boto3
import sagemaker
import sagemaker.amazon.common as common
from sagemaker import image_uris
from sagemaker.amazon.record_pb2 import Record
from sagemaker.estimator import Estimator

random.seed(0)
session = sagemaker.Session()
bucket = session.default_bucket()
signs = {"<pad>": 0, "<unk>": 1, "<s>": 2, "</s>": 3}
english = signs | {word: 4 + place for place, word in enumerate("one two three four five".split())}
french = signs | {word: 4 + place for place, word in enumerate("un deux trois quatre cinq".split())}


def records(count):
    file = io.BytesIO()
    for _ in range(count):
        tokens = [random.randrange(4, 9) for _ in range(random.randint(1, 5))]
        record = Record()
        record.features["source"].int32_tensor.values.extend(tokens)
        record.features["target"].int32_tensor.values.extend(tokens)
        common._write_recordio(file, record.SerializeToString())
    return file.getvalue()


s3 = boto3.resource("s3").Bucket(bucket)
s3.put_object(Key="seq2seq/train/train.rec", Body=records(600))
s3.put_object(Key="seq2seq/validation/val.rec", Body=records(60))
s3.put_object(Key="seq2seq/vocab/vocab.src.json", Body=json.dumps(english))
s3.put_object(Key="seq2seq/vocab/vocab.trg.json", Body=json.dumps(french))
estimator = Estimator(
    image_uri=image_uris.retrieve("seq2seq", session.boto_region_name),
    role=sagemaker.get_execution_role(),
    instance_count=1,
    instance_type="ml.p3.2xlarge",
    output_path=f"s3://{bucket}/seq2seq/output",
    hyperparameters={
        "num_embed_source": 16,
        "num_embed_target": 16,
        "rnn_num_hidden": 32,
        "learning_rate": 0.01,
        "batch_size": 32,
        "checkpoint_frequency_num_batches": 75,
        "max_num_batches": 150,
    },
)
estimator.fit({name: f"s3://{bucket}/seq2seq/{name}" for name in ("train", "validation", "vocab")})
predictor = estimator.deploy(1, "ml.m5.large", serializer=sagemaker.serializers.JSONSerializer())
print(json.loads(predictor.predict({"instances": [{"data": "three one four"}]})))
predictor.delete_model()
predictor.delete_endpoint()
"""

ALGORITHM = Algorithm(
    name="seq2seq",
    title="Sequence-to-Sequence",
    repositories=("seq2seq",),
    summary=(
        "Learns to turn sequences of tokens into others, such as translations and summaries: an encoder, a decoder "
        "that attends to what the encoder says, and beam search. Built with PyTorch after Sockeye, which AWS's comes "
        "from."
    ),
    schema=Schema(
        parameters=_SHAPE + _TRAINING,
        rules=(
            Rule(
                lambda values: values["encoder_type"] == "cnn" or values["rnn_num_hidden"] % 2 == 0,
                "rnn_num_hidden ({rnn_num_hidden}) must be even: half of it reads backwards",
            ),
            Rule(
                lambda values: values["momentum"] is None or values["optimizer_type"] == "sgd",
                "momentum is of the optimizer sgd, not of {optimizer_type}",
            ),
        ),
    ),
    channels=(
        Channel(
            "train",
            "Pairs of sequences, int32 tensors `source` and `target` of protobuf records.",
            (RECORDIO,),
            required=True,
            distribution="one instance",
        ),
        Channel("validation", "The same, to stop by.", (RECORDIO,), required=True, distribution="one instance"),
        Channel(
            "vocab",
            "`vocab.src.json` and `vocab.trg.json`: a JSON object with a number for each token. `<pad>`, `<unk>`, "
            "`<s>` and `</s>` must be among them.",
            (JSON,),
            required=True,
            modes=("File", "FastFile"),
            distribution="one instance",
        ),
    ),
    metrics=(
        Metric("train:perplexity", r"Checkpoint \[\d+\]\tTrain-perplexity=(\S+)", "Perplexity, training data."),
        Metric(
            "train:accuracy",
            r"Checkpoint \[\d+\]\tTrain-accuracy=(\S+)",
            "The share of tokens that are right, training data.",
        ),
        Metric(
            "validation:perplexity",
            r"Checkpoint \[\d+\]\tValidation-perplexity=(\S+)",
            "Perplexity, validation data.",
            "Minimize",
        ),
        Metric(
            "validation:accuracy",
            r"Checkpoint \[\d+\]\tValidation-accuracy=(\S+)",
            "The share of tokens that are right, validation data.",
            "Maximize",
        ),
        Metric(
            "validation:bleu",
            r"Checkpoint \[\d+\]\tValidation-bleu=(\S+)",
            "BLEU, from 0 to 1, validation data or a sample of them.",
            "Maximize",
        ),
    ),
    train="sagesmith.algorithms.seq2seq.train:train",
    load="sagesmith.algorithms.seq2seq.model:load",
    content_types=(JSON, JSON_LINES, RECORDIO),
    accepts=(JSON, JSON_LINES, RECORDIO),
    hardware="GPU",
    sources=(
        "https://docs.aws.amazon.com/sagemaker/latest/dg/seq-2-seq.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/seq-2-seq-hyperparameters.html",
        "https://docs.aws.amazon.com/sagemaker/latest/dg/seq-2-seq-tuning.html",
        "https://github.com/aws/amazon-sagemaker-examples (seq2seq_translation_en-de)",
        "Hieber et al.: Sockeye: A Toolkit for Neural Machine Translation, 2017",
    ),
    differences=(
        "It trains on CPUs, where AWS's asks for a GPU.",
        "Answers are of the request's own type, as AWS's page demands both to be the same; Accept is not looked at.",
        "A convolutional decoder has an attention of its own; the `rnn_attention_*` hyperparameters are of recurrent "
        "ones.",
        "An answer in JSON without `attention_matrix` has `target` alone.",
        "All pairs are kept in memory, as numbers.",
    ),
    artifact="`seq2seq.json`, the hyperparameters, `weights.npz`, and the vocabularies",
    examples=(Example("Numbers in two languages with the SDK v2", _EXAMPLE),),
)
