"""The platform on a Ray cluster: of two nodes on this machine, and of its own."""

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.integration import jobs, serial
from tests.integration.conftest import Running, sagesmith, start
from tests.integration.ray_cluster import RayCluster, agents, ray_cluster
from tests.integration.test_backends import assert_completed_with_its_log, gated_job, processes, train_and_predict

MEETING = """
import os, socket, time
here = socket.gethostname()
there = {"algo-1": "algo-2", "algo-2": "algo-1"}[here]
with socket.create_server(("", 7000)) as listener:
    while True:
        try:
            said = socket.create_connection((there, 7000))
            break
        except OSError:
            time.sleep(0.05)
    said.sendall(here.encode())
    heard, _ = listener.accept()
    print(here, "hears", heard.recv(64).decode())
    said.close()
"""


SPREAD = """
import hashlib, json, os, socket, threading, time
hosts = json.load(open("/opt/ml/input/config/resourceconfig.json"))["hosts"]
own = os.environ["CURRENT_HOST"]
others = [each for each in hosts if each != own]
body = own.encode() * 500_000
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("", 7001))
def tell(other):
    while True:
        try:
            with socket.create_connection((other, 7000)) as connection:
                connection.sendall(body)
                return
        except OSError:
            time.sleep(0.05)
with socket.create_server(("", 7000)) as listener:
    telling = [threading.Thread(target=tell, args=(each,)) for each in others]
    for each in telling:
        each.start()
    for _ in others:
        connection, peer = listener.accept()
        heard = b"".join(iter(lambda: connection.recv(1 << 20), b""))
        name = heard[:6].decode()
        assert heard == name.encode() * 500_000 and peer[0] == socket.gethostbyname(name)
        datagrams.sendto(bytes(60_000), (name, 7001))
        print(own, "hears", name, flush=True)
    assert len(datagrams.recv(1 << 16)) == 60_000
    for each in telling:
        each.join()
"""


ONCE_FOR_EVER = """
import boto3, time
s3 = boto3.client("s3")
if s3.list_objects_v2(Bucket="{bucket}", Prefix="{key}")["KeyCount"]:
    print("second", flush=True)
else:
    s3.put_object(Bucket="{bucket}", Key="{key}")
    print("first", flush=True)
    time.sleep(100000)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    with ray_cluster(2, 2) as running:
        yield running


@pytest.fixture(scope="module")
def on_ray(cluster: RayCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A platform on a cluster of two nodes."""
    data = tmp_path_factory.mktemp("on-ray") / "data"
    yield start(data, environ=cluster.settings())
    ended = sagesmith("down", "--data", str(data))
    assert ended.returncode == 0, ended.stderr


def test_a_platform_on_ray_trains_and_predicts(on_ray: Running) -> None:
    train_and_predict(on_ray)


def test_a_job_on_ray_outlives_the_api_process_and_the_driver(on_ray: Running) -> None:
    job, gate = gated_job(on_ray)
    for name in ("api", "ray-driver"):
        (killed,) = processes(on_ray, name)
        os.kill(killed, signal.SIGKILL)
    jobs.upload(on_ray, gate, b"go")
    assert_completed_with_its_log(on_ray, job)
    assert len(agents(on_ray, job)) == 0


def test_a_job_on_ray_can_be_stopped_and_keeps_what_it_has(on_ray: Running) -> None:
    job = jobs.shell_job(on_ray, "trap 'echo saved > /opt/ml/model/m; exit 0' TERM; echo on; sleep 1000 & wait")
    wait_for_line(on_ray, job, "on")
    on_ray.client("sagemaker").stop_training_job(TrainingJobName=job)
    described = jobs.wait_job(on_ray, job)
    assert described["TrainingJobStatus"] == "Stopped"
    assert described["ModelArtifacts"]["S3ModelArtifacts"].endswith("/output/model.tar.gz")


def test_the_hosts_of_a_job_are_on_nodes_of_their_own_and_reach_each_other_by_name(on_ray: Running) -> None:
    job = jobs.script_job(on_ray, MEETING, ResourceConfig=resources("ml.m5.large", 2))
    first, second = wait_for_agents(on_ray, job, 2)
    raylets = {each.parent().parent().pid for each in (first, second)}  # type: ignore[union-attr]
    assert len(raylets) == 2
    described = jobs.wait_job(on_ray, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert sorted(line for line in jobs.job_log(on_ray, job) if line.startswith("algo-")) == [
        "algo-1 hears algo-2",
        "algo-2 hears algo-1",
    ]


elsewhere = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None, reason="making a network needs root and iproute2"
)


@elsewhere
def test_a_node_of_another_network_needs_nothing_but_the_clusters_address(on_ray: Running, cluster: RayCluster) -> None:
    holders = fill(on_ray)
    with cluster.elsewhere("--num-cpus=4"):
        train_and_predict(on_ray)
    free(on_ray, holders)


