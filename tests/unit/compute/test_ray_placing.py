import pytest

from sagesmith.compute.base import Resources, S3Access, TaskSpec
from sagesmith.compute.ray.placing import Bundle, NeverFits, Node, bundles

GIB = float(1 << 30)


def host(cpus: int = 4, memory_gib: int = 16, gpus: int = 0, kind: str = "train") -> TaskSpec:
    return TaskSpec(
        id="task",
        kind=kind,  # type: ignore[arg-type]
        label="job",
        job_name="job",
        job_arn="arn",
        image="image",
        instance_type="ml.m5.xlarge",
        hosts=["algo-1"],
        host="algo-1",
        s3=S3Access("http://127.0.0.1:1", "key", "secret", "us-east-1"),
        cache="/cache",
        resources=Resources(cpus, memory_gib << 30, gpus),
    )


def node(cpus: float, memory_gib: float = 64, gpus: float = 0) -> Node:
    return Node("id", cpus, memory_gib * GIB, gpus)


def cpus(found: list[Bundle]) -> list[float]:
    return [each["CPU"] for each in found]


def test_an_instance_reserves_its_size() -> None:
    assert bundles([host(gpus=1)], [node(8, gpus=2)], "PACK", None) == [{"CPU": 4, "memory": 16 * GIB, "GPU": 1}]


def test_an_instance_larger_than_every_node_reserves_the_largest() -> None:
    (found,) = bundles([host(96, 384)], [node(2, 4), node(8, 32)], "PACK", None)
    assert found == {"CPU": 8, "memory": 32 * GIB}


def test_no_host_reserves_the_cpus_of_one_node_and_the_memory_of_another() -> None:
    (found,) = bundles([host(96, 384)], [node(2, 64), node(8, 32)], "PACK", None)
    assert found == {"CPU": 8, "memory": 32 * GIB}


def test_hosts_share_memory_where_there_is_not_enough_beside_each_other() -> None:
    found = bundles([host(1, 16)] * 2, [node(8, 24)], "PACK", None)
    assert found == [{"CPU": 1, "memory": 12 * GIB}] * 2


def test_hosts_that_do_not_fit_beside_each_other_share_what_there_is() -> None:
    assert cpus(bundles([host(4)] * 3, [node(2), node(1)], "PACK", None)) == [1, 1, 1]
    assert cpus(bundles([host(4)] * 3, [node(1)], "PACK", None)) == [0.3333] * 3


def test_hosts_that_are_spread_get_what_the_smallest_of_their_nodes_has() -> None:
    assert cpus(bundles([host(4)] * 2, [node(8), node(3), node(1)], "STRICT_SPREAD", None)) == [3, 3]


def test_a_gang_with_more_hosts_than_nodes_to_spread_over_is_refused() -> None:
    with pytest.raises(NeverFits, match=r"3 instances.*2 nodes"):
        bundles([host()] * 3, [node(8), node(8)], "STRICT_SPREAD", None)


def test_on_the_platforms_own_node_as_many_hosts_fit_as_the_line_lets_through() -> None:
    (found,) = bundles([host(4, 16)], [node(2, 8)], "PACK", 2)
    assert found == {"CPU": 1, "memory": 4 * GIB}


def test_a_model_server_on_the_platforms_own_node_takes_no_jobs_place() -> None:
    assert bundles([host(kind="serve")], [node(2)], "PACK", 2) == [{}]
    assert cpus(bundles([host(kind="serve")], [node(2)], "PACK", None)) == [2]


def test_a_job_for_gpus_that_nobody_has_runs_without() -> None:
    (found,) = bundles([host(gpus=8)], [node(4)], "PACK", None)
    assert "GPU" not in found


def test_the_gpus_of_the_platforms_own_node_are_there_for_each_of_its_jobs() -> None:
    (found,) = bundles([host(gpus=1)], [node(2, gpus=1)], "PACK", 2)
    assert found["GPU"] == 1
    assert all("GPU" not in each for each in bundles([host(gpus=1)] * 2, [node(2, gpus=1)], "PACK", 2))
