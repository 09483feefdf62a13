"""Experiments and lineage with the SageMaker Python SDK v2: runs with metrics, and where a model came from."""

import time

import boto3
import pandas as pd
import sagemaker
from sagemaker.analytics import ExperimentAnalytics
from sagemaker.experiments import Run
from sagemaker.experiments.experiment import Experiment
from sagemaker.lineage.artifact import Artifact
from sagemaker.lineage.association import Association
from sagemaker.lineage.query import LineageFilter, LineageQuery, LineageQueryDirectionEnum, LineageSourceEnum

session = sagemaker.Session()
client = boto3.client("sagemaker")
name = f"threshold-{int(time.time())}"
train = pd.read_csv("data/train.csv")

# One run a threshold: the mean radius from which a tumour is taken for malignant.
for threshold in (12.0, 15.0, 18.0):
    run_name = f"radius-{threshold:.0f}"
    with Run(experiment_name=name, run_name=run_name, sagemaker_session=session) as run:
        predicted = train["mean_radius"] < threshold
        run.log_parameter("threshold", threshold)
        run.log_metric("accuracy", (predicted == train["benign"]).mean())

table = ExperimentAnalytics(
    experiment_name=name, sort_by="metrics.accuracy.max", sort_order="Descending", sagemaker_session=session
).dataframe()
print(table[["threshold", "accuracy - Last"]].to_string(index=False))

# The best of its runs.
best = client.search(
    Resource="ExperimentTrialComponent",
    SearchExpression={
        "Filters": [
            {"Name": "Parents.ExperimentName", "Operator": "Equals", "Value": name},
            {"Name": "Metrics.accuracy.max", "Operator": "GreaterThan", "Value": "0.5"},
        ]
    },
    SortBy="Metrics.accuracy.max",
    SortOrder="Descending",
)["Results"][0]["TrialComponent"]
print(f"best: {best['TrialComponentName']}")

# What came of what: data, run, model.
data = Artifact.create(artifact_type="DataSet", source_uri=f"s3://{name}/train.csv", sagemaker_session=session)
model = Artifact.create(artifact_type="Model", source_uri=f"s3://{name}/model.tar.gz", sagemaker_session=session)
component = best["TrialComponentArn"]
for source, destination, kind in (
    (data.artifact_arn, component, "ContributedTo"),
    (component, model.artifact_arn, "Produced"),
):
    Association.create(source_arn=source, destination_arn=destination, association_type=kind, sagemaker_session=session)
origin = LineageQuery(session).query(
    start_arns=[model.artifact_arn],
    direction=LineageQueryDirectionEnum.ASCENDANTS,
    include_edges=False,
    query_filter=LineageFilter(sources=[LineageSourceEnum.DATASET]),
)
for vertex in origin.vertices:
    print(f"made from: {vertex.to_lineage_object().source.source_uri}")

for artifact in (data, model):
    artifact.delete(disassociate=True)
Experiment.load(name, sagemaker_session=session)._delete_all(action="--force")