@elsewhere
def test_the_containers_of_an_instance_are_reached_on_a_node_of_another_network(
    on_ray: Running, cluster: RayCluster
) -> None:
    holders = fill(on_ray)
    with cluster.elsewhere("--num-cpus=4"):
        called = serial.model(on_ray, [serial.container(on_ray, "a"), serial.container(on_ray, "b")])
        serial.in_service(on_ray, serial.endpoint(on_ray, called))
        said = serial.invoke(on_ray, called, "in", ContentType="text/csv")
        assert said.startswith("in|aA got text/csv")
        assert "|bB got text/x-a" in said
        jobs.delete_endpoint(on_ray, called)
    free(on_ray, holders)


@elsewhere
def test_the_hosts_of_a_job_on_several_machines_reach_each_other_by_name(on_ray: Running, cluster: RayCluster) -> None:
    with cluster.elsewhere("--num-cpus=4"):
        job = jobs.script_job(on_ray, SPREAD, ResourceConfig=resources("ml.m5.large", 3))
        described = jobs.wait_job(on_ray, job)
        assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    heard = sorted(line for line in jobs.job_log(on_ray, job) if " hears " in line)
    hosts = ("algo-1", "algo-2", "algo-3")
    assert heard == [f"{own} hears {other}" for own in hosts for other in hosts if own != other]


@elsewhere
def test_a_machine_that_is_lost_fails_its_job_and_ends_the_hosts_on_the_others(
    on_ray: Running, cluster: RayCluster
) -> None:
    with cluster.elsewhere("--num-cpus=4") as machine:
        job = jobs.shell_job(on_ray, "exec sleep 100000", ResourceConfig=resources("ml.m5.large", 3))
        everybody = wait_for_agents(on_ray, job, 3)
        cluster.kill_node(machine)
        assert jobs.wait_job(on_ray, job)["FailureReason"].startswith("InternalServerError: ")
    assert not any(runs(each) for each in everybody)


def test_a_job_of_more_hosts_than_nodes_fails_and_says_so(on_ray: Running) -> None:
    job = jobs.shell_job(on_ray, "echo never", ResourceConfig=resources("ml.m5.large", 3))
    described = jobs.wait_job(on_ray, job)
    assert described["TrainingJobStatus"] == "Failed"
    assert "3 instances, each on a node of its own (STRICT_SPREAD)" in described["FailureReason"]


def test_a_host_that_dies_fails_its_job_and_ends_the_others(on_ray: Running) -> None:
    job = jobs.shell_job(on_ray, "exec sleep 100000", ResourceConfig=resources("ml.m5.large", 2))
    first, second = wait_for_agents(on_ray, job, 2)
    host = first.parent()
    assert host is not None
    host.kill()
    assert jobs.wait_job(on_ray, job)["FailureReason"].startswith("InternalServerError: ")
    assert not runs(first)
    assert not runs(second)


def test_an_agent_that_is_killed_on_its_node_fails_its_job_and_takes_user_code_with_it(on_ray: Running) -> None:
    job, user_code = started(on_ray)
    (agent,) = agents(on_ray, job)
    agent.kill()
    described = jobs.wait_job(on_ray, job)
    assert described["FailureReason"].startswith("InternalServerError: ")
    assert not runs(user_code)


def test_a_host_that_is_killed_takes_the_agent_and_user_code_with_it(on_ray: Running) -> None:
    job, user_code = started(on_ray)
    (agent,) = agents(on_ray, job)
    host = agent.parent()
    assert host is not None
    host.kill()
    described = jobs.wait_job(on_ray, job)
    assert described["FailureReason"].startswith("InternalServerError: ")
    assert not runs(agent)
    assert not runs(user_code)


def test_a_job_waits_for_capacity_of_the_cluster_and_can_be_stopped_meanwhile(on_ray: Running) -> None:
    holders = fill(on_ray)
    waiting = jobs.shell_job(on_ray, "echo done")
    stopped = jobs.shell_job(on_ray, "echo never")
    for job in (waiting, stopped):
        wait_for_transition(on_ray, job, "Pending", "Waiting for capacity in the Ray cluster")
    stop(on_ray, [stopped])
    assert "never" not in _log(on_ray, stopped)
    free(on_ray, holders)
    assert jobs.wait_job(on_ray, waiting)["TrainingJobStatus"] == "Completed"


