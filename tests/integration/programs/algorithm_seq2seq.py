"""Sequence-to-Sequence by `image_uris` and an Estimator, with records that the SDK v2 writes."""

import io
import json
import random

import sagemaker
import soon
from sagemaker.amazon.common import _write_recordio
from sagemaker.amazon.record_pb2 import Record
from sagemaker.estimator import Estimator
from sagemaker.serializers import JSONSerializer
from steps import step, take

session = sagemaker.Session()
bucket = session.default_bucket()
signs = {"<pad>": 0, "<unk>": 1, "<s>": 2, "</s>": 3}
english = signs | {word: 4 + place for place, word in enumerate(["one", "two", "three"])}
french = signs | {word: 4 + place for place, word in enumerate(["un", "deux", "trois"])}


def records(count, seed):
    choose = random.Random(seed)
    file = io.BytesIO()
    for _ in range(count):
        tokens = [choose.randrange(4, 7) for _ in range(choose.randint(1, 4))]
        record = Record()
        record.features["source"].int32_tensor.values.extend(tokens)
        record.features["target"].int32_tensor.values.extend(tokens)
        _write_recordio(file, record.SerializeToString())
    return file.getvalue()


estimator = Estimator(
    image_uri=sagemaker.image_uris.retrieve("seq2seq", session.boto_region_name),
    role=soon.role(),
    instance_count=1,
    instance_type="ml.p3.2xlarge",
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


@step
def train():
    s3 = session.boto_session.client("s3")
    files = {
        "train/train.rec": records(600, 0),
        "validation/val.rec": records(60, 1),
        "vocab/vocab.src.json": json.dumps(english).encode(),
        "vocab/vocab.trg.json": json.dumps(french).encode(),
    }
    for key, body in files.items():
        s3.put_object(Bucket=bucket, Key=f"seq2seq/{key}", Body=body)
    channels = {name: f"s3://{bucket}/seq2seq/{name}/" for name in ("train", "validation", "vocab")}
    described = soon.fit(estimator, channels)
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


@step
def predict():
    predictor = soon.deploy(estimator, serializer=JSONSerializer())
    answer = json.loads(predictor.predict({"instances": [{"data": "two three one"}, {"data": "one"}]}))
    predictor.delete_model()
    predictor.delete_endpoint()
    return answer


take()
