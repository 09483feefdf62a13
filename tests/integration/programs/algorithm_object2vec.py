"""Object2Vec with the SDK v2's class."""

import json
import random
import time

import sagemaker
import soon
from sagemaker import Object2Vec
from sagemaker.amazon.amazon_estimator import RecordSet
from steps import step, take

session = sagemaker.Session()
bucket = session.default_bucket()
choose = random.Random(0)
pairs = [(choose.randrange(20), choose.randrange(20)) for _ in range(1000)]
rows = [{"label": int(first // 10 == second // 10), "in0": [first], "in1": [second]} for first, second in pairs]
estimator = Object2Vec(
    role=soon.role(),
    instance_count=1,
    instance_type="ml.m5.large",
    epochs=8,
    enc0_max_seq_len=2,
    enc0_vocab_size=20,
    enc0_network="pooled_embedding",
    enc0_token_embedding_dim=8,
    enc_dim=8,
    mlp_dim=16,
    mlp_activation="relu",
    learning_rate=0.02,
    comparator_list="hadamard, abs_diff",
)


@step
def train():
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    records = []
    for channel in ("train", "validation"):
        place = session.upload_string_as_file_body(lines, bucket, f"object2vec/{channel}/rows.jsonl")
        records.append(RecordSet(place, num_records=len(rows), feature_dim=1, s3_data_type="S3Prefix", channel=channel))
    described = soon.fit(estimator, records)
    return {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]}


@step
def predict():
    # The SDK's class has no predictor.
    estimator.deploy(1, "ml.m5.large", wait=False, endpoint_name="object2vec")
    client = session.sagemaker_client
    while (described := client.describe_endpoint(EndpointName="object2vec"))["EndpointStatus"] == "Creating":
        time.sleep(0.1)
    assert described["EndpointStatus"] == "InService", described.get("FailureReason")
    instances = [{"in0": [1], "in1": [2]}, {"in0": [1], "in1": [12]}, {"in0": [3]}]
    answer = session.sagemaker_runtime_client.invoke_endpoint(
        EndpointName="object2vec", ContentType="application/json", Body=json.dumps({"instances": instances})
    )
    client.delete_endpoint(EndpointName="object2vec")
    return json.loads(answer["Body"].read())


take()
