"""Framework containers from their image's name to a prediction: one tag of each, in a real platform."""

import io
import json
import re
import struct
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration import jobs, programs
from tests.integration.conftest import Running
from tests.integration.modelserver import onnx

DLC = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
XGBOOST = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.0-5"

PYTORCH = """
import os, torch
torch.manual_seed(0)
features = torch.rand(64, 3)
model, loss = torch.nn.Linear(3, 1), torch.nn.MSELoss()
optimizer = torch.optim.LBFGS(model.parameters())
def step():
    optimizer.zero_grad()
    value = loss(model(features), features.sum(1, keepdim=True))
    value.backward()
    return value
for _ in range(20):
    optimizer.step(step)
torch.jit.script(model).save(os.path.join(os.environ["SM_MODEL_DIR"], "model.pth"))
print("master", os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"])
"""
TENSORFLOW = """
import numpy as np, os, tensorflow as tf
features = np.random.default_rng(0).random((64, 3), dtype="float32")
layer = tf.keras.layers.Dense(1, input_shape=(3,))
model = tf.keras.Sequential([layer])
solution = np.linalg.lstsq(np.c_[features, np.ones(64)], features.sum(1), rcond=None)[0]
layer.set_weights([solution[:3, None], solution[3:]])
model.save(os.path.join(os.environ["SM_MODEL_DIR"], "1"))
print("tensorflow", tf.__version__)
"""
XGBOOST_TRAINING = """
import argparse, os, numpy as np, xgboost
parser = argparse.ArgumentParser()
parser.add_argument("--rounds", type=int)
features = np.random.default_rng(0).random((512, 3))
data = xgboost.DMatrix(features, features.sum(1))
booster = xgboost.train({"max_depth": 4, "nthread": 1}, data, parser.parse_args().rounds)
booster.save_model(os.path.join(os.environ["SM_MODEL_DIR"], "model.json"))
"""
XGBOOST_SERVING = """
import os, xgboost
def model_fn(model_dir):
    booster = xgboost.Booster()
    booster.load_model(os.path.join(model_dir, "model.json"))
    return booster
"""
HUGGING_FACE = """
import os
from accelerate import Accelerator
from datasets import Dataset
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *Dataset.from_dict({"word": ["good", "bad"]})["word"]]
open("words.txt", "w").write("\\n".join(words))
sizes = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
config = BertConfig(vocab_size=len(words), id2label={0: "NEGATIVE", 1: "POSITIVE"}, **sizes)
model = Accelerator().prepare(BertForSequenceClassification(config))
model.save_pretrained(os.environ["SM_MODEL_DIR"])
BertTokenizerFast(vocab_file="words.txt").save_pretrained(os.environ["SM_MODEL_DIR"])
"""


@dataclass(frozen=True)
class Trained:
    """A training job of an image, and the endpoint that serves what it made."""

    described: dict[str, Any]
    log: list[str]
    endpoint: str
    platform: Running

    def invoke(self, body: str, content_type: str = "application/json", accept: str = "application/json") -> str:
        answer = self.platform.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=self.endpoint, Body=body.encode(), ContentType=content_type, Accept=accept
        )
        return answer["Body"].read().decode()


def trained(platform: Running, image: str, script: str, serving: str, files: dict[str, str], **changes: Any) -> Trained:
    specification = {"TrainingImage": image, "TrainingInputMode": "File"}
    job = jobs.script_job(platform, script, AlgorithmSpecification=specification, **changes)
    described = jobs.wait_job(platform, job)
    log = jobs.job_log(platform, job)
    assert described["TrainingJobStatus"] == "Completed", (described.get("FailureReason"), log[-20:])
    artifacts = described["ModelArtifacts"]["S3ModelArtifacts"]
    return Trained(described, log, served(platform, serving, artifacts, files), platform)


