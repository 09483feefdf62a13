"""What the SageMaker SDK v2 asks of resources that its other programs here do not: Session, model cards, monitors."""

import json
import os
import time
from pathlib import Path

import sagemaker
import sagemaker.session
from sagemaker.algorithm import AlgorithmEstimator
from sagemaker.model_card import ModelOverview, TrainingDetails
from sagemaker.model_card.model_card import ModelPackage
from sagemaker.model_monitor import EndpointInput, ModelBiasMonitor, ModelExplainabilityMonitor, ModelQualityMonitor
from steps import refusal, step, take

session = sagemaker.Session()
client = session.sagemaker_client
role = "arn:aws:iam::123456789012:role/SageMakerExecutionRole"
image = sagemaker.image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1")
bucket = session.default_bucket()
name = f"session-v2-{os.getpid()}"
data = f"s3://{bucket}/{name}/model.tar.gz"


@step
def who_one_is_in_studio():
    """In Studio, the SDK asks for the role of the profile that a file names, then for its domain's."""
    domain = client.create_domain(
        DomainName=name, AuthMode="IAM", DefaultUserSettings={"ExecutionRole": f"{role}-of-the-domain"}
    )["DomainArn"].rpartition("/")[2]
    client.create_user_profile(DomainId=domain, UserProfileName="ann", UserSettings={"ExecutionRole": f"{role}-of-ann"})
    client.create_user_profile(DomainId=domain, UserProfileName="bob")
    metadata = Path("metadata.json")
    sagemaker.session.NOTEBOOK_METADATA_FILE = str(metadata)
    seen = {}
    for user in ("ann", "bob"):
        metadata.write_text(json.dumps({"DomainId": domain, "UserProfileName": user}))
        seen[user] = session.get_caller_identity_arn()
        client.delete_user_profile(DomainId=domain, UserProfileName=user)
    metadata.unlink()
    client.delete_domain(DomainId=domain, RetentionPolicy={"HomeEfsFileSystem": "Delete"})
    return seen


def _rows():
    uri = session.upload_string_as_file_body("1,2", bucket, f"{name}/rows/rows.csv")
    return {"S3DataType": "S3Prefix", "S3Uri": uri}


