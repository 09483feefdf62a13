"""Instance types as sizes."""

import botocore.session
import pytest

from sagesmith.compute.base import Resources
from sagesmith.compute.instances import InstanceSize, resources_of, size_of


def types_of_the_api() -> list[str]:
    model = botocore.session.get_session().get_service_model("sagemaker")
    found: set[str] = set()
    for name in ("TrainingInstanceType", "ProcessingInstanceType", "TransformInstanceType"):
        found.update(model.shape_for(name).enum)
    return sorted(found)


def test_every_type_of_the_api_has_a_size() -> None:
    assert [each for each in types_of_the_api() if size_of(each) is None] == []


@pytest.mark.parametrize(
    ("instance_type", "vcpus", "memory_gib", "gpus"),
    [
        ("ml.t3.medium", 2, 4, 0),
        ("ml.m5.large", 2, 8, 0),
        ("ml.m5.24xlarge", 96, 384, 0),
        ("ml.m4.10xlarge", 40, 160, 0),
        ("ml.c4.8xlarge", 32, 60, 0),
        ("ml.c5.9xlarge", 36, 72, 0),
        ("ml.r5.large", 2, 16, 0),
        ("ml.c8g.medium", 1, 2, 0),
        ("ml.g4dn.xlarge", 4, 16, 1),
        ("ml.g5.12xlarge", 48, 192, 4),
        ("ml.g6e.48xlarge", 192, 1536, 8),
        ("ml.p3.8xlarge", 32, 244, 4),
        ("ml.p5.48xlarge", 192, 2048, 8),
        ("ml.trn1.32xlarge", 128, 512, 0),
    ],
)
def test_a_type_has_the_published_size(instance_type: str, vcpus: int, memory_gib: float, gpus: int) -> None:
    assert size_of(instance_type) == InstanceSize(vcpus, memory_gib, gpus)


def test_a_type_that_nobody_knows_has_no_limits() -> None:
    assert resources_of("ml.zz9.gigantic") == Resources()
    assert resources_of("ml.m5.large") == Resources(2, 8 << 30, 0)
