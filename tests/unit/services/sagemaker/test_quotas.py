"""Quotas: none by default, and AWS's words where one is reached."""

from dataclasses import replace

import pytest

from sagesmith.config import parse_quotas
from sagesmith.services.sagemaker import handlers
from sagesmith.wire.errors import ResourceLimitExceeded
from tests.unit.services.sagemaker.world import World, model, training_job


def limit(world: World, **quotas: int) -> None:
    """Have the platform's settings say so."""
    world.home = replace(world.home, platform=replace(world.platform, quotas=quotas))
    world.operations = handlers(world.home)


def test_one_more_than_the_quota_is_refused_in_awss_words(world: World) -> None:
    limit(world, Model=2)
    world.call("CreateModel", **model("a"))
    world.call("CreateModel", **model("b"))
    with pytest.raises(ResourceLimitExceeded) as refused:
        world.call("CreateModel", **model("c"))
    assert refused.value.message.startswith(
        "The account-level service limit 'Number of models' is 2 models, with current utilization of 2 models and a "
        "request delta of 1 models."
    )
    assert len(world.call("ListModels")["Models"]) == 2


def test_what_is_deleted_makes_room(world: World) -> None:
    limit(world, Model=1)
    world.call("CreateModel", **model("a"))
    world.call("DeleteModel", ModelName="a")
    world.call("CreateModel", **model("b"))


def test_a_quota_of_none_forbids_and_that_of_another_kind_does_not(world: World) -> None:
    limit(world, Model=0)
    with pytest.raises(ResourceLimitExceeded, match="is 0 models"):
        world.call("CreateModel", **model("a"))
    world.call("CreateExperiment", ExperimentName="e")


def test_a_limit_that_awss_reference_names_holds_unless_the_settings_say_another(world: World) -> None:
    pool = {"UserPool": "us-east-1_a", "ClientId": "a", "UserGroup": "a"}

    def team(number: int) -> None:
        members = [{"CognitoMemberDefinition": pool}]
        world.call("CreateWorkteam", WorkteamName=f"t{number}", Description="d", MemberDefinitions=members)

    for number in range(25):
        team(number)
    with pytest.raises(ResourceLimitExceeded, match="'Number of work teams' is 25 work teams"):
        team(25)
    limit(world, Workteam=26)
    team(25)


def test_each_region_has_its_own(world: World) -> None:
    limit(world, Model=1)
    world.call("CreateModel", **model("a"))
    world.call("CreateModel", region="eu-west-1", **model("a"))


def test_jobs_that_are_over_do_not_count(world: World) -> None:
    limit(world, TrainingJob=1)
    world.call("CreateTrainingJob", **training_job("a"))
    with pytest.raises(ResourceLimitExceeded, match="Number of training jobs"):
        world.call("CreateTrainingJob", **training_job("b"))
    world.turn()
    world.backend.only().say("Completed")
    world.until(lambda: world.stored("training-job", "a").status == "Completed")
    world.call("CreateTrainingJob", **training_job("b"))


def test_the_same_request_again_is_no_second_resource(world: World) -> None:
    limit(world, ModelPackage=1)
    world.call("CreateModelPackageGroup", ModelPackageGroupName="g")
    specification = {
        "Containers": [{"Image": model("m")["PrimaryContainer"]["Image"]}],
        "SupportedContentTypes": ["a/b"],
    }
    request = {"ModelPackageGroupName": "g", "InferenceSpecification": specification, "ClientToken": "t"}
    assert world.call("CreateModelPackage", **request) == world.call("CreateModelPackage", **request)


def test_the_setting_is_a_list_of_kinds_and_numbers() -> None:
    assert parse_quotas(" Model=1000, Endpoint = 5,") == {"Model": 1000, "Endpoint": 5}
    assert parse_quotas("") == {}


@pytest.mark.parametrize("text", ["Model", "Model=", "Model=-1", "Model=1.5", "=Model"])
def test_a_setting_that_is_no_such_list_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is not a limit"):
        parse_quotas(text)