@step
def a_model_of_a_job():
    session.train(
        input_mode="File",
        input_config=[{"ChannelName": "train", "DataSource": {"S3DataSource": _rows()}}],
        role=role,
        job_name=name,
        output_config={"S3OutputPath": f"s3://{bucket}/{name}"},
        resource_config={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        vpc_config=None,
        hyperparameters={"depth": "3"},
        stop_condition={"MaxRuntimeInSeconds": 600},
        tags=[{"Key": "team", "Value": "red"}],
        metric_definitions=[{"Name": "loss", "Regex": "loss=(.*?);"}],
        image_uri=image,
        container_entry_point=["/bin/sh", "-c", "echo 'loss=0.5;'; echo model > /opt/ml/model/model"],
    )
    while (job := client.describe_training_job(TrainingJobName=name))["TrainingJobStatus"] == "InProgress":
        time.sleep(0.2)
    artifact = job["ModelArtifacts"]["S3ModelArtifacts"]
    session.create_model_from_job(name, image_uri=image, model_data_url=artifact, env={"A": "b"})
    overview = ModelOverview.from_model_name(name, sagemaker_session=session)
    details = TrainingDetails.from_training_job_name(name, sagemaker_session=session).training_job_details
    by_artifact = TrainingDetails.from_model_overview(overview, sagemaker_session=session)
    container = session.describe_model(name)["PrimaryContainer"]
    return {
        "environment": container["Environment"],
        "artifact": [container["ModelDataUrl"] == artifact, overview.model_artifact == [artifact]],
        "tags": session.list_tags(job["TrainingJobArn"]),
        "metrics": {each.name: each.value for each in details.training_metrics},
        "hyperparameters": {each.name: each.value for each in details.hyper_parameters},
        "job": by_artifact.training_job_details.training_arn.rpartition("/")[2] == name,
    }


@step
def configurations_of_an_endpoint():
    session.create_endpoint_config(name, name, 1, "ml.m5.large", tags=[{"Key": "team", "Value": "red"}])
    session.create_endpoint_config_from_existing(name, f"{name}-2", new_tags=[{"Key": "team", "Value": "blue"}])
    second = session.describe_endpoint_config(f"{name}-2")
    seen = {
        "variants": second["ProductionVariants"] == session.describe_endpoint_config(name)["ProductionVariants"],
        "tags": session.list_tags(second["EndpointConfigArn"]),
        "gone": {},
    }
    for each in (name, f"{name}-2"):
        session.delete_endpoint_config(each)
    session.delete_model(name)
    with refusal(seen["gone"]):
        session.describe_model(name)
    return seen


@step
def a_package_of_an_algorithm():
    training = {
        "TrainingImage": image,
        "SupportedTrainingInstanceTypes": ["ml.m5.large"],
        "TrainingChannels": [{"Name": "train", "SupportedContentTypes": ["text/csv"], "SupportedInputModes": ["File"]}],
    }
    inference = {
        "Containers": [{"Image": image}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }
    arn = client.create_algorithm(AlgorithmName=name, TrainingSpecification=training, InferenceSpecification=inference)[
        "AlgorithmArn"
    ]
    estimator = AlgorithmEstimator(arn, role, 1, "ml.m5.large", sagemaker_session=session)
    for _ in range(2):  # the SDK takes a package that is there already for its own
        session.create_model_package_from_algorithm(name, "of an algorithm", arn, data)
    package = session.wait_for_model_package(name, poll=0.1)
    client.delete_model_package(ModelPackageName=name)
    client.delete_algorithm(AlgorithmName=name)
    return {
        "channels": [each["Name"] for each in estimator.algorithm_spec["TrainingSpecification"]["TrainingChannels"]],
        "status": package["ModelPackageStatus"],
        "containers": package["InferenceSpecification"]["Containers"],
    }


@step
def the_latest_approved_package():
    for status in ("Approved", "Approved", "Rejected"):
        session.create_model_package_from_containers(
            containers=[{"Image": image, "ModelDataUrl": data}],
            content_types=["text/csv"],
            response_types=["text/csv"],
            model_package_group_name=name,
            approval_status=status,
        )
    arn = session.get_most_recently_created_approved_model_package(name).model_package_arn
    package = ModelPackage.from_model_package_arn(arn, sagemaker_session=session)
    found = session.search(
        "ModelPackage",
        search_expression={
            "Filters": [
                {"Name": "ModelPackageGroupName", "Operator": "Equals", "Value": name},
                {"Name": "ModelApprovalStatus", "Operator": "Equals", "Value": "Approved"},
            ]
        },
        sort_by="ModelPackageVersion",
        sort_order="Ascending",
    )
    versions = [each["ModelPackage"]["ModelPackageVersion"] for each in found["Results"]]
    for version in client.list_model_packages(ModelPackageGroupName=name)["ModelPackageSummaryList"]:
        client.delete_model_package(ModelPackageName=version["ModelPackageArn"])
    none = session.get_most_recently_created_approved_model_package(name)
    client.delete_model_package_group(ModelPackageGroupName=name)
    return {"version": package.model_package_version, "found": versions, "none": none}


@step
def monitors():
    """Schedules are not built; the SDK takes back the definitions that it made for them."""
    client.create_model(ModelName=name, PrimaryContainer={"Image": image}, ExecutionRoleArn=role)
    variant = {
        "VariantName": "v",
        "ModelName": name,
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    client.create_endpoint(EndpointName=name, EndpointConfigName=name)
    common = {"role": role, "sagemaker_session": session}
    given = {
        "endpoint_input": EndpointInput(name, "/opt/ml/input", inference_attribute="0", probability_attribute="1"),
        "output_s3_uri": f"s3://{bucket}/reports",
        "schedule_cron_expression": "cron(0 * ? * * *)",
    }
    truth = {"ground_truth_input": f"s3://{bucket}/truth"}
    analysis = {"analysis_config": f"s3://{bucket}/analysis.json"}
    seen = {}
    for kind, monitor, more in (
        ("ModelQuality", ModelQualityMonitor, {**truth, "problem_type": "BinaryClassification"}),
        ("ModelBias", ModelBiasMonitor, {**truth, **analysis}),
        ("ModelExplainability", ModelExplainabilityMonitor, analysis),
    ):
        seen[kind] = {}
        with refusal(seen[kind]):
            monitor(**common).create_monitoring_schedule(monitor_schedule_name=f"{name}-{kind}", **given, **more)
        word = kind.removeprefix("Model").lower()
        listed = getattr(client, f"list_model_{word}_job_definitions")(EndpointName=name)
        seen[kind]["left"] = listed["JobDefinitionSummaries"]
    session.delete_endpoint(name)
    return seen


@step
def feature_groups_and_hubs():
    features = [{"FeatureName": "id", "FeatureType": "String"}, {"FeatureName": "time", "FeatureType": "String"}]
    session.create_feature_group(
        name, "id", "time", features, role_arn=role, online_store_config={"EnableOnlineStore": True}
    )
    session.update_feature_metadata(name, "id", description="whose")
    session.create_hub(name, "ours")
    seen = {
        "groups": [each["FeatureGroupName"] == name for each in _groups("Created")],
        "failed": _groups("CreateFailed"),
        "whose": session.describe_feature_metadata(name, "id")["Description"],
        "hubs": [each["HubName"] == name for each in session.list_hubs(name_contains=name)["HubSummaries"]],
        "contents": session.list_hub_contents(name, "Model")["HubContentSummaries"],
    }
    session.delete_hub(name)
    session.delete_feature_group(name)
    return seen


def _groups(status):
    return session.list_feature_groups(name, status, None, None, None, "Ascending", "Name", 10, None)[
        "FeatureGroupSummaries"
    ]


take()
