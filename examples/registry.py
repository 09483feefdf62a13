"""The model registry with the SageMaker Python SDK v2: register two versions, approve one, find it, and clean up."""

import tarfile
import tempfile
import time
from pathlib import Path

import boto3
import sagemaker
from sagemaker.model import Model

session = sagemaker.Session()
client = boto3.client("sagemaker")
image = sagemaker.image_uris.retrieve("sklearn", session.boto_region_name, version="1.2-1")
group = f"tumours-{int(time.time())}"

# Two models to register. What is in the archives does not matter here: nothing is deployed.
with tempfile.TemporaryDirectory() as folder:
    archive = Path(folder) / "model.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add("train.py")
    uris = [session.upload_data(str(archive), key_prefix=f"{group}/{number}") for number in (1, 2)]

# Each registration is the next version in its group. The first makes the group.
packages = [
    Model(image_uri=image, model_data=uri, role=sagemaker.get_execution_role(), sagemaker_session=session).register(
        content_types=["text/csv"],
        response_types=["application/json"],
        inference_instances=["ml.m5.large"],
        model_package_group_name=group,
        customer_metadata_properties={"accuracy": accuracy},
        approval_status="PendingManualApproval",
    )
    for uri, accuracy in zip(uris, ("0.91", "0.94"), strict=True)
]
packages[1].update_approval_status("Approved", approval_description="better than version 1")

# What a deployment asks for: the latest version that somebody approved.
latest = client.list_model_packages(
    ModelPackageGroupName=group, ModelApprovalStatus="Approved", SortBy="CreationTime", SortOrder="Descending"
)["ModelPackageSummaryList"][0]
print(f"approved: version {latest['ModelPackageVersion']}")

# The same by any property, over all groups.
found = client.search(
    Resource="ModelPackage",
    SearchExpression={
        "Filters": [
            {"Name": "ModelPackageGroupName", "Operator": "Equals", "Value": group},
            {"Name": "CustomerMetadataProperties.accuracy", "Operator": "Equals", "Value": "0.91"},
        ]
    },
)["Results"]
for result in found:
    package = result["ModelPackage"]
    print(f"found: version {package['ModelPackageVersion']}, {package['ModelApprovalStatus']}")

# A group that has versions stays.
try:
    client.delete_model_package_group(ModelPackageGroupName=group)
except client.exceptions.ClientError as error:
    print(f"refused: {error.response['Error']['Code']}")
for package in packages:
    client.delete_model_package(ModelPackageName=package.model_package_arn)
client.delete_model_package_group(ModelPackageGroupName=group)
