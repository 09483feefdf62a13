"""The model registry with the SageMaker SDK v2: packages, their approval, models of them, model cards."""

import os

import sagemaker
from sagemaker.model import Model, ModelPackage
from sagemaker.model_card import IntendedUses, ModelCard, ModelOverview, ModelPackageModelCard, RiskRatingEnum
from sagemaker.model_card import ModelPackage as PackageDetails
from sagemaker.model_card.schema_constraints import ModelCardStatusEnum
from steps import refusal, step, take

session = sagemaker.Session()
client = session.sagemaker_client
role = sagemaker.get_execution_role()
image = sagemaker.image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1")
name = f"registry-v2-{os.getpid()}"
data = f"s3://{session.default_bucket()}/{name}/model.tar.gz"
INSTANCES = ["ml.m5.large"]
registered = {}


def model():
    return Model(image_uri=image, model_data=data, role=role, sagemaker_session=session)


@step
def a_model_is_registered_twice():
    for number in (1, 2):
        registered[number] = model().register(
            content_types=["text/csv"],
            response_types=["text/csv"],
            inference_instances=INSTANCES,
            transform_instances=INSTANCES,
            model_package_group_name=name,
            description=f"version {number}",
            customer_metadata_properties={"number": str(number)},
            task="CLASSIFICATION",
        )
    listed = client.list_model_packages(ModelPackageGroupName=name)["ModelPackageSummaryList"]
    described = client.describe_model_package(ModelPackageName=registered[1].model_package_arn)
    return {
        "arns": [package.model_package_arn for package in registered.values()],
        "versions": [each["ModelPackageVersion"] for each in listed],
        "described": described,
    }


@step
def a_package_is_approved_and_changed():
    package = registered[1]
    pending = {}
    container = {"ModelPackageName": package.model_package_arn}
    with refusal(pending):
        client.create_model(ModelName=f"{name}-early", ExecutionRoleArn=role, PrimaryContainer=container)
    package.update_approval_status("Approved", approval_description="looks good")
    package.update_customer_metadata({"owner": "ann"})
    package.remove_customer_metadata_properties(["number"])
    package.add_inference_specification(name="other", image_uris=[image])
    card = ModelPackageModelCard(
        model_card_content={"intended_uses": {"risk_rating": "Low"}}, model_card_status=ModelCardStatusEnum.DRAFT
    )
    package.update_model_card(card)
    return {"pending": pending, "described": client.describe_model_package(ModelPackageName=package.model_package_arn)}


@step
def a_model_is_made_of_the_approved_package():
    package = ModelPackage(
        role=role, model_package_arn=registered[1].model_package_arn, sagemaker_session=session, name=f"{name}-model"
    )
    package.create(INSTANCES[0])
    return client.describe_model(ModelName=f"{name}-model")


@step
def a_model_card_has_versions():
    card = ModelCard(
        name=f"{name}-card",
        status=ModelCardStatusEnum.DRAFT,
        model_overview=ModelOverview(model_name="m", model_description="first"),
        intended_uses=IntendedUses(risk_rating=RiskRatingEnum.LOW),
        sagemaker_session=session,
    )
    arn = card.create()
    card.model_overview.model_description = "second"
    card.update(status=ModelCardStatusEnum.PENDING_REVIEW)
    again = {}
    with refusal(again):
        ModelCard(name=card.name, sagemaker_session=session).create()
    first = ModelCard.load(name=card.name, version=1, sagemaker_session=session)
    latest = ModelCard.load(name=card.name, sagemaker_session=session)
    versions = card.get_version_history()
    card.delete()
    return {
        "arn": arn,
        "again": again,
        "first": [first.version, first.model_overview.model_description],
        "latest": [latest.version, latest.status, latest.model_overview.model_description],
        "versions": [each["ModelCardVersion"] for each in versions],
    }


@step
def a_model_card_tells_of_its_package():
    details = PackageDetails.from_model_package_arn(registered[2].model_package_arn, sagemaker_session=session)
    card = ModelCard(name=f"{name}-of-package", model_package_details=details, sagemaker_session=session)
    card.create()
    loaded = ModelCard.load(name=card.name, sagemaker_session=session)
    again = {}
    with refusal(again):
        PackageDetails.from_model_package_arn(registered[2].model_package_arn, sagemaker_session=session)
    return {"package": loaded.model_package_details.model_package_arn, "again": again}


@step
def the_group_is_deleted_after_its_packages():
    early = {}
    with refusal(early):
        client.delete_model_package_group(ModelPackageGroupName=name)
    for package in registered.values():
        client.delete_model_package(ModelPackageName=package.model_package_arn)
    client.delete_model_package_group(ModelPackageGroupName=name)
    return {"early": early, "left": client.list_model_package_groups(NameContains=name)["ModelPackageGroupSummaryList"]}


take()
