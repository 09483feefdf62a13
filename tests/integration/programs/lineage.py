"""Lineage with the SageMaker SDK, v2 or v3, whichever is installed: they have the same `lineage`."""

import itertools
import os

from steps import refusal, step, take

try:
    from sagemaker.experiments.run import Run
    from sagemaker.lineage.action import Action
    from sagemaker.lineage.artifact import Artifact, DatasetArtifact, ImageArtifact, ModelArtifact
    from sagemaker.lineage.association import Association
    from sagemaker.lineage.context import Context, EndpointContext
    from sagemaker.lineage.query import (
        LineageEntityEnum,
        LineageFilter,
        LineageQuery,
        LineageQueryDirectionEnum,
        LineageSourceEnum,
    )
    from sagemaker.lineage.visualizer import LineageTableVisualizer
    from sagemaker.session import Session

    resources = None
except ImportError:
    from sagemaker.core import resources
    from sagemaker.core.experiments.run import Run
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.lineage.action import Action
    from sagemaker.core.lineage.artifact import Artifact, DatasetArtifact, ImageArtifact, ModelArtifact
    from sagemaker.core.lineage.association import Association
    from sagemaker.core.lineage.context import Context, EndpointContext
    from sagemaker.core.lineage.query import (
        LineageEntityEnum,
        LineageFilter,
        LineageQuery,
        LineageQueryDirectionEnum,
        LineageSourceEnum,
    )
    from sagemaker.core.lineage.visualizer import LineageTableVisualizer

session = Session()
client = session.sagemaker_client
NAME = f"lineage-{os.getpid()}"
ENDPOINT = f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{NAME}"


def artifact(kind, what, **members):
    return kind.create(source_uri=f"s3://{NAME}/{what}", sagemaker_session=session, **members)


def associate(*entities, association_type="ContributedTo"):
    for source, destination in itertools.pairwise(entities):
        Association.create(source, destination, association_type, sagemaker_session=session)


raw = artifact(DatasetArtifact, "raw", artifact_type="DataSet", artifact_name=f"{NAME}-raw")
data = artifact(DatasetArtifact, "data", artifact_type="DataSet", properties={"rows": "10"})
image = artifact(ImageArtifact, "image", artifact_type="Image")
model = artifact(ModelArtifact, "model", artifact_type="Model", tags=[{"Key": "team", "Value": "red"}])
deployment = Action.create(
    action_name=f"{NAME}-deploy",
    action_type="ModelDeployment",
    source_uri=ENDPOINT,
    status="InProgress",
    sagemaker_session=session,
)
endpoint = EndpointContext.create(
    context_name=f"{NAME}-endpoint", context_type="Endpoint", source_uri=ENDPOINT, sagemaker_session=session
)
with Run(experiment_name=NAME, run_name="train", sagemaker_session=session):
    pass
run = client.describe_trial_component(TrialComponentName=f"{NAME}-train")
NAMES = {
    raw.artifact_arn: "raw",
    data.artifact_arn: "data",
    image.artifact_arn: "image",
    model.artifact_arn: "model",
    deployment.action_arn: "deployment",
    endpoint.context_arn: "endpoint",
    run["TrialComponentArn"]: "run",
}
associate(raw.artifact_arn, data.artifact_arn, association_type="DerivedFrom")
associate(data.artifact_arn, run["TrialComponentArn"], model.artifact_arn)
associate(image.artifact_arn, model.artifact_arn)
associate(model.artifact_arn, deployment.action_arn, endpoint.context_arn, association_type="AssociatedWith")


def names(arns):
    return [NAMES[arn] for arn in arns]


@step
def an_artifact_that_is_changed():
    data.properties = {"rows": "11", "columns": "3"}
    data.properties_to_remove = ["columns"]
    data.artifact_name = f"{NAME}-data"
    data.save()
    loaded = Artifact.load(data.artifact_arn, sagemaker_session=session)
    again = {}
    with refusal(again):
        artifact(Artifact, "data", artifact_type="DataSet")
    twice = {}
    with refusal(twice):
        associate(raw.artifact_arn, data.artifact_arn)
    listed = Artifact.list(source_uri=f"s3://{NAME}/data", sagemaker_session=session)
    return {
        "properties": loaded.properties,
        "name": loaded.artifact_name == f"{NAME}-data",
        "again": again,
        "twice": twice,
        "listed": names(each.artifact_arn for each in listed),
        "tags": client.list_tags(ResourceArn=model.artifact_arn)["Tags"],
        "found": ModelArtifact.load(model.artifact_arn, sagemaker_session=session).source.source_uri,
    }


