"""How resources are named and found, and which of them need which."""

from dataclasses import replace

from sagesmith.services.sagemaker.engine import DOES_NOT_EXIST, Call, Kind, contains, new_id
from sagesmith.store import Query
from sagesmith.wire.context import Params
from tests.unit.services.sagemaker.answers import checked, declare, listed, refused
from tests.unit.services.sagemaker.small_kinds import experiments
from tests.unit.services.sagemaker.world import REGION, ROLE, World, context

ARN = "arn:aws:sagemaker:us-east-1:123456789012"


def image_versions() -> tuple[Kind, Kind]:
    """Images, whose versions are numbered and go with them."""

    def number(call: Call, params: Params) -> Params:
        parent = image.find(call.tx, call.context, params["ImageName"])
        count = parent.body.get("_versions", 0) + 1
        call.tx.update(replace(parent, body={**parent.body, "_versions": count}), touch=False)
        return {"Version": count, "ImageArn": parent.arn}

    image = Kind(noun="Image", rests_as="CREATED", missing=DOES_NOT_EXIST)
    version = Kind(
        noun="ImageVersion",
        identity=("ImageName", "Version"),
        parent=image,
        parent_members=("ImageName",),
        cascades=True,
        initial=number,
        rests_as="CREATED",
        sorts={"VERSION": "created_at"},
    )
    return image, version


def test_a_key_and_an_arn_are_made_of_several_values_also_of_those_that_create_makes(world: World) -> None:
    image, version = image_versions()
    declare(world, image, version)
    checked(world, "CreateImage", ImageName="Base", RoleArn=ROLE)
    for number in (1, 2):
        made = checked(world, "CreateImageVersion", ImageName="base", BaseImage="i", ClientToken=f"t{number}")
        assert made == {"ImageVersionArn": f"{ARN}:image-version/base/{number}"}
    (first, second) = checked(world, "ListImageVersions", ImageName="BASE", SortOrder="ASCENDING")["ImageVersions"]
    assert (first["Version"], second["Version"]) == (1, 2)
    assert first["ImageArn"] == f"{ARN}:image/base"
    assert world.stored("image-version", "base/1").body["ImageName"] == "Base"


def test_where_list_can_say_so_the_parent_must_exist(world: World) -> None:
    declare(world, *image_versions())
    error = refused(world, "ListImageVersions", ImageName="none")
    assert (error.code, error.message) == ("ResourceNotFound", f"Image '{ARN}:image/none' does not exist.")


def test_children_that_cascade_go_with_their_parent(world: World) -> None:
    declare(world, *image_versions())
    for name in ("a", "b"):
        checked(world, "CreateImage", ImageName=name, RoleArn=ROLE)
        checked(world, "CreateImageVersion", ImageName=name, BaseImage="i", ClientToken=f"t{name}")
    world.call("DeleteImage", ImageName="a")
    with world.store.read() as tx:
        assert [each.parent for each in tx.list(Query("image-version", REGION)).documents] == ["b"]


def test_an_arn_may_have_a_form_of_its_own_and_be_tagged_by_it(world: World) -> None:
    fleet = Kind(noun="DeviceFleet")
    device = Kind(
        noun="Device",
        identity=("DeviceFleetName", "DeviceName"),
        arn_form="device-fleet/{}/device/{}",
        parent=fleet,
        filters={"LatestHeartbeatAfter": contains("_"), "ModelName": "_model"},
    )
    declare(world, fleet, device)
    checked(world, "CreateDeviceFleet", DeviceFleetName="F", OutputConfig={"S3OutputLocation": "s3://a"})
    assert device.arn(context("RegisterDevices"), "F", "D") == f"{ARN}:device-fleet/f/device/d"
    assert device.key_in(f"{ARN}:device-fleet/F/device/D") == "f/d"
    assert device.key_in(f"{ARN}:device-fleet/F") is None
    world.call("AddTags", ResourceArn=f"{ARN}:device-fleet/f", Tags=[{"Key": "a", "Value": "b"}])
    assert refused(world, "ListTags", ResourceArn=f"{ARN}:device-fleet/f/device/d").message == (
        f'Could not find device "{ARN}:device-fleet/f/device/d".'
    )


def test_an_arn_may_keep_the_case_of_its_names_which_are_the_same_all_the_same(world: World) -> None:
    hub = Kind(noun="Hub", keeps_case=True, sorts={"AccountIdOwner": "name"}, rests_as="InService")
    declare(world, hub)
    made = checked(world, "CreateHub", HubName="MyHub", HubDescription="d")
    assert made == {"HubArn": f"{ARN}:hub/MyHub"}
    for name in ("myhub", f"{ARN}:hub/MyHub", f"{ARN}:hub/myhub"):
        assert checked(world, "DescribeHub", HubName=name)["HubArn"] == made["HubArn"]
    assert refused(world, "CreateHub", HubName="MYHUB", HubDescription="d").code == "ValidationException"