@pytest.mark.parametrize("harm", ["killed", "frozen"])
def test_a_job_whose_node_is_lost_is_tried_again_once_nothing_of_it_runs_any_more(
    on_ray: Running, cluster: RayCluster, harm: str
) -> None:
    doomed = cluster.add_node(f"--address={cluster.address}", "--num-cpus=4")
    raylet = cluster.raylet(doomed)
    job = jobs.script_job(
        on_ray,
        ONCE_FOR_EVER.format(bucket=jobs.BUCKET, key=jobs.name("began")),
        ResourceConfig=resources("ml.m5.2xlarge"),
        RetryStrategy={"MaximumRetryAttempts": 1},
    )
    wait_for_line(on_ray, job, "first")
    (agent,) = agents(on_ray, job)
    user_code = agent.children(recursive=True)
    host = agent.parent()
    assert host is not None
    assert host.ppid() == raylet.pid
    if harm == "killed":
        cluster.kill_node(doomed)
    else:
        raylet.suspend()
    while not (again := [each for each in agents(on_ray, job) if each != agent]):
        time.sleep(0.05)
    assert not runs(agent)
    assert not any(runs(each) for each in user_code)
    described = jobs.wait_job(on_ray, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert "Restarting" in [each["Status"] for each in described["SecondaryStatusTransitions"]]
    assert "second" in jobs.job_log(on_ray, job)
    assert len(again) == 1
    if harm == "frozen":
        cluster.kill_node(doomed)


def test_an_end_that_nobody_read_before_its_node_was_lost_is_found_with_the_whole_log(
    on_ray: Running, cluster: RayCluster
) -> None:
    doomed = cluster.add_node(f"--address={cluster.address}", "--num-cpus=4")
    job, gate = gated_job(on_ray, ResourceConfig=resources("ml.m5.2xlarge"), RetryStrategy={"MaximumRetryAttempts": 1})
    (agent,) = agents(on_ray, job)
    (driver,) = processes(on_ray, "ray-driver")
    psutil.Process(driver).suspend()
    jobs.upload(on_ray, gate, b"go")
    while runs(agent):
        time.sleep(0.05)
    cluster.kill_node(doomed)
    psutil.Process(driver).kill()
    assert_completed_with_its_log(on_ray, job)
    described = on_ray.client("sagemaker").describe_training_job(TrainingJobName=job)
    assert "Restarting" not in [each["Status"] for each in described["SecondaryStatusTransitions"]]


def fill(platform: Running) -> list[str]:
    """Jobs that take all that the cluster has, until they are stopped."""
    holders: list[str] = []
    while True:
        job = jobs.shell_job(platform, "exec sleep 100000")
        while not agents(platform, job):
            if any("capacity" in path.read_text() for path in (platform.data / "ray-tasks").glob("*/seen.json")):
                stop(platform, [job])
                return holders
            time.sleep(0.05)
        holders.append(job)


def stop(platform: Running, started: list[str]) -> None:
    for job in started:
        platform.client("sagemaker").stop_training_job(TrainingJobName=job)
    for job in started:
        assert jobs.wait_job(platform, job)["TrainingJobStatus"] == "Stopped"


def free(platform: Running, holders: list[str]) -> None:
    """End the jobs that hold the cluster; on a busy machine Ray may have given one up already."""
    sagemaker = platform.client("sagemaker")
    for job in holders:
        with contextlib.suppress(sagemaker.exceptions.ClientError):
            sagemaker.stop_training_job(TrainingJobName=job)
    for job in holders:
        jobs.wait_job(platform, job)


def started(platform: Running, **changes: Any) -> tuple[str, psutil.Process]:
    """A job that goes on until it is ended, and its user code's process."""
    job = jobs.shell_job(platform, "echo pid $(readlink /proc/self | head -1); exec sleep 100000", **changes)
    wait_for_line(platform, job, "pid")
    (agent,) = agents(platform, job)
    sleeper = next(each for each in agent.children(recursive=True) if each.cmdline()[:1] == ["sleep"])
    return job, sleeper


def runs(process: psutil.Process) -> bool:
    """Whether it does more than wait to be collected."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_for_agents(platform: Running, job: str, count: int) -> list[psutil.Process]:
    while len(found := agents(platform, job)) < count:
        time.sleep(0.05)
    return found


def resources(instance_type: str, count: int = 1) -> dict[str, Any]:
    return {"InstanceType": instance_type, "InstanceCount": count, "VolumeSizeInGB": 1}


def wait_for_line(platform: Running, job: str, beginning: str) -> None:
    sagemaker = platform.client("sagemaker")
    while not any(line.startswith(beginning) for line in _log(platform, job)):
        described = sagemaker.describe_training_job(TrainingJobName=job)
        assert described["TrainingJobStatus"] == "InProgress", described.get("FailureReason")
        time.sleep(0.1)


def wait_for_transition(platform: Running, job: str, status: str, message: str) -> None:
    sagemaker = platform.client("sagemaker")
    while True:
        last = sagemaker.describe_training_job(TrainingJobName=job)["SecondaryStatusTransitions"][-1]
        if (last["Status"], last["StatusMessage"]) == (status, message):
            return
        assert "EndTime" not in last, last
        time.sleep(0.05)


def _log(platform: Running, job: str) -> list[str]:
    try:
        return jobs.job_log(platform, job)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ResourceNotFoundException"
        return []


def test_a_platform_without_an_address_runs_a_ray_of_its_own_on_loopback_with_a_token(
    new_platform: Callable[..., Running],
) -> None:
    running = new_platform(environ={"SAGESMITH_COMPUTE": "ray"})
    described = jobs.wait_job(running, jobs.shell_job(running, "echo done"))
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    (node,) = processes(running, "ray")
    everything = [psutil.Process(node), *psutil.Process(node).children(recursive=True)]
    listening = {
        connection.laddr.ip
        for process in everything
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    raylet = next(each for each in everything if each.name() == "raylet")
    assert raylet.environ()["RAY_AUTH_MODE"] == "token"
    assert running.cli("down").returncode == 0
    assert not any(runs(each) for each in everything)
