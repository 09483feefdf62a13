"""STS, called through botocore's client."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagesmith.credentials import KeyRing, Principal
from sagesmith.services import sts
from sagesmith.wire.app import Dispatcher
from tests.unit.services.home import home_in
from tests.unit.wire.clients import ACCOUNT, client_for

ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/Trainer"
Connect = Callable[..., Any]


@pytest.fixture
def keyring(tmp_path: Path) -> KeyRing:
    return KeyRing.create(tmp_path / "keys", ACCOUNT, None, None)


@pytest.fixture
def connect(tmp_path: Path, keyring: KeyRing) -> Iterator[Connect]:
    home = home_in(tmp_path)
    dispatcher = Dispatcher({"sts": sts.handlers(home)})
    root, _ = keyring.find(keyring.root.access_key_id, None)

    def connect(principal: Principal = root) -> Any:
        return client_for("sts", dispatcher, principal=principal)

    yield connect
    home.store.close()


def refused(call: Callable[..., Any], **params: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as error:
        call(**params)
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


def test_the_caller_is_an_assumed_role(connect: Connect) -> None:
    identity = connect().get_caller_identity()
    assert identity["Account"] == ACCOUNT
    assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/SageMakerExecutionRole/sagesmith"
    assert identity["UserId"].endswith(":sagesmith")


def test_an_assumed_role_s_credentials_prove_the_session(connect: Connect, keyring: KeyRing) -> None:
    answer = connect().assume_role(RoleArn=ROLE, RoleSessionName="night-run", DurationSeconds=900)
    made = answer["Credentials"]
    assert 890 < made["Expiration"].timestamp() - time.time() <= 900
    session, secret = keyring.find(made["AccessKeyId"], made["SessionToken"])
    assert secret == made["SecretAccessKey"]
    assert session.arn == answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Trainer/night-run"
    assert answer["AssumedRoleUser"]["AssumedRoleId"] == session.user_id
    assert connect(session).get_caller_identity()["Arn"] == session.arn


def test_what_a_job_assumes_is_still_that_job_s(connect: Connect, keyring: KeyRing) -> None:
    job = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:training-job/j"
    minted = keyring.mint(ROLE, "SageMaker", 3600, job)
    principal, _ = keyring.find(minted.access_key_id, minted.session_token)
    made = connect(principal).assume_role(RoleArn=ROLE, RoleSessionName="other")["Credentials"]
    assert keyring.find(made["AccessKeyId"], made["SessionToken"])[0].job_arn == job


def test_chained_roles_live_an_hour_at_most(connect: Connect, keyring: KeyRing) -> None:
    minted = keyring.mint(ROLE, "first", 3600)
    principal, _ = keyring.find(minted.access_key_id, minted.session_token)
    code, status, message = refused(
        connect(principal).assume_role, RoleArn=ROLE, RoleSessionName="second", DurationSeconds=3601
    )
    assert (code, status) == ("ValidationError", 400)
    assert "1 hour session limit for roles assumed by role chaining" in message


def test_another_account_s_role_is_denied(connect: Connect) -> None:
    other = "arn:aws:iam::210987654321:role/r"
    code, status, message = refused(connect().assume_role, RoleArn=other, RoleSessionName="sess")
    assert (code, status) == ("AccessDenied", 403)
    assert message.endswith(f"is not authorized to perform: sts:AssumeRole on resource: {other}")


@pytest.mark.parametrize("arn", [f"arn:aws:iam::{ACCOUNT}:user/somebody", "arn:aws:s3:::a-bucket-of-mine"])
def test_an_arn_that_is_no_role_s_is_refused(connect: Connect, arn: str) -> None:
    assert refused(connect().assume_role, RoleArn=arn, RoleSessionName="sess") == (
        "ValidationError",
        400,
        f"{arn} is invalid",
    )


def test_a_session_policy_is_refused_rather_than_ignored(connect: Connect) -> None:
    code, status, _ = refused(connect().assume_role, RoleArn=ROLE, RoleSessionName="sess", Policy="{}")
    assert (code, status) == ("NotImplementedException", 501)


def test_a_device_that_does_not_exist_is_refused(connect: Connect) -> None:
    device = {"SerialNumber": "arn:aws:iam::123456789012:mfa/me", "TokenCode": "123456"}
    assert refused(connect().assume_role, RoleArn=ROLE, RoleSessionName="sess", **device) == (
        "AccessDenied",
        403,
        "MultiFactorAuthentication failed with invalid MFA one time pass code.",
    )


@pytest.mark.parametrize("seconds", [899, 43201])
def test_a_duration_out_of_range_is_refused(connect: Connect, seconds: int) -> None:
    code, _, message = refused(connect().assume_role, RoleArn=ROLE, RoleSessionName="sess", DurationSeconds=seconds)
    assert code == "ValidationError"
    assert f"Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: Member must have value" in message


def test_a_session_token_keeps_the_caller_s_identity(connect: Connect, keyring: KeyRing) -> None:
    made = connect().get_session_token()["Credentials"]
    principal, _ = keyring.find(made["AccessKeyId"], made["SessionToken"])
    assert principal.arn == connect().get_caller_identity()["Arn"]
    assert refused(connect(principal).get_session_token)[:2] == ("AccessDenied", 403)
