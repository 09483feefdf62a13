"""Hubs and reviews by people as both SDKs see them, and the URLs that the platform presigns for them."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.integration import programs
from tests.integration.conftest import Running
from tests.integration.programs import Seen

ROLE = "arn:aws:iam::123456789012:role/Reviewer"
BUCKET = "presigned-artifacts"


@pytest.fixture(scope="module")
def artifacts(platform: Running) -> Running:
    """A platform with two objects below a prefix, and one beside it."""
    s3 = platform.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for key, content in {"model/a b.txt": b"one", "model/sub/c+d.txt": b"two", "other.txt": b"three"}.items():
        s3.put_object(Bucket=BUCKET, Key=key, Body=content)
    return platform


def fetched(url: str) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=30) as response:
        return bytes(response.read())


def imported(platform: Running, name: str, document: dict[str, Any]) -> dict[str, str]:
    """A content of a hub of its own, as other requests name it."""
    sagemaker = platform.client("sagemaker")
    sagemaker.create_hub(HubName=name, HubDescription="d")
    names = {"HubName": name, "HubContentType": "Model", "HubContentName": "m"}
    sagemaker.import_hub_content(
        **names, DocumentSchemaVersion="2.0.0", HubContentDocument=json.dumps(document), HubContentVersion="1.0.0"
    )
    return names


def test_artifacts_of_a_hub_content_are_read_by_presigned_urls(artifacts: Running) -> None:
    document = {"HostingArtifactUri": f"s3://{BUCKET}/other.txt", "Prepacked": [{"Uri": f"s3://{BUCKET}/model/"}]}
    names = imported(artifacts, "presigned", document)
    pages = artifacts.client("sagemaker").get_paginator("create_hub_content_presigned_urls")
    urls = pages.paginate(**names, PaginationConfig={"PageSize": 2}).search("AuthorizedUrlConfigs[]")
    assert {each["LocalPath"]: fetched(each["Url"]) for each in urls} == {
        "/model/a b.txt": b"one",
        "/model/sub/c+d.txt": b"two",
        "/other.txt": b"three",
    }


def test_artifacts_in_a_bucket_that_is_not_there_cannot_be_listed(artifacts: Running) -> None:
    names = imported(artifacts, "nowhere", {"Uri": "s3://there-is-no-such-bucket/model/"})
    sagemaker = artifacts.client("sagemaker")
    with pytest.raises(sagemaker.exceptions.ClientError) as raised:
        sagemaker.create_hub_content_presigned_urls(**names)
    error = raised.value.response["Error"]
    assert (error["Code"], "NoSuchBucket" in error["Message"]) == ("ValidationException", True)


def test_a_page_reads_its_object_and_its_url_no_other(artifacts: Running) -> None:
    answer = artifacts.client("sagemaker").render_ui_template(
        UiTemplate={"Content": "{{ task.input.image | grant_read_access | skip_autoescape }}"},
        Task={"Input": json.dumps({"image": f"s3://{BUCKET}/model/a b.txt"})},
        RoleArn=ROLE,
    )
    assert answer["Errors"] == []
    assert fetched(answer["RenderedContent"]) == b"one"
    with pytest.raises(urllib.error.HTTPError) as raised:
        fetched(answer["RenderedContent"].replace("model/a%20b.txt", "other.txt"))
    assert raised.value.code == 403


@pytest.fixture(scope="module")
def v2(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v2", "hubs_v2.py", tmp_path_factory.mktemp("hubs-v2"))


@pytest.fixture(scope="module")
def v3(platform: Running, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return programs.run(platform, "sdk-v3", "hubs_v3.py", tmp_path_factory.mktemp("hubs-v3"))


@pytest.mark.sdk
def test_v2_lists_the_latest_models_of_a_hub_and_chooses_versions(v2: Seen) -> None:
    assert v2["a_hub_with_models"] == {
        "described": [True, "InService", ["keyword"]],
        "models": [["bert", "1.10.0"]],
        "latest": "1.10.0",
        "chosen": "1.9.0",
    }


@pytest.mark.sdk
def test_v2_is_told_what_is_not_there(v2: Seen) -> None:
    seen = v2["a_reference_to_a_model_that_is_not_there"]
    assert "(ResourceNotFound)" in seen["reference"]["words"]
    assert "(ResourceNotFound)" in seen["versions"]["words"]
    ends = v2["a_hub_that_is_deleted"]
    assert (ends["early"]["error"], ends["gone"]["error"]) == ("ResourceInUse", "ResourceNotFound")


@pytest.mark.sdk
def test_v3_changes_a_hub_and_its_content(v3: Seen) -> None:
    seen = v3["a_hub_and_its_content"]
    assert (seen["shown"], seen["found"], seen["public"]) == ("shown", [True], "InService")
    assert seen["content"] == ["1.0.0", "Available", "Deprecated"]
    assert seen["gone"]["error"] == "ResourceNotFound"


@pytest.mark.sdk
def test_v3_keeps_datasets_in_its_registry(v3: Seen) -> None:
    assert v3["a_dataset_in_the_registry"] == {
        "listed": [["1.1.0", ["team:red"]]],
        "versions": ["1.0.0", "1.1.0"],
        "left": [],
    }


@pytest.mark.sdk
def test_v3_sets_up_a_review_by_people(v3: Seen) -> None:
    seen = v3["a_review_by_people"]
    assert (seen["workforces"], seen["flow"], seen["page"]) == (["Active"], 3600, ["Active", 64])
    assert seen["early"]["error"] == "ResourceInUse"
