"""Training jobs of several instances, on a real platform."""

import io
import os
import signal
import tarfile
import time

from tests.integration import jobs
from tests.integration.conftest import Running

SHOW = (
    "cat /opt/ml/input/config/resourceconfig.json; echo; getent hosts algo-1 algo-2 >/dev/null && echo resolved; "
    "cd /opt/ml; H=$CURRENT_HOST; for f in model/common model/of-$H output/data/out-$H; do echo $H > $f; done"
)


def cluster(count: int) -> dict[str, object]:
    return {"InstanceType": "ml.m5.large", "InstanceCount": count, "VolumeSizeInGB": 1}


def files_of(platform: Running, uri: str) -> dict[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = platform.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return {each.name: tar.extractfile(each).read().decode().strip() for each in tar if each.isfile()}


def test_the_hosts_of_a_job_know_each_other_and_make_one_model(platform: Running) -> None:
    job = jobs.shell_job(platform, SHOW, ResourceConfig=cluster(2))
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    for host in ("algo-1", "algo-2"):
        lines = jobs.log_lines(platform, "/aws/sagemaker/TrainingJobs", f"{job}/{host}-")
        assert f'"current_host": "{host}"' in lines[0]
        assert '"hosts": ["algo-1", "algo-2"]' in lines[0]
        assert lines[1] == "resolved"
    model = described["ModelArtifacts"]["S3ModelArtifacts"]
    assert files_of(platform, model) == {"common": "algo-1", "of-algo-1": "algo-1", "of-algo-2": "algo-2"}
    output = files_of(platform, model.replace("model.tar.gz", "output.tar.gz"))
    assert output == {"out-algo-1": "algo-1", "out-algo-2": "algo-2"}
    listed = platform.client("s3").list_objects_v2(Bucket=jobs.BUCKET, Prefix=f"output/{job}/")
    assert [each["Key"].rsplit("/")[-1] for each in listed["Contents"]] == ["model.tar.gz", "output.tar.gz"]


def test_a_host_that_fails_takes_the_job_with_it(platform: Running) -> None:
    command = "[ $CURRENT_HOST = algo-2 ] && exit 3; exec sleep 600"
    described = jobs.wait_job(platform, jobs.shell_job(platform, command, ResourceConfig=cluster(2)))
    assert described["TrainingJobStatus"] == "Failed"
    assert described["FailureReason"].startswith("AlgorithmError")
    assert described["FailureReason"].endswith("(algo-2)")


def test_a_job_of_which_an_agent_is_killed_is_tried_again_as_a_whole(platform: Running) -> None:
    once = f"s3://{jobs.BUCKET}/checkpoints/{jobs.name('retry')}"
    command = "[ -e /opt/ml/checkpoints/x ] && exit 0; sleep 1; echo 1 > /opt/ml/checkpoints/x; exec sleep 600"
    job = jobs.shell_job(
        platform,
        command,
        ResourceConfig=cluster(2),
        RetryStrategy={"MaximumRetryAttempts": 1},
        CheckpointConfig={"S3Uri": once},
    )
    s3 = platform.client("s3")
    while not s3.list_objects_v2(Bucket=jobs.BUCKET, Prefix=once.split("/", 3)[3]).get("Contents"):
        time.sleep(0.1)
    agents = [each["pid"] for each in platform.status()["processes"] if each["name"] == f"agent:{job}"]
    assert len(agents) == 2
    os.kill(agents[-1], signal.SIGKILL)
    described = jobs.wait_job(platform, job)
    assert described["TrainingJobStatus"] == "Completed", described.get("FailureReason")
    assert "Restarting" in [each["Status"] for each in described["SecondaryStatusTransitions"]]
    assert not [each for each in platform.status()["processes"] if each["name"] == f"agent:{job}"]