def test_a_kind_may_be_known_by_an_id_that_nobody_chooses(world: World) -> None:
    app = Kind(
        noun="PartnerApp",
        identity=("_id",),
        keeps_case=True,
        initial=lambda call, params: {"_id": f"app-{new_id().upper()}", "Version": "1"},
    )
    declare(world, app)
    given = {"Name": "n", "Type": "comet", "ExecutionRoleArn": ROLE, "Tier": "small", "AuthType": "IAM"}
    arns = [checked(world, "CreatePartnerApp", **given)["Arn"] for _ in range(2)]
    assert arns[0] != arns[1]
    assert checked(world, "DescribePartnerApp", Arn=arns[1])["Arn"] == arns[1]
    assert checked(world, "DeletePartnerApp", Arn=arns[1]) == {"Arn": arns[1]}
    assert refused(world, "DescribePartnerApp", Arn=arns[1]).message == f'Could not find partner app "{arns[1]}".'


def test_a_child_with_a_name_of_its_own_belongs_to_its_parent(world: World) -> None:
    declare(world, *experiments())
    checked(world, "CreateExperiment", ExperimentName="E")
    assert refused(world, "CreateTrial", TrialName="t", ExperimentName="x").message == (
        f"Experiment '{ARN}:experiment/x' does not exist."
    )
    assert checked(world, "CreateTrial", TrialName="t", ExperimentName="e")["TrialArn"] == f"{ARN}:experiment-trial/t"
    assert checked(world, "DescribeTrial", TrialName="t")["ExperimentName"] == "E"
    assert listed(world, "ListTrials", "TrialSummaries", "TrialName", ExperimentName="e") == ["t"]
    assert refused(world, "DeleteExperiment", ExperimentName="E").message == (
        f"Unable to delete Experiment [{ARN}:experiment/e] because Trial(s) are associated with it."
    )


def test_a_list_selects_what_has_a_value_among_several(world: World) -> None:
    declare(world, *experiments())
    checked(world, "CreateExperiment", ExperimentName="e")
    for name in ("t1", "t2"):
        checked(world, "CreateTrial", TrialName=name, ExperimentName="e")
    assert listed(world, "ListTrials", "TrialSummaries", "TrialName", TrialComponentName="t1") == ["t1"]
    assert len(checked(world, "ListTrials", TrialComponentName="c1")["TrialSummaries"]) == 2


def test_a_kind_of_search_is_stored_so_that_search_finds_it(world: World) -> None:
    declare(world, *experiments())
    checked(world, "CreateExperiment", ExperimentName="e")
    checked(world, "CreateTrial", TrialName="t", ExperimentName="e")
    assert world.stored("experiment-trial", "t").searchable
    assert not world.stored("experiment", "e").searchable


def test_what_another_holds_in_place_can_be_deleted_when_it_is_let_go(world: World) -> None:
    config = Kind(noun="StudioLifecycleConfig", filters={"AppTypeEquals": "StudioLifecycleConfigAppType"})
    path = "KernelGatewayImageConfig.KernelSpecs[].Name"
    holder = Kind(noun="AppImageConfig", refers={path: config}, holds={path: config})
    declare(world, config, holder)
    for name in ("c1", "c2"):
        content = {"StudioLifecycleConfigContent": "eA==", "StudioLifecycleConfigAppType": "JupyterServer"}
        checked(world, "CreateStudioLifecycleConfig", StudioLifecycleConfigName=name, **content)

    def kernels(*names: str) -> Params:
        return {"AppImageConfigName": "a", "KernelGatewayImageConfig": {"KernelSpecs": [{"Name": n} for n in names]}}

    assert "c3" in refused(world, "CreateAppImageConfig", **kernels("c1", "c3")).message
    checked(world, "CreateAppImageConfig", **kernels("c1", f"{ARN}:studio-lifecycle-config/c2"))
    for name in ("c1", "c2"):
        error = refused(world, "DeleteStudioLifecycleConfig", StudioLifecycleConfigName=name)
        assert "AppImageConfig(s) are associated" in error.message
    assert "c3" in refused(world, "UpdateAppImageConfig", **kernels("c3")).message
    checked(world, "UpdateAppImageConfig", **kernels("c2"))
    world.call("DeleteStudioLifecycleConfig", StudioLifecycleConfigName="c1")
    world.call("DeleteAppImageConfig", AppImageConfigName="a")
    world.call("DeleteStudioLifecycleConfig", StudioLifecycleConfigName="c2")
