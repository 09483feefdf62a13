"""The model registry with the resource classes of the SageMaker SDK v3."""

import json
import os

import boto3
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Algorithm, Model, ModelCard, ModelPackage, ModelPackageGroup
from sagemaker.core.shapes import (
    ChannelSpecification,
    ContainerDefinition,
    TrainingSpecification,
)
from steps import refusal, step, take

session = Session()
client = boto3.client("sagemaker")
role = get_execution_role(session)
name = f"registry-v3-{os.getpid()}"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
ARN = {}


@step
def a_group_is_created_and_found():
    group = ModelPackageGroup.create(model_package_group_name=name, model_package_group_description="d")
    again = ModelPackageGroup.get(model_package_group_name=name)
    group.wait_for_status("Completed", poll=1, timeout=10)
    found = [each.get_name() for each in ModelPackageGroup.get_all(name_contains=name)]
    return {"arn": again.model_package_group_arn, "status": group.model_package_group_status, "found": found}


@step
def a_package_is_approved():
    # ModelPackage.create of the SDK looks for a name in the answer, which has an ARN alone.
    created = client.create_model_package(
        ModelPackageGroupName=name,
        InferenceSpecification={"Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://b/model.tar.gz"}]},
    )
    ARN["package"] = created["ModelPackageArn"]
    package = ModelPackage.get(model_package_name=ARN["package"])
    before = package.model_approval_status
    package.update(model_approval_status="Approved", approval_description="yes")
    package.refresh()
    return {
        "before": before,
        "after": [package.model_approval_status, package.approval_description, package.model_package_version],
        "found": [each.model_package_arn for each in ModelPackage.get_all(model_package_group_name=name)],
        "summaries": list(
            client.batch_describe_model_package(ModelPackageArnList=[ARN["package"]])["ModelPackageSummaries"]
        ),
    }


@step
def a_model_is_made_of_the_package():
    model = Model.create(
        model_name=name,
        primary_container=ContainerDefinition(model_package_name=ARN["package"]),
        execution_role_arn=role,
    )
    image = model.primary_container.image
    model.delete()
    return image


@step
def a_model_card_has_versions():
    card = ModelCard.create(
        model_card_name=name, content=json.dumps({"model_overview": {"model_name": "m"}}), model_card_status="Draft"
    )
    card.update(content=json.dumps({"model_overview": {"model_name": "n"}}))
    card.update(model_card_status="Approved")
    latest = ModelCard.get(model_card_name=name)
    versions = [[each.model_card_version, each.model_card_status] for each in latest.get_all_versions()]
    first = ModelCard.get(model_card_name=name, model_card_version=1)
    card.delete()
    return {
        "versions": versions,
        "first": json.loads(first.content),
        "left": [each.get_name() for each in ModelCard.get_all(name_contains=name)],
    }


@step
def an_algorithm_is_created_and_deleted():
    algorithm = Algorithm.create(
        algorithm_name=name,
        training_specification=TrainingSpecification(
            training_image=IMAGE,
            supported_training_instance_types=["ml.m5.large"],
            training_channels=[
                ChannelSpecification(name="train", supported_content_types=["text/csv"], supported_input_modes=["File"])
            ],
        ),
    )
    status = algorithm.wait_for_status("Completed", poll=1, timeout=10) or algorithm.algorithm_status
    algorithm.delete()
    gone = {}
    with refusal(gone):
        Algorithm.get(algorithm_name=name)
    return {"status": status, "gone": gone}


@step
def the_group_is_deleted_after_its_packages():
    early = {}
    group = ModelPackageGroup.get(model_package_group_name=name)
    with refusal(early):
        group.delete()
    ModelPackage.get(model_package_name=ARN["package"]).delete()
    group.delete()
    return {"early": early, "left": [each.get_name() for each in ModelPackageGroup.get_all(name_contains=name)]}


take()
