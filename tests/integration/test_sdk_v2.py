"""What a demanding user of the SageMaker SDK v2 does beyond the quickstart."""

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

pytestmark = pytest.mark.sdk

WORDS = 'it\'s "quoted" $HOME `id`\nsecond line \N{SNOWMAN} \\ end'


@pytest.fixture(scope="module")
def training(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "sdk_v2_training.py", tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="module")
def serving(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "sdk_v2_serving.py", tmp_path_factory.mktemp("serving"))


def test_hyperparameters_of_every_type_reach_the_script(training: Seen) -> None:
    seen = training["attach_and_read_logs"]["seen"]
    assert seen["hyperparameters"] == {
        "depth": 5,
        "rate": 0.125,
        "words": WORDS,
        "flag": True,
        "layers": [1, "two", 3.5],
    }
    assert seen["arguments"]["words"] == WORDS
    assert seen["arguments"]["depth"] == 5


def test_a_source_folder_comes_with_its_dependencies_and_requirements(training: Seen) -> None:
    seen = training["attach_and_read_logs"]["seen"]
    assert seen["helper"] == "the shared helper"
    assert seen["tabulate"] == "0.9.0"
    assert seen["directory"] == "/opt/ml/code"
    assert seen["variables"]["COLOUR"] == "blue"


def test_channels_are_prefixes_manifests_and_shards(training: Seen) -> None:
    seen = training["attach_and_read_logs"]["seen"]
    both = {"a/rows.csv": "1,2\n3,4\n", "b/deep/rows.csv": "5,6\n"}
    assert seen["channels"] == {"train": {"rows.csv": "1,2\n3,4\n"}, "listed": both, "sharded": both}
    assert seen["input_config"]["train"]["ContentType"] == "text/csv"
    assert seen["input_config"]["sharded"]["S3DistributionType"] == "ShardedByS3Key"


def test_the_analytics_of_a_job_have_the_mean_of_each_metric_by_the_minute(training: Seen) -> None:
    rows = training["analyse_its_metrics"]
    assert {row["metric_name"] for row in rows} == {"loss", "accuracy"}
    # The three values of each are of one minute, or of two that they happened to lie in.
    assert min(row["timestamp"] for row in rows) == 0.0
    assert all(0.001 <= row["value"] <= 0.5 for row in rows if row["metric_name"] == "loss")
    assert all(0.5 <= row["value"] <= 0.999 for row in rows if row["metric_name"] == "accuracy")


def test_the_description_of_a_job_has_what_was_asked_for_and_its_last_metrics(training: Seen) -> None:
    attached = training["attach_and_read_logs"]
    described, prefix = attached["described"], attached["prefix"]
    assert {each["MetricName"]: each["Value"] for each in described["FinalMetricDataList"]} == {
        "loss": pytest.approx(0.001),
        "accuracy": pytest.approx(0.999),
    }
    assert described["StoppingCondition"]["MaxRuntimeInSeconds"] == 1234
    assert described["OutputDataConfig"]["S3OutputPath"] == f"{prefix}/out"
    assert described["HyperParameters"]["sagemaker_submit_directory"].startswith(f'"{prefix}/code/')
    assert described["Environment"] == {"COLOUR": "blue"}
    assert attached["tags"] == [{"Key": "team", "Value": "red"}]


def test_a_job_that_was_not_waited_for_is_attached_to_and_its_log_read(training: Seen) -> None:
    attached = training["attach_and_read_logs"]
    job = training["start_a_rich_job"]
    assert attached["model_data"] == f"{attached['prefix']}/out/{job}/output/model.tar.gz"
    assert "epoch 2 loss=0.001 accuracy=0.999;" in training.output
    assert "snowman \N{SNOWMAN}" in training.output
    assert "Billable seconds:" in training.output


def test_an_estimator_of_any_image_runs_a_script_or_a_command(training: Seen) -> None:
    assert training["a_generic_estimator_with_a_script"]["seen"]["hyperparameters"] == {
        "depth": 3,
        "rate": 0.5,
        "words": "plain",
        "flag": False,
    }
    assert training["another_region"]["status"] == "Completed", training["another_region"]["reason"]


def test_a_job_without_network_has_its_code_but_neither_connections_nor_credentials(training: Seen) -> None:
    job = training["a_job_without_network"]
    assert job["status"] == "Completed", job["reason"]
    assert job["seen"]["channels"] == ["code", "training"]
    assert job["seen"]["module_dir"] == "/opt/ml/input/data/code/sourcedir.tar.gz"
    assert "unreachable" in job["seen"]["reached"]
    assert job["seen"]["secrets"] == []
    assert job["seen"]["region"] == "us-east-1"


def test_a_job_is_stopped_once(training: Seen) -> None:
    stopped = training["start_a_job_that_is_stopped"]
    assert stopped["status"] == "Stopped"
    assert stopped["transitions"][-3:] == ["Stopping", "Uploading", "Stopped"]
    assert "The request was rejected because the training job is in status Stopped." in stopped["again"]


def test_a_failing_script_raises_with_its_exception(training: Seen) -> None:
    failed = training["a_failing_script"]
    assert failed["error"] == "UnexpectedStatusException"
    assert failed["reason"].startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage ")
    assert 'ValueError: no column "target" in the data' in failed["reason"]
    assert "failing.py --depth 3" in failed["reason"]
    assert failed["reason"] in failed["words"]
    assert "before the failure" in training.output