def served(platform: Running, image: str, artifacts: str, files: dict[str, str]) -> str:
    """An endpoint in service, of a model with or without a script."""
    called = jobs.name("ep")
    client = platform.client("sagemaker")
    container: dict[str, Any] = {"Image": image, "ModelDataUrl": artifacts}
    if files:
        source = jobs.upload(platform, f"{called}/sourcedir.tar.gz", jobs.archive(dict(files)))
        container["Environment"] = {"SAGEMAKER_PROGRAM": next(iter(files)), "SAGEMAKER_SUBMIT_DIRECTORY": source}
    client.create_model(ModelName=called, ExecutionRoleArn=jobs.ROLE, PrimaryContainer=container)
    variant = {"VariantName": "AllTraffic", "ModelName": called, "InitialInstanceCount": 1}
    variant["InstanceType"] = "ml.m4.xlarge"
    client.create_endpoint_config(EndpointConfigName=called, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=called, EndpointConfigName=called)
    described = jobs.wait_endpoint(platform, called)
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    return called


def test_pytorch_trains_and_serves_torchscript_without_a_script(platform: Running) -> None:
    tag = "2.1.0-cpu-py310"
    seen = trained(platform, f"{DLC}/pytorch-training:{tag}", PYTORCH, f"{DLC}/pytorch-inference:{tag}", {})
    assert seen.log[0].startswith(f"pytorch-training:{tag} asked for; PyTorch 2.1 is not shipped: running with")
    assert "master algo-1 7777" in seen.log
    assert json.loads(seen.invoke("[[1, 2, 3], [4, 5, 6]]")) == [[pytest.approx(6, 0.01)], [pytest.approx(15, 0.01)]]
    assert float(seen.invoke("1,2,3", "text/csv", "text/csv")) == pytest.approx(6, 0.01)


def test_tensorflow_2_11_gets_2_12_and_serves_a_keras_model_as_tensorflow_serving_does(platform: Running) -> None:
    training, serving = f"{DLC}/tensorflow-training:2.11-cpu-py39", f"{DLC}/tensorflow-inference:2.11-cpu"
    seen = trained(platform, training, TENSORFLOW, serving, {})
    assert seen.log[0].startswith("tensorflow-training:2.11-cpu-py39 asked for; TensorFlow 2.11 is not shipped")
    assert "running with TensorFlow 2.12.1" in seen.log[0]
    assert "tensorflow 2.12.1" in seen.log
    rows = json.loads(seen.invoke('{"instances": [[1, 2, 3], [4, 5, 6]]}'))
    assert rows == {"predictions": [[pytest.approx(6, 0.01)], [pytest.approx(15, 0.01)]]}
    assert json.loads(seen.invoke("1,2,3", "text/csv")) == {"predictions": [[pytest.approx(6, 0.01)]]}


def test_xgboost_trains_in_framework_mode_and_serves_csv_and_libsvm(platform: Running) -> None:
    seen = trained(
        platform,
        XGBOOST,
        XGBOOST_TRAINING,
        XGBOOST,
        {"inference.py": XGBOOST_SERVING},
        HyperParameters={"rounds": "40"},
    )
    assert json.loads(seen.invoke("0.5,0.5,0.5\n0.1,0.2,0.3", "text/csv")) == [
        pytest.approx(1.5, abs=0.1),
        pytest.approx(0.6, abs=0.1),
    ]
    assert float(seen.invoke("0 0:0.5 1:0.5 2:0.5", "text/libsvm", "text/csv")) == pytest.approx(1.5, abs=0.1)


LIBSVM = [f"{a + b} 0:{a} 2:{b}\n" for a in range(8) for b in range(1, 9)]


