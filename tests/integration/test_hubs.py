"""URLs that the platform presigns: whoever has one reads the object, and nothing else."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.integration.conftest import Running

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
