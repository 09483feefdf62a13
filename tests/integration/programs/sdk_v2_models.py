"""The model classes of the SageMaker SDK v2, and each of its serializers and deserializers.

It runs in the environment of the Hugging Face image, which has the libraries that the serializers are for; the SDK is
below, in the folders of the variable BESIDE.
"""

import io
import os
import sys
import tarfile
import time
from pathlib import Path

sys.path += os.environ["BESIDE"].split(":")

import joblib
import numpy
import pandas
import sagemaker
import scipy.sparse
import torch
from sagemaker import deserializers, serializers
from sagemaker.huggingface import HuggingFaceModel
from sagemaker.model import Model
from sagemaker.predictor import Predictor
from sagemaker.pytorch import PyTorchModel
from sagemaker.s3 import S3Downloader, S3Uploader
from sagemaker.sklearn import SKLearnModel
from sagemaker.tensorflow import TensorFlowModel
from sagemaker.xgboost import XGBoostModel
from sklearn.linear_model import LinearRegression
from steps import step, take
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

session = sagemaker.Session()
client = session.sagemaker_client
role = sagemaker.get_execution_role()
name = f"v2-models-{os.getpid()}"
prefix = f"s3://{session.default_bucket()}/{name}"
FEATURES = numpy.array([[1.0, 2.0], [3.0, 4.0], [5.0, 7.0]])


def packed(called, files):
    """The URI of a model.tar.gz of files and folders by their names in it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for inner, path in files.items():
            tar.add(path, inner)
    uri = f"{prefix}/{called}/model.tar.gz"
    return S3Uploader.upload_bytes(buffer.getvalue(), uri, sagemaker_session=session)


def script(called, text):
    path = Path(f"{called}.py")
    path.write_text(text)
    return str(path.resolve())


def served(model, called, **options):
    predictor = model.deploy(1, "ml.m5.large", endpoint_name=f"{name}-{called}", wait=False, **options)
    while (found := client.describe_endpoint(EndpointName=f"{name}-{called}"))["EndpointStatus"] == "Creating":
        time.sleep(0.2)
    assert found["EndpointStatus"] == "InService", found["FailureReason"]
    return predictor


def plain(value):
    return value.tolist() if hasattr(value, "tolist") else value


@step
def every_serializer():
    """What comes back from a handler that answers with the bytes and the type that it got."""
    echo = "def model_fn(model_dir): pass\ndef transform_fn(model, body, kind, accept): return body, kind\n"
    Path("nothing.txt").write_text("")
    model = SKLearnModel(
        packed("echo", {"nothing.txt": "nothing.txt"}),
        role,
        script("echo", echo),
        framework_version="1.2-1",
        sagemaker_session=session,
    )
    served(model, "echo")
    Path("words.bin").write_bytes(b"\x00\x01words")

    def back(data, serializer, deserializer):
        return Predictor(f"{name}-echo", session, serializer, deserializer).predict(data)

    rows = [[1, 2.5], [3, 4]]
    table = numpy.array(rows)
    sparse = back(
        scipy.sparse.csr_matrix(table), serializers.SparseMatrixSerializer(), deserializers.BytesDeserializer()
    )
    stream, kind = back(b"streamed", serializers.IdentitySerializer(), deserializers.StreamDeserializer())
    tensor = back(torch.tensor(rows), serializers.TorchTensorSerializer(), deserializers.TorchTensorDeserializer())
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    text, data = deserializers.StringDeserializer(), deserializers.BytesDeserializer()
    recordio = serializers.RecordSerializer() if hasattr(serializers, "RecordSerializer") else None
    seen = {
        "csv": back(rows, serializers.CSVSerializer(), deserializers.CSVDeserializer()),
        "csv_of_an_array": back(table, serializers.CSVSerializer(), text),
        "csv_of_a_frame": back(frame, serializers.CSVSerializer(), text),
        "frame": back(
            frame.to_dict(orient="records"), serializers.JSONSerializer(), deserializers.PandasDeserializer()
        ).values.tolist(),
        "json": back({"rows": table}, serializers.JSONSerializer(), deserializers.JSONDeserializer()),
        "json_lines": back(rows, serializers.JSONLinesSerializer(), deserializers.JSONLinesDeserializer()),
        "numpy": plain(back(table, serializers.NumpySerializer(), deserializers.NumpyDeserializer())),
        "libsvm": back("1 0:2 3:4\n", serializers.LibSVMSerializer(), text),
        "sparse": plain(scipy.sparse.load_npz(io.BytesIO(sparse)).toarray()),
        "identity": back(b"\x00raw", serializers.IdentitySerializer(), data).hex(),
        "data_of_bytes": back(b"\x00raw", serializers.DataSerializer(), data).hex(),
        "data_of_a_file": back("words.bin", serializers.DataSerializer(), data).hex(),
        "string": back("w\u00f6rds", serializers.StringSerializer(), text),
        "tensor": plain(tensor),
        "stream": [stream.read().decode(), kind],
    }
    if recordio is not None:
        (record,) = back(table[:1].astype("float32"), recordio, deserializers.RecordDeserializer())
        seen["record"] = list(record.features["values"].float32_tensor.values)
    return seen


@step
def scikit_learn():
    joblib.dump(LinearRegression().fit(FEATURES, FEATURES.sum(1)), "model.joblib")
    load = "import joblib, os\ndef model_fn(model_dir): return joblib.load(os.path.join(model_dir, 'model.joblib'))\n"
    model = SKLearnModel(
        packed("sklearn", {"model.joblib": "model.joblib"}),
        role,
        script("load_sklearn", load),
        framework_version="1.4-2",
        sagemaker_session=session,
    )
    predictor = served(model, "sklearn")
    seen = {"numpy": plain(predictor.predict(FEATURES))}
    for kind, writes, reads in (
        ("json", serializers.JSONSerializer(), deserializers.JSONDeserializer()),
        ("csv", serializers.CSVSerializer(), deserializers.CSVDeserializer()),
    ):
        predictor.serializer, predictor.deserializer = writes, reads
        seen[kind] = predictor.predict(FEATURES)
    S3Uploader.upload_string_as_file_body("1,2\n3,4\n5,7\n", f"{prefix}/rows/rows.csv", sagemaker_session=session)
    transformer = model.transformer(
        1, "ml.m5.large", strategy="MultiRecord", assemble_with="Line", accept="text/csv", output_path=f"{prefix}/out"
    )
    transformer.transform(f"{prefix}/rows", content_type="text/csv", split_type="Line", wait=False)
    while session.describe_transform_job(transformer.latest_transform_job.name)["TransformJobStatus"] == "InProgress":
        time.sleep(0.2)
    seen["transformed"] = S3Downloader.read_file(f"{prefix}/out/rows.csv.out", sagemaker_session=session)
    return seen


@step
def pytorch():
    torch.jit.script(torch.nn.Flatten()).save("model.pt")
    double = "def predict_fn(data, model): return 2 * model(data)\n"
    model = PyTorchModel(
        packed("pytorch", {"model.pt": "model.pt"}),
        role,
        script("double", double),
        framework_version="2.3.0",
        py_version="py311",
        sagemaker_session=session,
    )
    predictor = served(model, "pytorch")
    answer = plain(predictor.predict(FEATURES))
    predictor.serializer, predictor.deserializer = serializers.JSONSerializer(), deserializers.JSONDeserializer()
    return {"numpy": answer, "json": predictor.predict(FEATURES.tolist())}


@step
def xgboost():
    train = """