def boosted(platform: Running, objects: dict[str, bytes], hosts: int, content_type: str) -> tuple[dict[str, Any], str]:
    """What became of a job of the script in `programs/boosted` on a channel of some objects, and its log."""
    prefix = jobs.name("boosted")
    for key, body in objects.items():
        jobs.upload(platform, f"{prefix}/{key}", body)
    channel = jobs.channel(f"s3://{jobs.BUCKET}/{prefix}/")
    channel["DataSource"]["S3DataSource"]["S3DataDistributionType"] = "ShardedByS3Key"
    job = jobs.script_job(
        platform,
        (programs.HERE / "boosted" / "abalone.py").read_text(encoding="utf-8"),
        AlgorithmSpecification={"TrainingImage": XGBOOST, "TrainingInputMode": "File"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": hosts, "VolumeSizeInGB": 1},
        InputDataConfig=[channel],
        HyperParameters={"content_type": content_type},
    )
    described = jobs.wait_job(platform, job)
    log = "\n".join(jobs.job_log(platform, job))
    assert described["TrainingJobStatus"] == "Completed", log[-3000:]
    return described, log


def test_hosts_of_xgboost_train_one_model_on_their_shards_and_the_same_script_serves_it(platform: Running) -> None:
    shards = {"a": "".join(LIBSVM[::2]).encode(), "b": "".join(LIBSVM[1::2]).encode()}
    described, log = boosted(platform, shards, 2, "text/libsvm")
    assert sorted(re.findall(r"32 rows of 3 here, master: (\w+)", log)) == ["False", "True"]
    script = {"abalone.py": (programs.HERE / "boosted" / "abalone.py").read_text(encoding="utf-8")}
    endpoint = served(platform, XGBOOST, described["ModelArtifacts"]["S3ModelArtifacts"], script)
    answer = platform.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, Body=b"0 0:3 2:4", ContentType="text/libsvm", Accept="text/csv"
    )
    assert float(answer["Body"].read()) == pytest.approx(7, abs=0.5)


def test_a_host_of_xgboost_without_data_leaves_the_training_to_the_others(platform: Running) -> None:
    _, log = boosted(platform, {"only": b"1,0,1\n2,1,1\n3,2,1\n"}, 2, "csv")
    assert "3 rows of 2 here, master: True" in log


def record(label: float, *values: float) -> bytes:
    """A RecordIO record of Amazon's protobuf message, with float32 tensors."""

    def field(number: int, content: bytes) -> bytes:
        return bytes([number << 3 | 2, len(content)]) + content

    def tensor(*numbers: float) -> bytes:
        packed = field(1, struct.pack(f"<{len(numbers)}f", *numbers))
        return field(1, b"values") + field(2, field(2, packed))

    message = field(1, tensor(*values)) + field(2, tensor(label))
    return struct.pack("<II", 0xCED7230A, len(message)) + message + bytes(-len(message) % 4)


def test_xgboost_reads_records_of_amazons_protobuf(platform: Running) -> None:
    rows = b"".join(record(a + b, a, b, 1) for a in range(4) for b in range(4))
    _, log = boosted(platform, {"a": rows}, 1, "application/x-recordio-protobuf")
    assert "16 rows of 3 here, master: True" in log


def test_hugging_face_trains_and_serves_a_pipeline_for_the_models_task(platform: Running) -> None:
    suffix = "transformers4.49.0-cpu-py311-ubuntu22.04"
    training = f"{DLC}/huggingface-pytorch-training:2.5.1-{suffix}"
    seen = trained(platform, training, HUGGING_FACE, f"{DLC}/huggingface-pytorch-inference:2.6.0-{suffix}", {})
    assert seen.log[0].endswith("running with Transformers 4.49.0 and PyTorch 2.13.0 on Python 3.11")
    answer = json.loads(seen.invoke('{"inputs": ["good", "bad"], "parameters": {"top_k": 1}}'))
    assert [each[0]["label"] in ("NEGATIVE", "POSITIVE") for each in answer] == [True, True]


def test_an_onnx_model_in_a_repository_of_tritons_answers_its_protocol(platform: Running) -> None:
    packed = jobs.archive({"sums/1/model.onnx": onnx.sums([2.0, 3.0])})
    artifact = jobs.upload(platform, f"{jobs.name('triton')}/model.tar.gz", packed)
    endpoint = served(platform, f"{DLC}/sagemaker-tritonserver:25.09-py3", artifact, {})
    asked = {"inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}
    answer = platform.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, Body=json.dumps(asked).encode(), ContentType="application/octet-stream"
    )
    assert json.loads(answer["Body"].read())["outputs"][0]["data"] == [9.0]


@pytest.mark.sdk
def test_an_estimator_of_sdk_v2_takes_its_script_from_git(platform: Running, tmp_path: Path) -> None:
    seen = programs.run(platform, "sdk-v2", "frameworks_v2.py", tmp_path)["a_script_in_a_git_repository"]
    assert seen["status"] == "Completed", seen["failure"]
    bucket, _, key = seen["model"].removeprefix("s3://").partition("/")
    body = platform.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        file = tar.extractfile("seen.txt")
        assert file is not None
        assert file.read() == b"3.0.5 3 a dependency"
