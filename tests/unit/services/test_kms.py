"""KMS, called through botocore's client, on a real store."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from sagesmith.services import kms
from sagesmith.services.base import Home
from sagesmith.services.kms.cipher import InvalidCiphertext, KeyMaterial, key_id_of
from sagesmith.wire.app import Dispatcher
from tests.unit.services.home import home_in
from tests.unit.wire.clients import ACCOUNT, client_for

ARN = f"arn:aws:kms:us-east-1:{ACCOUNT}:"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = home_in(tmp_path)
    yield home
    home.store.close()


@pytest.fixture
def client(home: Home) -> Any:
    return connect(home)


def connect(home: Home, region: str = "us-east-1") -> Any:
    return client_for("kms", Dispatcher({"kms": kms.handlers(home)}), region=region)


def refused(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as error:
        call(**params)
    response = error.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return response["Error"]["Code"], response["Error"]["Message"]


def test_a_key_is_described_by_its_id_its_arn_and_its_alias(client: Any) -> None:
    made = client.create_key(Description="for tests", Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]
    client.create_alias(AliasName="alias/mine", TargetKeyId=made["KeyId"])
    for name in (made["KeyId"], made["Arn"], "alias/mine", f"{ARN}alias/mine"):
        assert client.describe_key(KeyId=name)["KeyMetadata"] == made
    assert made["Arn"] == f"{ARN}key/{made['KeyId']}"
    assert (made["KeyState"], made["Enabled"], made["KeyManager"]) == ("Enabled", True, "CUSTOMER")
    assert not [name for name in made if "Wrapped" in name]


@pytest.mark.parametrize("alias", ["alias/aws/s3", "alias/aws/sagemaker"])
def test_the_services_keys_are_there_from_the_start(client: Any, alias: str) -> None:
    made = client.generate_data_key(KeyId=alias, KeySpec="AES_256")
    assert client.describe_key(KeyId=alias)["KeyMetadata"]["Arn"] == made["KeyId"]
    assert client.describe_key(KeyId=alias)["KeyMetadata"]["KeyManager"] == "AWS"


def test_the_services_keys_are_made_once_however_many_ask(home: Home) -> None:
    clients = [connect(home) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda each: each.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["Arn"], clients))
    assert len(found) == 1


def test_keys_and_aliases_are_listed_page_by_page(client: Any) -> None:
    made = {client.create_key()["KeyMetadata"]["KeyId"] for _ in range(5)}
    pages = list(client.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 3}))
    listed = [key["KeyId"] for page in pages for key in page["Keys"]]
    assert len(pages) == 3
    assert len(listed) == len(set(listed)) == 7
    assert made < set(listed)
    aliases = {alias["AliasName"]: alias for alias in client.list_aliases()["Aliases"]}
    assert set(aliases) == {"alias/aws/s3", "alias/aws/sagemaker"}
    target = aliases["alias/aws/s3"]["TargetKeyId"]
    [only] = client.list_aliases(KeyId=target)["Aliases"]
    assert only["AliasName"] == "alias/aws/s3"


@pytest.mark.parametrize(
    ("size", "length"), [({"KeySpec": "AES_256"}, 32), ({"KeySpec": "AES_128"}, 16), ({"NumberOfBytes": 100}, 100)]
)
def test_a_data_key_comes_back_when_it_is_decrypted_with_its_context(
    client: Any, size: dict[str, Any], length: int
) -> None:
    context = {"aws:s3:arn": "arn:aws:s3:::bucket/key", "b": "ü"}
    made = client.generate_data_key(KeyId="alias/aws/s3", EncryptionContext=context, **size)
    assert len(made["Plaintext"]) == length
    opened = client.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=dict(reversed(context.items())))
    assert opened["Plaintext"] == made["Plaintext"]
    assert opened["KeyId"] == made["KeyId"]
    for other in ({}, {**context, "b": "u"}):
        code, _ = refused(client.decrypt, CiphertextBlob=made["CiphertextBlob"], EncryptionContext=other)
        assert code == "InvalidCiphertextException"


def test_a_data_key_may_be_had_without_its_plaintext(client: Any) -> None:
    made = client.generate_data_key_without_plaintext(KeyId="alias/aws/s3", KeySpec="AES_256")
    assert "Plaintext" not in made
    assert len(client.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"]) == 32


@pytest.mark.parametrize("size", [{}, {"KeySpec": "AES_256", "NumberOfBytes": 32}])
def test_a_data_key_needs_exactly_one_size(client: Any, size: dict[str, Any]) -> None:
    code, message = refused(client.generate_data_key, KeyId="alias/aws/s3", **size)
    assert (code, message) == ("ValidationException", "Please specify either number of bytes or key spec.")


def test_ciphertext_survives_a_restart(home: Home, tmp_path: Path) -> None:
    key = connect(home).create_key()["KeyMetadata"]["KeyId"]
    blob = connect(home).encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"]
    again = home_in(tmp_path)
    assert connect(again).decrypt(CiphertextBlob=blob)["Plaintext"] == b"secret"
    again.store.close()


def test_a_stored_key_is_of_no_use_under_another_master_key(home: Home, tmp_path: Path) -> None:
    blob = connect(home).encrypt(KeyId="alias/aws/s3", Plaintext=b"secret")["CiphertextBlob"]
    (tmp_path / "keys" / "master.key").write_bytes(b"\x00" * 32)
    with pytest.raises(ClientError) as failed:
        connect(home).decrypt(CiphertextBlob=blob)
    assert failed.value.response["Error"]["Code"] == "InternalFailure"


@pytest.mark.parametrize("blob", [b"x", b"\x01" * 100, b"\x02" + b"\x00" * 60])
def test_what_is_no_ciphertext_is_refused(client: Any, blob: bytes) -> None:
    code, _ = refused(client.decrypt, CiphertextBlob=blob)
    assert code in ("InvalidCiphertextException", "NotFoundException")


def test_another_key_than_the_ciphertext_s_is_refused(client: Any) -> None:
    blob = client.encrypt(KeyId="alias/aws/s3", Plaintext=b"x")["CiphertextBlob"]
    code, _ = refused(client.decrypt, CiphertextBlob=blob, KeyId="alias/aws/sagemaker")
    assert code == "IncorrectKeyException"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (UNKNOWN, f"Key '{ARN}key/{UNKNOWN}' does not exist"),
        (f"{ARN}key/{UNKNOWN}", f"Key '{ARN}key/{UNKNOWN}' does not exist"),
        ("alias/none", f"Alias {ARN}alias/none is not found."),
        ("none", "Invalid keyId 'none'"),
        ("arn:aws:s3:::bucket", "Invalid arn arn:aws:s3:::bucket"),
        (f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{UNKNOWN}", "Invalid arn eu-west-1"),
    ],
)
def test_a_key_that_is_not_there_is_not_found(client: Any, name: str, message: str) -> None:
    assert refused(client.describe_key, KeyId=name) == ("NotFoundException", message)


def test_a_region_has_keys_of_its_own(home: Home) -> None:
    here, there = connect(home), connect(home, "eu-west-1")
    made = here.generate_data_key(KeyId="alias/aws/s3", KeySpec="AES_256")
    assert there.describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["Arn"] != made["KeyId"]
    assert refused(there.decrypt, CiphertextBlob=made["CiphertextBlob"])[0] == "NotFoundException"


def test_a_disabled_key_and_one_pending_deletion_do_not_work(client: Any) -> None:
    key = client.create_key()["KeyMetadata"]
    client.disable_key(KeyId=key["KeyId"])
    assert refused(client.encrypt, KeyId=key["KeyId"], Plaintext=b"x") == (
        "DisabledException",
        f"{key['Arn']} is disabled.",
    )
    client.enable_key(KeyId=key["KeyId"])
    answer = client.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    assert (answer["KeyState"], answer["PendingWindowInDays"]) == ("PendingDeletion", 7)
    assert refused(client.encrypt, KeyId=key["KeyId"], Plaintext=b"x") == (
        "KMSInvalidStateException",
        f"{key['Arn']} is pending deletion.",
    )
    client.cancel_key_deletion(KeyId=key["KeyId"])
    assert client.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"


def test_a_key_whose_deletion_is_due_is_gone_with_its_aliases(home: Home, client: Any) -> None:
    key = client.create_key()["KeyMetadata"]["KeyId"]
    client.create_alias(AliasName="alias/mine", TargetKeyId=key)
    client.schedule_key_deletion(KeyId=key)
    with home.store.write() as tx:
        document = tx.get("kms-key", "us-east-1", key)
        assert document is not None
        tx.update(replace(document, body={**document.body, "DeletionDate": 1.0}))
    assert refused(client.describe_key, KeyId=key)[0] == "NotFoundException"
    assert refused(client.describe_key, KeyId="alias/mine")[0] == "NotFoundException"
    assert "alias/mine" not in str(client.list_aliases())


def test_an_aws_managed_key_cannot_be_ended(client: Any) -> None:
    assert refused(client.schedule_key_deletion, KeyId="alias/aws/s3")[0] == "ValidationException"


def test_an_alias_is_made_moved_and_deleted(client: Any) -> None:
    first, second = (client.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
    client.create_alias(AliasName="alias/mine", TargetKeyId=first)
    assert refused(client.create_alias, AliasName="alias/mine", TargetKeyId=second) == (
        "AlreadyExistsException",
        f"An alias with the name {ARN}alias/mine already exists",
    )
    client.update_alias(AliasName="alias/mine", TargetKeyId=second)
    assert client.describe_key(KeyId="alias/mine")["KeyMetadata"]["KeyId"] == second
    assert client.list_aliases(KeyId=second)["Aliases"][0]["AliasName"] == "alias/mine"
    client.delete_alias(AliasName="alias/mine")
    assert refused(client.describe_key, KeyId="alias/mine")[0] == "NotFoundException"


@pytest.mark.parametrize(
    ("name", "code"), [("mine", "ValidationException"), ("alias/aws/mine", "NotAuthorizedException")]
)
def test_an_alias_must_be_named_as_one(client: Any, name: str, code: str) -> None:
    assert refused(client.create_alias, AliasName=name, TargetKeyId=UNKNOWN)[0] == code


@pytest.mark.parametrize(
    "params",
    [
        {"KeySpec": "RSA_2048"},
        {"CustomerMasterKeySpec": "RSA_2048"},
        {"KeyUsage": "SIGN_VERIFY"},
        {"MultiRegion": True},
    ],
)
def test_a_kind_of_key_that_is_not_built_says_so(client: Any, params: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as error:
        client.create_key(**params)
    assert error.value.response["Error"]["Code"] == "NotImplementedException"


def test_a_dry_run_changes_nothing(client: Any) -> None:
    code, _ = refused(client.encrypt, KeyId="alias/aws/s3", Plaintext=b"x", DryRun=True)
    assert code == "DryRunOperationException"


@given(st.binary(max_size=100), st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3), st.data())
def test_a_blob_with_one_bit_changed_is_refused(plaintext: bytes, context: dict[str, str], data: st.DataObject) -> None:
    material = KeyMaterial(b"k" * 32)
    blob = material.encrypt(UNKNOWN, plaintext, context)
    assert material.decrypt(blob, context) == plaintext
    assert key_id_of(blob) == UNKNOWN
    bit = data.draw(st.integers(0, len(blob) * 8 - 1))
    changed = bytearray(blob)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidCiphertext):
        material.decrypt(bytes(changed), context)
