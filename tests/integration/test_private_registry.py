"""An image of one's own that is pulled from a registry with the engine's credentials."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration import jobs
from tests.integration.conftest import Running
from tests.integration.own_images import podman, root_file_system, why_not
from tests.integration.registries import registry

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


def run(platform: Running, image: str) -> dict[str, str]:
    """The description of a training job of an image, once it has ended."""
    specification = {"TrainingImage": image, "TrainingInputMode": "File"}
    job = jobs.start_job(
        platform, jobs.name("own"), AlgorithmSpecification=specification, HyperParameters={"command": "echo pulled"}
    )
    described: dict[str, str] = jobs.wait_job(platform, job)
    return described


def test_an_image_is_pulled_with_the_credentials_of_the_file_that_is_configured(
    new_platform: Callable[..., Running], tmp_path: Path
) -> None:
    with registry(root_file_system(), "reader", "right") as there:
        credentials = tmp_path / "auth.json"
        there.log_in(credentials, "reader", "wrong")
        environ = {
            "REGISTRY_AUTH_FILE": str(credentials),
            "CONTAINERS_REGISTRIES_CONF": str(there.configuration(tmp_path / "registries.conf")),
        }
        platform = new_platform(environ=environ)
        refused = run(platform, there.image)
        assert refused["TrainingJobStatus"] == "Failed"
        reason = refused["FailureReason"]
        assert reason.startswith(f"ClientError: The image {there.image} could not be pulled: ")
        assert "unauthorized" in reason
        assert "wrong" not in reason
        assert there.refused
        there.log_in(credentials, "reader", "right")
        try:
            pulled = run(platform, there.image)
            assert pulled["TrainingJobStatus"] == "Completed", pulled.get("FailureReason")
        finally:
            podman("rmi", "--force", there.image)