import numpy, xgboost
def model_fn(model_dir):
    features = numpy.random.default_rng(0).random((64, 2))
    return xgboost.train({}, xgboost.DMatrix(features, features.sum(1)), 20)
"""
    Path("nothing.txt").write_text("")
    model = XGBoostModel(
        packed("xgboost", {"nothing.txt": "nothing.txt"}),
        role,
        script("train_xgboost", train),
        framework_version="3.0-5",
        sagemaker_session=session,
    )
    predictor = served(model, "xgboost")
    predictor.deserializer = deserializers.JSONDeserializer()
    libsvm = predictor.predict("0 0:0.5 1:0.25\n")
    predictor.serializer, predictor.deserializer = serializers.CSVSerializer(), deserializers.CSVDeserializer()
    return {"libsvm": libsvm, "csv": [float(each) for row in predictor.predict([[0.5, 0.25]]) for each in row]}


@step
def hugging_face():
    Path("bert").mkdir()
    Path("words.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]))
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertForSequenceClassification(BertConfig(vocab_size=7, **sizes)).save_pretrained("bert")
    BertTokenizerFast("words.txt").save_pretrained("bert")
    model = HuggingFaceModel(
        role,
        packed("bert", {each.name: each for each in Path("bert").iterdir()}),
        transformers_version="4.49.0",
        pytorch_version="2.6.0",
        py_version="py312",
        env={"HF_TASK": "text-classification"},
        sagemaker_session=session,
    )
    answer = served(model, "bert").predict({"inputs": "good", "parameters": {"top_k": 2}})
    return [each["label"] for each in answer]


@step
def tensorflow():
    model = TensorFlowModel(
        packed("tensorflow", {"export/Servo": os.environ["SAVED_MODEL"]}),
        role,
        framework_version="2.12",
        sagemaker_session=session,
    )
    predictor = served(model, "tensorflow")
    seen = {
        "predicted": predictor.predict({"signature_name": "plain", "instances": [[1.0, 2.0], [3.0, 4.0]]}),
        "columns": predictor.predict({"signature_name": "plain", "inputs": [[1.0, 2.0]]}),
        "classified": predictor.classify({"signature_name": "classify", "examples": [{"x": [1.0, 2.0]}]}),
        "regressed": predictor.regress({"signature_name": "regress", "examples": [{"x": [1.0, 2.0]}]}),
    }
    lines = Predictor(
        predictor.endpoint_name, session, serializers.JSONLinesSerializer(), deserializers.JSONDeserializer()
    )
    seen["json_lines"] = lines.predict([{"x": [1.0, 2.0]}])
    return seen


@step
def any_model_by_its_image():
    image = sagemaker.image_uris.retrieve("sklearn", session.boto_region_name, version="1.4-2")
    uri = packed("sklearn", {"model.joblib": "model.joblib", "code/inference.py": "load_sklearn.py"})
    model = Model(image, uri, role, predictor_cls=Predictor, sagemaker_session=session)
    model.env["SAGEMAKER_PROGRAM"] = "inference.py"
    options = {"serializer": serializers.CSVSerializer(), "deserializer": deserializers.JSONDeserializer()}
    return served(model, "generic", **options).predict(FEATURES)


take()
