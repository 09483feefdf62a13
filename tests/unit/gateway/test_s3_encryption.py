import pytest

from sagesmith.config import StoreKms
from sagesmith.gateway.s3 import _adapt_encryption
from sagesmith.gateway.s3_errors import S3Error
from sagesmith.http.messages import Headers

ALGORITHM, KEY = b"x-amz-server-side-encryption", b"x-amz-server-side-encryption-aws-kms-key-id"
AES: Headers = [(ALGORITHM, b"AES256")]
KMS: Headers = [(ALGORITHM, b"aws:kms")]
NAMED: Headers = [*KMS, (KEY, b"alias/mine")]


@pytest.mark.parametrize(
    ("kms", "sent", "expected"),
    [
        ("platform", KMS, [*KMS, (KEY, b"alias/aws/s3")]),
        ("platform", NAMED, NAMED),
        ("platform", AES, AES),
        ("store", KMS, KMS),
        ("store", NAMED, NAMED),
        ("none", KMS, []),
        ("none", AES, AES),
        ("none", [], []),
    ],
)
def test_the_store_is_asked_for_the_encryption_that_it_can_do(kms: StoreKms, sent: Headers, expected: Headers) -> None:
    headers = list(sent)
    _adapt_encryption(headers, kms)
    assert headers == expected


def test_a_key_is_refused_where_nothing_would_encrypt_with_it() -> None:
    with pytest.raises(S3Error, match="without a KMS") as refused:
        _adapt_encryption(list(NAMED), "none")
    assert refused.value.code == "NotImplemented"
