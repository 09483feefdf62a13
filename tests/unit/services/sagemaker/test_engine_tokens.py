"""Client tokens: the same request twice is one."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from sagesmith.platform import retention
from sagesmith.services.sagemaker.engine.idempotency import KEPT_SECONDS
from sagesmith.store import Document, Query
from sagesmith.wire.errors import AwsError
from tests.unit.services.sagemaker.answers import checked, declare, refused
from tests.unit.services.sagemaker.small_kinds import create_pipeline, long, pipelines
from tests.unit.services.sagemaker.world import REGION, ROLE, World

ARN = "arn:aws:sagemaker:us-east-1:123456789012"


def test_the_same_token_twice_makes_one_resource(world: World) -> None:
    declare(world, pipelines())
    first = create_pipeline(world, "p", "token")
    assert create_pipeline(world, "p", "token") == first
    assert (
        refused(world, "CreatePipeline", PipelineName="p", ClientRequestToken=long("another"), RoleArn=ROLE).code
        == "ResourceInUse"
    )
    assert len(checked(world, "ListPipelines")["PipelineSummaries"]) == 1


def test_a_token_is_for_one_request_only(world: World) -> None:
    declare(world, pipelines())
    create_pipeline(world, "p", "token")
    with pytest.raises(AwsError, match="other parameters") as conflict:
        create_pipeline(world, "q", "token")
    assert conflict.value.code == "ConflictException"
    assert len(checked(world, "ListPipelines")["PipelineSummaries"]) == 1
    world.call("DeletePipeline", PipelineName="p", ClientRequestToken=long("token"))
    assert world.call("DeletePipeline", PipelineName="p", ClientRequestToken=long("token")) == {
        "PipelineArn": f"{ARN}:pipeline/p"
    }


def test_a_request_that_failed_does_not_use_its_token_up(world: World) -> None:
    declare(world, pipelines())
    create_pipeline(world, "p", "first")
    with pytest.raises(AwsError, match="already exists"):
        create_pipeline(world, "p", "second")
    world.call("DeletePipeline", PipelineName="p", ClientRequestToken=long("third"))
    create_pipeline(world, "p", "second")


def test_a_token_is_forgotten_after_a_day(world: World) -> None:
    declare(world, pipelines())
    now = time.time()
    with world.store.write() as tx:
        for number in range(250):
            old = Document("client-token", REGION, f"CreatePipeline/{number}", "", "", {})
            tx.create(replace(old, created_at=now - KEPT_SECONDS - 60))
    create_pipeline(world, "p", "new")
    retention.keep(world.platform, world.store)
    with world.store.read() as tx:
        left = [each.key for each in tx.list(Query("client-token", REGION, limit=1000)).documents]
    assert left == [f"CreatePipeline/{long('new')}"]


def test_of_many_with_one_token_at_once_all_are_answered_the_same(world: World) -> None:
    declare(world, pipelines())
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: create_pipeline(world, "p", "token"), range(32)))
    assert answers == [{"PipelineArn": f"{ARN}:pipeline/p"}] * 32
