"""Feature groups and monitors with the SageMaker SDK v2."""

import os

import pandas
import sagemaker
from sagemaker.feature_store.feature_definition import FractionalFeatureDefinition
from sagemaker.feature_store.feature_group import FeatureGroup
from sagemaker.feature_store.inputs import FeatureParameter, OnlineStoreConfigUpdate, TtlDuration
from sagemaker.model_monitor import BatchTransformInput, DefaultModelMonitor, MonitoringDatasetFormat
from steps import refusal, step, take

session = sagemaker.Session()
role = sagemaker.get_execution_role()
NAME = f"v2-features-{os.getpid()}"


@step
def a_feature_group():
    group = FeatureGroup(name=NAME, sagemaker_session=session)
    rows = pandas.DataFrame({"id": [1], "time": [1.0], "name": pandas.Series(["a"], dtype="string")})
    group.load_feature_definitions(rows)
    group.create(
        s3_uri=f"s3://{session.default_bucket()}/features",
        record_identifier_name="id",
        event_time_feature_name="time",
        role_arn=role,
        enable_online_store=True,
        ttl_duration=TtlDuration("Days", 1),
        tags=[{"Key": "team", "Value": "red"}],
    )
    group.update([FractionalFeatureDefinition("amount")])
    group.update(online_store_config=OnlineStoreConfigUpdate(TtlDuration("Days", 2)))
    group.update_feature_metadata("amount", description="net", parameter_additions=[FeatureParameter("unit", "EUR")])
    described = group.describe()
    seen = {
        "status": described["FeatureGroupStatus"],
        "features": {each["FeatureName"]: each["FeatureType"] for each in described["FeatureDefinitions"]},
        "ttl": described["OnlineStoreConfig"]["TtlDuration"],
        "description": group.describe_feature_metadata("amount")["Description"],
        "parameters": group.list_parameters_for_feature_metadata("amount"),
        "tags": group.list_tags(),
        "table": group.as_hive_ddl(),
        "resolved": described["OfflineStoreConfig"]["S3StorageConfig"]["ResolvedOutputS3Uri"],
    }
    group.delete()
    return seen


@step
def a_monitor():
    """A schedule is not built; the SDK takes back the definition that it made for it."""
    captured = BatchTransformInput(
        data_captured_destination_s3_uri="s3://captured/data",
        destination="/opt/ml/processing/input",
        dataset_format=MonitoringDatasetFormat.csv(header=False),
    )
    seen = {}
    with refusal(seen):
        DefaultModelMonitor(role=role, sagemaker_session=session).create_monitoring_schedule(
            batch_transform_input=captured,
            output_s3_uri="s3://reports/data",
            monitor_schedule_name=NAME,
            schedule_cron_expression="cron(0 * ? * * *)",
        )
    seen["left"] = session.sagemaker_client.list_data_quality_job_definitions()["JobDefinitionSummaries"]
    return seen


take()
