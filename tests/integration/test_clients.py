"""The examples, run as a user runs them: SDK v2, SDK v3, boto3, the AWS CLI, JavaScript."""

import re
import shutil
from pathlib import Path

import pytest

from tests.integration.conftest import ROOT, Running, environment_python

EXAMPLES = ROOT / "examples"


def endpoints(platform: Running) -> set[str]:
    """The names of the endpoints that are there and not being deleted."""
    pages = platform.client("sagemaker").get_paginator("list_endpoints").paginate()
    found = (endpoint for page in pages for endpoint in page["Endpoints"])
    return {endpoint["EndpointName"] for endpoint in found if endpoint["EndpointStatus"] != "Deleting"}


@pytest.mark.sdk
def test_the_quickstart_of_sdk_v2_trains_deploys_and_predicts(platform: Running) -> None:
    before = endpoints(platform)
    answer = platform.run([environment_python("sdk-v2"), "quickstart.py"], cwd=EXAMPLES)
    assert answer.returncode == 0, answer.stdout[-4000:] + answer.stderr[-4000:]
    score = re.search(r"score: (0\.\d+|1\.0+)", answer.stdout)
    assert score
    assert float(score.group(1)) > 0.85
    assert "Completed - Training job completed" in answer.stdout
    assert endpoints(platform) <= before


@pytest.mark.sdk
def test_the_quickstart_of_sdk_v3_trains_deploys_and_predicts(platform: Running) -> None:
    answer = platform.run([environment_python("sdk-v3"), "sdk_v3_quickstart.py"], cwd=EXAMPLES)
    assert answer.returncode == 0, answer.stdout[-4000:] + answer.stderr[-4000:]
    assert re.search(r"score: (0\.\d+|1\.0+)", answer.stdout)


def test_the_quickstart_with_boto3_alone(platform: Running) -> None:
    answer = platform.run([environment_python("sdk-v2"), "boto3_quickstart.py"], cwd=EXAMPLES)
    assert answer.returncode == 0, answer.stdout[-4000:] + answer.stderr[-4000:]
    assert re.search(r"score: (0\.\d+|1\.0+)", answer.stdout)


@pytest.mark.sdk
def test_the_registry_with_sdk_v2(platform: Running) -> None:
    answer = platform.run([environment_python("sdk-v2"), "registry.py"], cwd=EXAMPLES)
    assert answer.returncode == 0, answer.stdout[-4000:] + answer.stderr[-4000:]
    assert answer.stdout.splitlines()[-3:] == [
        "approved: version 2",
        "found: version 1, PendingManualApproval",
        "refused: ConflictException",
    ]
    groups = platform.client("sagemaker").list_model_package_groups(NameContains="tumours-")
    assert groups["ModelPackageGroupSummaryList"] == []


@pytest.mark.sdk
def test_experiments_and_lineage_with_sdk_v2(platform: Running) -> None:
    answer = platform.run([environment_python("sdk-v2"), "experiments_and_lineage.py"], cwd=EXAMPLES)
    assert answer.returncode == 0, answer.stdout[-4000:] + answer.stderr[-4000:]
    experiment = re.search(r"^best: (threshold-\d+)-radius-15$", answer.stdout, re.MULTILINE)
    assert experiment
    assert f"made from: s3://{experiment.group(1)}/train.csv" in answer.stdout
    experiments = platform.client("sagemaker").list_experiments()["ExperimentSummaries"]
    assert experiment.group(1) not in {each["ExperimentName"] for each in experiments}


def test_the_aws_cli(platform: Running, tmp_path: Path) -> None:
    aws = Path(environment_python("aws-cli")).with_name("aws")
    path = f"PATH={aws.parent}:{platform.environment()['PATH']}"
    answer = platform.run(["env", path, "bash", "aws_cli.sh"], cwd=EXAMPLES)
    assert answer.returncode == 0, answer.stdout[-4000:] + answer.stderr[-4000:]


def test_javascript(platform: Running) -> None:
    modules = ROOT / ".envs" / "javascript" / "node_modules"
    if not shutil.which("node") or not modules.exists():
        pytest.skip("Node.js with @aws-sdk/client-sagemaker is not here: `make clients` with npm installs it")
    script = modules.parent / "quickstart.mjs"
    shutil.copy(EXAMPLES / "javascript" / "quickstart.mjs", script)
    answer = platform.run(["node", str(script)], cwd=EXAMPLES)
    assert answer.returncode == 0, answer.stdout[-4000:] + answer.stderr[-4000:]