def test_what_cannot_be_started_or_attached_to_is_refused_in_awss_words(training: Seen) -> None:
    refused = training["refused_before_it_starts"]
    assert refused["twice"]["error"] == "ResourceInUse"
    assert "Requested resource not found." in refused["attach"]["words"]


def test_lists_go_through_all_pages_in_the_order_asked_for(training: Seen) -> None:
    rich, generic = training["start_a_rich_job"], training["a_generic_estimator_with_a_script"]["name"]
    names = training["lists_and_pages"]["names"]
    assert names.index(generic) < names.index(rich)
    assert training["lists_and_pages"]["completed"] == [rich]


def test_objects_are_uploaded_downloaded_listed_and_encrypted(training: Seen) -> None:
    objects = training["objects"]
    assert objects["encryption"] == "aws:kms"
    assert objects["key"][0] == objects["key"][1]
    assert objects["text"] == objects["bytes"] == objects["read"] == "secret"
    folder = ["folder/failing.py", "folder/requirements.txt", "folder/train.py"]
    assert objects["downloaded"] == [*folder, "one.txt"]
    assert objects["listed"] == [f"/objects/{each}" for each in objects["downloaded"]]


def test_a_region_has_buckets_and_jobs_of_its_own(training: Seen) -> None:
    other = training["another_region"]
    assert other["buckets"] == ["sagemaker-us-east-1-123456789012", "sagemaker-eu-west-1-123456789012"]
    assert other["location"] == "eu-west-1"
    assert other["arn"].startswith("arn:aws:sagemaker:eu-west-1:123456789012:training-job/")
    assert "Requested resource not found." in other["here"]["words"]


def test_a_model_is_deployed_with_its_source_folder(serving: Seen) -> None:
    deployed = serving["deploy_repacked_code"]
    assert deployed["status"] == "InService", deployed["reason"]
    assert deployed["tags"] == [{"Key": "team", "Value": "red"}]
    assert serving["predict_in_every_format"]["where"]["variables"]["COLOUR"] == "blue"


@pytest.mark.parametrize("step", ["a_generic_model", "a_model_without_network"])
def test_code_that_the_sdk_packed_into_the_model_is_run(serving: Seen, step: str) -> None:
    seen = serving[step]
    assert seen["status"] == "InService", seen["reason"]
    assert seen["where"]["variables"]["SAGEMAKER_SUBMIT_DIRECTORY"] == "/opt/ml/model/code"
    assert seen["where"]["file"] == "/opt/ml/model/code/inference.py"


def test_predictors_speak_json_csv_and_npy(serving: Seen) -> None:
    seen = serving["predict_in_every_format"]
    assert seen["json"] == [2, [4, 6]]
    assert seen["csv"] == [["2.0", "4.0"], ["6.0", "8.0"]]
    assert seen["text"] == [["10.0", "12.0"]]
    assert seen["numpy"] == [[3.0, 5.0]]
    assert seen["variant"] == [2]


def test_errors_of_a_prediction_name_their_cause(serving: Seen) -> None:
    seen = serving["errors_of_a_prediction"]
    assert "Received server error (500) from primary with message" in seen["fails"]["words"]
    assert "asked to fail" in seen["fails"]["words"]
    assert "unknown content type image/png" in seen["type"]["words"]
    assert seen["variant"]["error"] == seen["nobody"]["error"] == "ValidationError"
    assert "Endpoint nobody-here of account 123456789012 not found." in seen["nobody"]["words"]


def test_an_endpoint_answers_while_it_is_updated(serving: Seen) -> None:
    seen = serving["update_the_endpoint"]
    assert seen["updating"] == "Updating"
    assert seen["during"] == [2]
    assert "Cannot update in-progress endpoint" in seen["again"]["words"]
    assert seen["status"] == "InService"
    assert seen["other_config"]
    assert seen["answer"] == [10]


def test_variants_share_requests_by_their_weights(serving: Seen) -> None:
    seen = serving["two_variants_by_weight"]
    assert seen["two"] == ["two", "[2.0]"]
    assert seen["ten"] == ["ten", "[10.0]"]
    assert 0.5 < seen["shares"] < 0.95
    assert seen["after"] == ["ten"]
    assert seen["weights"] == {"two": 0, "ten": 1}


def test_an_endpoints_log_has_the_exceptions_of_its_handlers(serving: Seen) -> None:
    seen = serving["logs_of_an_endpoint"]
    assert all(stream.startswith("AllTraffic/") for stream in seen["streams"])
    assert "ValueError: asked to fail" in [message.strip() for message in seen["messages"]]


def test_models_and_endpoints_are_listed_page_by_page(serving: Seen) -> None:
    seen = serving["lists_and_pages"]
    assert [name.rsplit("-", 1)[1] for name in seen["models"]] == ["10", "2", "isolated"]
    assert len(seen["endpoints"]) == 1


def test_what_is_deleted_twice_is_refused_in_awss_words(serving: Seen) -> None:
    seen = serving["delete_twice"]
    assert 'Could not find endpoint "arn:aws:sagemaker:' in seen["endpoint"]["words"]
    assert 'Could not find model "arn:aws:sagemaker:' in seen["model"]["words"]
    assert "Could not find endpoint configuration" in seen["config"]["words"]
    assert "Could not find endpoint" in seen["describe"]["words"]
