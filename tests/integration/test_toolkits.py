"""Training scripts that import what Amazon's images have under older names."""

from tests.integration import jobs
from tests.integration.conftest import Running

SCRIPT = """
import sagemaker_containers
from sagemaker_containers.beta.framework import content_types, encoders, env, modules, transformer, worker

given = sagemaker_containers.training_env()
print("depth", given.hyperparameters["depth"], "host", given.current_host, "csv", encoders.encode([[1, 2]], "text/csv"))
assert env.Environment and content_types.CSV == "text/csv"
"""


def test_a_script_that_imports_the_toolkit_by_its_former_name_trains(platform: Running) -> None:
    job = jobs.script_job(platform, SCRIPT, HyperParameters={"depth": "5"})
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert "depth 5 host algo-1 csv 1,2" in jobs.job_log(platform, job)
