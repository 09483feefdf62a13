import pytest

from sagesmith.objects.errors import ObjectStoreFailed
from sagesmith.objects.external import ExternalStore

SETTINGS = {
    "SAGESMITH_S3_ENDPOINT": "http://s3",
    "SAGESMITH_S3_ACCESS_KEY_ID": "key",
    "SAGESMITH_S3_SECRET_ACCESS_KEY": "secret",
}


def test_an_external_store_needs_all_its_settings() -> None:
    assert ExternalStore.from_environment({}) is None
    with pytest.raises(ObjectStoreFailed, match="SAGESMITH_S3_SECRET_ACCESS_KEY"):
        ExternalStore.from_environment({"SAGESMITH_S3_ENDPOINT": "http://s3:9000", "SAGESMITH_S3_ACCESS_KEY_ID": "key"})


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("http://s3:9000/", "http://s3:9000"),
        ("http://s3", "http://s3:80"),
        ("https://s3.example", "https://s3.example:443"),
        ("https://[::1]:9000", "https://[::1]:9000"),
    ],
)
def test_an_external_store_is_named_with_its_port(endpoint: str, address: str) -> None:
    external = ExternalStore.from_environment({**SETTINGS, "SAGESMITH_S3_ENDPOINT": endpoint})
    assert external is not None
    assert external.endpoint == address


@pytest.mark.parametrize(
    "endpoint", ["s3:9000", "ftp://s3", "http://", "http://s3/bucket", "https://user:word@s3", "http://s3:port"]
)
def test_what_is_no_endpoint_is_refused_without_being_quoted(endpoint: str) -> None:
    with pytest.raises(ObjectStoreFailed, match=r"must be http\(s\)://HOST") as raised:
        ExternalStore.from_environment({**SETTINGS, "SAGESMITH_S3_ENDPOINT": endpoint})
    assert "word" not in str(raised.value)


def test_an_external_store_takes_keys_for_encryption_from_itself_or_from_nowhere() -> None:
    found = [ExternalStore.from_environment({**SETTINGS, "SAGESMITH_S3_KMS": value}) for value in ("", "none")]
    assert [each.kms for each in found if each] == ["store", "none"]
    with pytest.raises(ObjectStoreFailed, match="SAGESMITH_S3_KMS"):
        ExternalStore.from_environment({**SETTINGS, "SAGESMITH_S3_KMS": "platform"})
