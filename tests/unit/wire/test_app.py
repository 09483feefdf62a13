"""The dispatcher, called by botocore's clients and by requests that no client would send."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from sagesmith.http.messages import Headers, Response
from sagesmith.wire.answers import error_response
from sagesmith.wire.app import Dispatcher
from sagesmith.wire.context import Params, RequestContext
from sagesmith.wire.errors import AwsError, ResourceNotFound
from sagesmith.wire.models import load_model
from tests.unit.wire.clients import client_for, request_context

MODEL_ARN = "arn:aws:sagemaker:us-east-1:123456789012:model/m"


class Recorder:
    """A handler that remembers what it was called with."""

    def __init__(self, answer: Params | None = None) -> None:
        self.answer = answer or {}
        self.calls: list[tuple[RequestContext, Params]] = []

    def __call__(self, context: RequestContext, params: Params) -> Params:
        self.calls.append((context, params))
        return self.answer


def post(dispatcher: Dispatcher, service: str, body: bytes, headers: Headers, target: bytes = b"/") -> Response:
    return dispatcher.dispatch(request_context(service), "POST", target, headers, body)


def json_target(name: bytes) -> Headers:
    return [(b"x-amz-target", name), (b"content-type", b"application/x-amz-json-1.1")]


def test_a_handler_gets_the_parsed_input_and_its_context() -> None:
    handler = Recorder({"ModelName": "m", "ModelArn": MODEL_ARN, "CreationTime": 1.5, "NotModelled": 1})
    answer = client_for("sagemaker", Dispatcher({"sagemaker": {"DescribeModel": handler}})).describe_model(
        ModelName="m"
    )
    context, params = handler.calls[0]
    assert params == {"ModelName": "m"}
    assert (context.service, context.operation, context.region) == ("sagemaker", "DescribeModel", "us-east-1")
    assert answer["ResponseMetadata"]["RequestId"] == context.request_id
    assert answer["CreationTime"] == datetime.fromtimestamp(1.5, UTC)
    assert answer["ModelArn"] == MODEL_ARN
    assert "NotModelled" not in answer


def test_lists_that_are_absent_are_answered_empty_and_none_is_left_out() -> None:
    handler = Recorder({"ModelName": "m", "ExecutionRoleArn": None})
    client = client_for("sagemaker", Dispatcher({"sagemaker": {"DescribeModel": handler, "Search": handler}}))
    answer = client.describe_model(ModelName="m")
    assert answer["Containers"] == []
    assert "ExecutionRoleArn" not in answer
    assert client.search(Resource="TrainingJob")["Results"] == []


_METRIC = {"MetricName": "loss", "Timestamp": 1.0, "Value": 0.5}


@pytest.mark.parametrize(
    ("service", "operation", "member", "params"),
    [
        ("sagemaker", "DescribeModel", "Containers", {"ModelName": "m"}),
        ("sagemaker-metrics", "BatchPutMetrics", "Errors", {"TrialComponentName": "t", "MetricData": [_METRIC]}),
        ("iam", "ListRoles", "Roles", {}),
    ],
)
def test_a_list_that_is_said_to_be_none_is_left_out(
    service: str, operation: str, member: str, params: dict[str, Any]
) -> None:
    client = client_for(service, Dispatcher({service: {operation: Recorder({member: None})}}))
    assert member not in client._make_api_call(operation, params)


def test_unknown_members_and_nulls_of_a_request_are_ignored() -> None:
    handler = Recorder()
    body = json.dumps({"ModelName": "m", "Nonsense": [1], "EnableNetworkIsolation": None}).encode()
    answer = post(
        Dispatcher({"sagemaker": {"DescribeModel": handler}}),
        "sagemaker",
        body,
        json_target(b"SageMaker.DescribeModel"),
    )
    assert answer.status == 200
    assert handler.calls[0][1] == {"ModelName": "m"}


def test_timestamps_and_blobs_pass_both_ways() -> None:
    created = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)
    listing = Recorder({"Models": []})
    client_for("sagemaker", Dispatcher({"sagemaker": {"ListModels": listing}})).list_models(CreationTimeAfter=created)
    assert listing.calls[0][1]["CreationTimeAfter"] == pytest.approx(created.timestamp())
    echo = Recorder({"Plaintext": b"\x00\xff"})
    answer = client_for("kms", Dispatcher({"kms": {"Decrypt": echo}})).decrypt(CiphertextBlob=b"\x80blob")
    assert echo.calls[0][1]["CiphertextBlob"] == b"\x80blob"
    assert answer["Plaintext"] == b"\x00\xff"


def test_a_query_service_is_spoken_to_in_forms_and_answers_in_xml() -> None:
    credentials = {"AccessKeyId": "A" * 16, "SecretAccessKey": "s", "SessionToken": "a<&\r>", "Expiration": 1e9}
    handler = Recorder({"Credentials": credentials})
    client = client_for("sts", Dispatcher({"sts": {"AssumeRole": handler}}))
    role = "arn:aws:iam::123456789012:role/r"
    answer = client.assume_role(
        RoleArn=role, RoleSessionName="sess", DurationSeconds=900, Tags=[{"Key": "k", "Value": "v ü+="}], PolicyArns=[]
    )
    assert handler.calls[0][1] == {
        "RoleArn": role,
        "RoleSessionName": "sess",
        "DurationSeconds": 900,
        "Tags": [{"Key": "k", "Value": "v ü+="}],
        "PolicyArns": [],
    }
    assert answer["Credentials"]["SessionToken"] == "a<&\r>"
    assert answer["Credentials"]["Expiration"] == datetime.fromtimestamp(1e9, UTC)


def test_a_query_operation_may_stand_in_the_url() -> None:
    handler = Recorder({"Account": "1"})
    answer = Dispatcher({"sts": {"GetCallerIdentity": handler}}).dispatch(
        request_context("sts"), "GET", b"/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Signature=x", [], b""
    )
    assert answer.status == 200
    assert b"<Account>1</Account>" in bytes(answer.body)  # type: ignore[arg-type]


def test_a_rest_service_takes_members_from_path_query_headers_and_body() -> None:
    get, put, invoke = Recorder(), Recorder(), Recorder({"Body": b"1,2", "ContentType": "text/csv"})
    dispatcher = Dispatcher(
        {
            "sagemaker-featurestore-runtime": {"GetRecord": get, "PutRecord": put},
            "sagemaker-runtime": {"InvokeEndpoint": invoke},
        }
    )
    features = client_for("sagemaker-featurestore-runtime", dispatcher)
    assert (
        features.get_record(FeatureGroupName="fg", RecordIdentifierValueAsString="a b/c", FeatureNames=["x", "y"])[
            "Record"
        ]
        == []
    )
    assert get.calls[0][1] == {
        "FeatureGroupName": "fg",
        "RecordIdentifierValueAsString": "a b/c",
        "FeatureNames": ["x", "y"],
    }
    features.put_record(FeatureGroupName="fg", Record=[{"FeatureName": "a", "ValueAsString": "b"}])
    assert put.calls[0][1]["Record"] == [{"FeatureName": "a", "ValueAsString": "b"}]
    runtime = client_for("sagemaker-runtime", dispatcher)
    answer = runtime.invoke_endpoint(EndpointName="e", Body=b"\x00in", ContentType="text/csv", TargetVariant="v")
    assert answer["Body"].read() == b"1,2"
    assert invoke.calls[0][1] == {
        "EndpointName": "e",
        "Body": b"\x00in",
        "ContentType": "text/csv",
        "TargetVariant": "v",
    }


def test_an_operation_that_is_not_built_says_so_before_it_is_validated() -> None:
    client = client_for("sagemaker", Dispatcher({"sagemaker": {}}))
    with pytest.raises(ClientError) as refused:
        client.create_processing_job()
    assert refused.value.response["Error"]["Code"] == "NotImplementedException"
    assert "CreateProcessingJob" in refused.value.response["Error"]["Message"]
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_an_operation_that_is_not_built_names_the_capability_that_will_bring_it() -> None:
    dispatcher = Dispatcher({"sagemaker": {}}, {"sagemaker": {"CreateApp": "apps"}})
    with pytest.raises(ClientError, match=r"CreateApp \(sagemaker\) is not implemented: it comes with apps\."):
        client_for("sagemaker", dispatcher).create_app(DomainId="d-1", AppType="JupyterLab", AppName="a")


@pytest.mark.parametrize("service", ["athena", "glue", "comprehend", "nonsense-service", "../etc"])
def test_a_service_that_is_not_built_says_so(service: str) -> None:
    answer = post(Dispatcher({}), service, b"{}", json_target(b"AmazonAthena.ListWorkGroups"))
    assert answer.status in (400, 501)
    assert json.loads(answer.body)["__type"] in ("NotImplementedException", "UnknownOperationException")  # type: ignore[arg-type]


@pytest.mark.parametrize("target", [b"SageMaker.Nonsense", b"Other.DescribeModel", b"DescribeModel", b"", b"\xff"])
def test_an_unknown_json_operation_is_refused(target: bytes) -> None:
    answer = post(Dispatcher({}), "sagemaker", b"{}", json_target(target))
    assert answer.status == 400
    assert dict(answer.headers)[b"x-amzn-errortype"] == b"UnknownOperationException"


def test_an_unknown_query_action_and_an_unknown_path_are_refused() -> None:
    form: Headers = [(b"content-type", b"application/x-www-form-urlencoded")]
    answer = post(Dispatcher({}), "sts", b"Action=Nonsense&Version=2011-06-15", form)
    error = ElementTree.fromstring(bytes(answer.body)).find("Error")  # type: ignore[arg-type]
    assert error is not None
    assert (answer.status, error.findtext("Code")) == (400, "InvalidAction")
    assert error.findtext("Message") == "Could not find operation Nonsense for version 2011-06-15"
    assert post(Dispatcher({}), "sagemaker", b"", [], b"/nonsense").status == 404


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"ModelName": 5}', "NUMBER_VALUE can not be converted to a String"),
        (b'{"ModelName": true}', "TRUE_VALUE can not be converted to a String"),
        (b'{"ModelName": []}', "Start of list found where not expected"),
        (b'{"ModelName": {}}', "Start of structure or map found where not expected."),
        (b'{"Containers": "x"}', "Expected list or null"),
        (b'{"PrimaryContainer": {"Environment": {"A": null}}}', "NULL_VALUE can not be converted to a String"),
        (b'{"EnableNetworkIsolation": "true"}', "STRING_VALUE can not be converted to a Boolean"),
        (b'"x"', "Expected null"),
        (b"[]", "Start of list found where not expected"),
        (b"{", "not valid JSON"),
        (b'{"ModelName": "\xff"}', "not valid JSON"),
    ],
)
def test_a_body_that_does_not_fit_is_refused(body: bytes, message: str) -> None:
    answer = post(
        Dispatcher({"sagemaker": {"CreateModel": Recorder()}}), "sagemaker", body, json_target(b"SageMaker.CreateModel")
    )
    assert answer.status == 400
    document = json.loads(answer.body)  # type: ignore[arg-type]
    assert document["__type"] == "SerializationException"
    assert message in document["message"]


def test_an_aws_error_of_a_handler_reaches_the_client_with_its_members() -> None:
    def missing(context: RequestContext, params: Params) -> Params:
        raise ResourceNotFound("Pipeline 'p' does not exist.")

    def model_error(context: RequestContext, params: Params) -> Params:
        raise AwsError("ModelError", "Received server error (500)", 424, {"OriginalStatusCode": 500})

    client = client_for("sagemaker", Dispatcher({"sagemaker": {"DescribePipeline": missing}}))
    with pytest.raises(client.exceptions.ResourceNotFound) as refused:
        client.describe_pipeline(PipelineName="p")
    assert refused.value.response["Error"]["Message"] == "Pipeline 'p' does not exist."
    runtime = client_for("sagemaker-runtime", Dispatcher({"sagemaker-runtime": {"InvokeEndpoint": model_error}}))
    with pytest.raises(runtime.exceptions.ModelError) as failed:
        runtime.invoke_endpoint(EndpointName="e", Body=b"x")
    assert failed.value.response["OriginalStatusCode"] == 500


def test_an_unexpected_exception_is_an_internal_failure_without_details(capfd: pytest.CaptureFixture[str]) -> None:
    def broken(context: RequestContext, params: Params) -> Params:
        raise RuntimeError("the inside")

    with pytest.raises(ClientError) as failed:
        client_for("sagemaker", Dispatcher({"sagemaker": {"DescribeModel": broken}})).describe_model(ModelName="m")
    response = failed.value.response
    assert response["Error"]["Code"] == "InternalFailure"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert "inside" not in str(response)
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert {line["request_id"] for line in lines} == {response["ResponseMetadata"]["RequestId"]}
    assert "the inside" in lines[0]["traceback"]


def test_every_request_is_one_line_of_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    client_for("sagemaker", Dispatcher({"sagemaker": {"DescribeModel": Recorder()}})).describe_model(ModelName="m")
    [line] = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert (line["service"], line["operation"], line["region"], line["status"]) == (
        "sagemaker",
        "DescribeModel",
        "us-east-1",
        200,
    )
    assert line["milliseconds"] >= 0


@pytest.mark.parametrize(
    ("service", "headers", "content_type"),
    [
        ("sagemaker", json_target(b"SageMaker.ListModels"), b"application/x-amz-json-1.1"),
        ("sts", [], b"text/xml"),
        ("", [(b"content-type", b"application/x-www-form-urlencoded; charset=utf-8")], b"text/xml"),
        ("sagemaker", [], b"application/json"),
    ],
)
def test_an_error_without_a_model_speaks_the_request_s_protocol(
    service: str, headers: Headers, content_type: bytes
) -> None:
    answer = error_response(service, b"/", headers, AwsError("Code", "message & more", 403), "id-1")
    assert answer.status == 403
    assert dict(answer.headers)[b"content-type"] == content_type
    assert dict(answer.headers)[b"x-amzn-requestid"] == b"id-1"


def test_threads_that_ask_for_an_operation_first_at_once_all_get_it() -> None:
    dispatcher = Dispatcher({"sagemaker": {"CreateTrainingJob": Recorder(), "Search": Recorder()}})
    search = json.dumps({"Resource": "TrainingJob", "SearchExpression": {"Filters": [{"Name": "a"}]}}).encode()

    def ask(number: int) -> tuple[int, int]:
        bad = post(dispatcher, "sagemaker", b"{}", json_target(b"SageMaker.CreateTrainingJob"))
        return bad.status, post(dispatcher, "sagemaker", search, json_target(b"SageMaker.Search")).status

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(ask, range(64))) == {(400, 200)}


def test_a_handler_of_an_operation_that_no_model_has_is_found_when_it_is_prepared() -> None:
    Dispatcher({"sagemaker": {"DescribeModel": Recorder()}, "sts": {"AssumeRole": Recorder()}}).prepare()
    with pytest.raises(KeyError):
        Dispatcher({"sagemaker": {"DescribeModle": Recorder()}}).prepare()


def test_a_shape_that_contains_itself_is_understood() -> None:
    expression: dict[str, Any] = {"Filters": [{"Name": "Status", "Value": "x"}]}
    for _ in range(5):
        expression = {"SubExpressions": [expression]}
    handler = Recorder()
    client = client_for("sagemaker", Dispatcher({"sagemaker": {"Search": handler}}))
    client.search(Resource="TrainingJob", SearchExpression=expression)
    assert handler.calls[0][1]["SearchExpression"] == expression


def test_a_request_that_is_nested_too_deeply_is_refused() -> None:
    body = b'{"Resource": "TrainingJob", "SearchExpression": ' + b'{"SubExpressions": [' * 490 + b"]}" * 490 + b"}"
    answer = post(
        Dispatcher({"sagemaker": {"Search": Recorder()}}), "sagemaker", body, json_target(b"SageMaker.Search")
    )
    assert answer.status == 400
    assert json.loads(answer.body)["__type"] == "SerializationException"  # type: ignore[arg-type]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = sorted(load_model("sagemaker").shapes["CreateTrainingJobRequest"]["members"])


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=6) | JSON)
def test_no_json_breaks_the_dispatcher(document: Any) -> None:
    body = json.dumps(document).encode()
    answer = post(TRAINING, "sagemaker", body, json_target(b"SageMaker.CreateTrainingJob"))
    assert answer.status in (200, 400)


@given(st.text(max_size=60), st.sampled_from(["sts", "iam"]))
def test_no_form_breaks_the_dispatcher(form: str, service: str) -> None:
    body = b"Action=AssumeRole&Version=2011-06-15&Tags." + form.encode("utf-8", "surrogatepass")
    assert post(TRAINING, service, body, []).status == 400


TRAINING = Dispatcher({"sagemaker": {"CreateTrainingJob": Recorder()}, "sts": {"AssumeRole": Recorder()}, "iam": {}})