@step
def associations_in_pages():
    found = Association.list(
        destination_arn=model.artifact_arn, sort_by="SourceType", sort_order="Ascending", sagemaker_session=session
    )
    seen = [[NAMES[each.source_arn], each.source_type, each.association_type] for each in found]
    pages = client.get_paginator("list_associations").paginate(
        AssociationType="AssociatedWith", PaginationConfig={"PageSize": 1}
    )
    served = [each for page in pages for each in page["AssociationSummaries"]]
    mine = [each["SourceArn"] for each in served if each["SourceArn"] in NAMES]
    return {"into": seen, "served": names(mine)}


@step
def queries():
    def asked(start, direction, **filters):
        chosen = LineageFilter(**filters) if filters else None
        result = LineageQuery(session).query(
            start_arns=[start], direction=direction, query_filter=chosen, include_edges=not filters
        )
        return result

    up, down, both = (
        LineageQueryDirectionEnum.ASCENDANTS,
        LineageQueryDirectionEnum.DESCENDANTS,
        LineageQueryDirectionEnum.BOTH,
    )
    whole = asked(endpoint.context_arn, up)
    datasets = asked(
        endpoint.context_arn, up, entities=[LineageEntityEnum.ARTIFACT], sources=[LineageSourceEnum.DATASET]
    )
    runs = asked(raw.artifact_arn, down, entities=[LineageEntityEnum.TRIAL_COMPONENT])
    around = asked(image.artifact_arn, both, sources=[LineageSourceEnum.DATASET, LineageSourceEnum.ENDPOINT])
    return {
        "whole": sorted(names(vertex.arn for vertex in whole.vertices)),
        "edges": sorted(
            [NAMES[edge.source_arn], NAMES[edge.destination_arn], edge.association_type] for edge in whole.edges
        ),
        "datasets": [vertex.to_lineage_object().source.source_uri for vertex in datasets.vertices],
        "runs": [[NAMES[vertex.arn], vertex.lineage_source] for vertex in runs.vertices],
        "around": sorted(names(vertex.arn for vertex in around.vertices)),
        "rows": names(vertex.arn for vertex in asked(endpoint.context_arn, up, properties={"rows": "11"}).vertices),
    }


@step
def the_sdks_own_questions():
    return {
        "endpoints of data": [each.context_name for each in data.endpoint_contexts()],
        "upstream of data": names(each.artifact_arn for each in data.upstream_datasets()),
        "data of model": names(each.artifact_arn for each in model.dataset_artifacts()),
        "endpoints of model": names(each.context_arn for each in model.endpoint_contexts()),
        "data of endpoint": names(each.artifact_arn for each in endpoint.dataset_artifacts()),
        "artifacts of deployment": sorted(
            names(each.artifact_arn for each in deployment.artifacts(direction=LineageQueryDirectionEnum.ASCENDANTS))
        ),
        "data of image": names(each.artifact_arn for each in image.datasets(direction=LineageQueryDirectionEnum.BOTH)),
    }


@step
def a_table():
    rows = LineageTableVisualizer(session).show(endpoint_arn=ENDPOINT)
    inputs = LineageTableVisualizer(session).show(artifact_arn=model.artifact_arn)
    return {
        "endpoint": rows.fillna("").values.tolist(),
        "model": sorted([row[1], row[2], row[4]] for row in inputs.fillna("").values.tolist()),
    }


@step
def resources_of_v3():
    if resources is None:
        return None
    made = resources.Artifact.create(
        source=resources.ArtifactSource(source_uri=f"s3://{NAME}/v3"), artifact_type="DataSet"
    )
    made.update(artifact_name="v3", properties={"a": "1"})
    made.refresh()
    resources.Association.add(source_arn=made.artifact_arn, destination_arn=model.artifact_arn)
    (association,) = resources.Association.get_all(source_arn=made.artifact_arn)
    association.delete()
    (group,) = resources.LineageGroup.get_all()
    group.refresh()
    seen = {"name": made.artifact_name, "properties": made.properties, "group": group.lineage_group_name}
    made.delete()
    return seen


@step
def what_is_associated_stays():
    refused = {}
    with refusal(refused):
        data.delete()
    for entity in (raw, data, image, model, deployment, endpoint):
        entity.delete(disassociate=True)
    gone = {}
    with refusal(gone):
        Context.load(f"{NAME}-endpoint", sagemaker_session=session)
    left = Association.list(source_arn=raw.artifact_arn, sagemaker_session=session)
    return {"refused": refused, "gone": gone, "left": len(list(left))}


take()
