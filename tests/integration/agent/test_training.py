"""Training tasks: what goes in, what comes out, how they end."""

import hashlib
import io
import json
import tarfile

import pytest

from sagesmith.agent.handover import Handover, Piece
from sagesmith.agent.taskdir import TaskDir
from sagesmith.compute.base import Channel, MetricDefinition
from tests.integration.agent.conftest import BUCKET, RunningStore, Tasks


def archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def unpacked(body: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return {each.name: tar.extractfile(each).read() for each in tar.getmembers() if each.isreg()}


def script_variables(store: RunningStore) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": store.access.access_key_id,
        "AWS_SECRET_ACCESS_KEY": store.access.secret_access_key,
        "AWS_REGION": "us-east-1",
        "S3_ENDPOINT_URL": store.access.endpoint,
        "AWS_ENDPOINT_URL": store.access.endpoint,
    }


def test_a_command_sees_its_channels_and_leaves_model_output_and_metrics(tasks: Tasks, store: RunningStore) -> None:
    store.put("in/rows/a.csv", b"1\n2\n")
    store.put("in/rows/deep/b.csv", b"3\n")
    command = (
        "cat /opt/ml/input/data/train/a.csv /opt/ml/input/data/train/deep/b.csv;"
        "cat /opt/ml/input/config/hyperparameters.json; echo; cat /opt/ml/input/config/resourceconfig.json; echo;"
        "echo 'loss=0.5;'; echo 'loss=0.25;' >&2; mkdir /opt/ml/model/d; echo m > /opt/ml/model/d/w;"
        "ln -s w /opt/ml/model/d/l; ln -s /etc/passwd /opt/ml/model/escape; echo r > /opt/ml/output/data/report"
    )
    seen = tasks.run(
        "whole",
        command,
        s3=store.access,
        hyperparameters={"depth": '"5"'},
        channels=[Channel("train", f"s3://{BUCKET}/in/rows")],
        metric_definitions=[MetricDefinition("loss", "loss=([0-9.]+);")],
        output_uri=f"s3://{BUCKET}/out/",
    )
    assert [each.state for each in seen.events] == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    detail = seen.events[-1].detail
    assert detail["metrics"][0]["Value"] == 0.25
    assert detail["model_artifacts"] == f"s3://{BUCKET}/out/whole/output/model.tar.gz"
    lines = tasks.lines("whole")
    assert lines[:3] == ["1", "2", "3"]
    assert json.loads(lines[3]) == {"depth": '"5"'}
    assert json.loads(lines[4])["network_interface_name"] == "eth0"
    assert "/opt/ml/model/escape is a link to /etc/passwd, outside: left out of the archive." in lines
    assert unpacked(store.get(detail["model_artifacts"])) == {"d/w": b"m\n"}
    assert unpacked(store.get(f"s3://{BUCKET}/out/whole/output/output.tar.gz")) == {"report": b"r\n"}


def test_a_script_gets_its_hyperparameters_as_arguments(tasks: Tasks, store: RunningStore) -> None:
    source = store.put(
        "src/args.tar.gz",
        archive({"train.py": "import sys, sklearn\nprint('args', sys.argv[1:], sklearn.__version__)"}),
    )
    seen = tasks.run(
        "script",
        s3=store.access,
        environment=script_variables(store),
        hyperparameters={
            "sagemaker_program": '"train.py"',
            "sagemaker_submit_directory": json.dumps(source),
            "depth": "5",
        },
    )
    assert seen.events[-1].state == "Completed", tasks.lines("script")
    assert "args ['--depth', '5'] 1.2.1" in tasks.lines("script")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"train.py": "def broken(:\n"}, "SyntaxError"),
        ({"train.py": "raise ValueError('no such luck')"}, "no such luck"),
        ({"other.py": ""}, "train.py"),
    ],
    ids=["syntax", "exception", "missing"],
)
def test_a_script_that_cannot_run_fails_with_the_reason(
    tasks: Tasks, store: RunningStore, files: dict[str, str], words: str
) -> None:
    source = store.put("src/broken.tar.gz", archive(files))
    parameters = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": json.dumps(source)}
    seen = tasks.run("broken", s3=store.access, environment=script_variables(store), hyperparameters=parameters)
    reason = seen.events[-1].detail["failure_reason"]
    assert seen.events[-1].state == "Failed"
    assert reason.startswith("AlgorithmError: ")
    assert words in reason
    assert len(reason) <= 1024


def test_the_failure_file_is_the_reason_and_output_is_kept(tasks: Tasks, store: RunningStore) -> None:
    seen = tasks.run(
        "failing",
        "echo because > /opt/ml/output/failure; echo x > /opt/ml/output/data/x; echo m > /opt/ml/model/m; exit 7",
        s3=store.access,
        output_uri=f"s3://{BUCKET}/out",
    )
    assert seen.events[-1].detail["failure_reason"] == "AlgorithmError: because, exit code: 7"
    assert store.keys("out/failing/") == ["out/failing/output/output.tar.gz"]


@pytest.mark.parametrize("uri", [f"s3://{BUCKET}/nothing/here", "s3://no-such-bucket-anywhere/x", "file:///etc"])
def test_a_channel_that_points_at_nothing_fails_naming_it(tasks: Tasks, store: RunningStore, uri: str) -> None:
    seen = tasks.run("nothing", "true", s3=store.access, channels=[Channel("train", uri)])
    reason = seen.events[-1].detail["failure_reason"]
    assert reason.startswith("ClientError: Data download failed:")
    assert uri in reason


def test_a_manifest_names_the_objects_of_a_channel(tasks: Tasks, store: RunningStore) -> None:
    store.put("m/one.txt", b"1")
    store.put("m/deep/two.txt", b"2")
    store.put("m/three.txt", b"3")
    manifest = store.put(
        "manifests/m.json", json.dumps([{"prefix": f"s3://{BUCKET}/m/"}, "one.txt", "deep/two.txt"]).encode()
    )
    channel = Channel("train", manifest, s3_data_type="ManifestFile")
    seen = tasks.run(
        "manifest", "cd /opt/ml/input/data/train && find . -type f | sort", s3=store.access, channels=[channel]
    )
    assert seen.events[-1].state == "Completed"
    assert tasks.lines("manifest") == ["./deep/two.txt", "./one.txt"]


@pytest.mark.parametrize("manifest", [b"not json", b'{"prefix": 1}', b'[{"prefix": "s3://agent-tests/m/"}, "../../x"]'])
def test_a_manifest_that_is_wrong_fails_the_task(tasks: Tasks, store: RunningStore, manifest: bytes) -> None:
    uri = store.put("manifests/wrong.json", manifest)
    seen = tasks.run("wrong", "true", s3=store.access, channels=[Channel("c", uri, s3_data_type="ManifestFile")])
    assert seen.events[-1].state == "Failed"
    assert seen.events[-1].detail["failure_reason"].startswith("ClientError: Data download failed:")


def test_output_without_compression_is_uploaded_file_by_file(tasks: Tasks, store: RunningStore) -> None:
    seen = tasks.run(
        "plain",
        "mkdir /opt/ml/model/d && echo 1 > /opt/ml/model/d/one && echo 2 > /opt/ml/model/two",
        s3=store.access,
        output_uri=f"s3://{BUCKET}/out",
        compress_output=False,
    )
    assert seen.events[-1].detail["model_artifacts"] == f"s3://{BUCKET}/out/plain/output/model/"
    assert store.keys("out/plain/") == ["out/plain/output/model/d/one", "out/plain/output/model/two"]


def test_an_artifact_of_many_parts_arrives_whole(tasks: Tasks, store: RunningStore) -> None:
    seen = tasks.run(
        "large",
        "head -c 50000000 /dev/urandom > /opt/ml/model/big; sha256sum < /opt/ml/model/big",
        s3=store.access,
        output_uri=f"s3://{BUCKET}/out",
    )
    content = unpacked(store.get(seen.events[-1].detail["model_artifacts"]))["big"]
    assert tasks.lines("large")[0].split()[0] == hashlib.sha256(content).hexdigest()


def test_an_output_bucket_that_does_not_exist_fails_the_task_naming_it(tasks: Tasks, store: RunningStore) -> None:
    seen = tasks.run("lost", "echo 1 > /opt/ml/model/m", s3=store.access, output_uri="s3://no-such-bucket-anywhere/o")
    assert seen.events[-1].state == "Failed"
    assert "no-such-bucket-anywhere" in seen.events[-1].detail["failure_reason"]


def test_a_stopped_task_may_save_what_it_has(tasks: Tasks, store: RunningStore) -> None:
    script = (
        "import signal, sys, time\n"
        "def save(*_):\n"
        "    open('/opt/ml/model/half', 'w').write('half')\n"
        "    sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\n"
        "print('ready')\n"
        "while True: time.sleep(1)\n"
    )
    source = store.put("src/stop.tar.gz", archive({"train.py": script}))
    tasks.start(
        "stopped",
        s3=store.access,
        output_uri=f"s3://{BUCKET}/out",
        environment=script_variables(store),
        hyperparameters={"sagemaker_program": '"train.py"', "sagemaker_submit_directory": json.dumps(source)},
    )
    tasks.wait_for_line("stopped", "ready")
    tasks.backend.stop("stopped")
    seen = tasks.wait("stopped", lambda seen: seen.ended)
    assert seen.events[-1].state == "Stopped"
    assert unpacked(store.get(seen.events[-1].detail["model_artifacts"])) == {"half": b"half"}


def test_a_task_that_runs_too_long_is_stopped(tasks: Tasks) -> None:
    seen = tasks.run("long", "exec sleep 600", max_runtime_seconds=0.2)
    assert seen.events[-1].state == "Stopped"
    assert seen.events[-1].detail["secondary_status"] == "MaxRuntimeExceeded"


def test_an_image_without_a_runtime_fails_the_task_naming_it(tasks: Tasks) -> None:
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/my-own:1"
    seen = tasks.run("own", "true", image=image)
    assert seen.events[-1].state == "Failed"
    assert image in seen.events[-1].detail["failure_reason"]


def test_output_survives_what_programs_print(tasks: Tasks) -> None:
    seen = tasks.run(
        "odd", r"printf 'a\r\nb\rc\r\r\nd\377e\n\n'; head -c 600000 /dev/zero | tr '\0' x; echo; printf 'no end'"
    )
    assert seen.events[-1].state == "Completed"
    lines = tasks.lines("odd")
    assert lines[:4] == ["a", "b", "c", "d\N{REPLACEMENT CHARACTER}e"]
    assert "".join(lines[4:]) == "x" * 600000 + "no end"
    assert max(map(len, lines)) < 262144


def test_transfers_wait_for_a_store_that_restarts(tasks: Tasks, store: RunningStore) -> None:
    store.kill()
    try:
        tasks.start("patient", "echo 1 > /opt/ml/model/m", s3=store.access, output_uri=f"s3://{BUCKET}/out")
        tasks.wait("patient", lambda seen: bool(seen.events) and seen.events[-1].state == "Uploading")
    finally:
        store.start()
    seen = tasks.wait("patient", lambda seen: seen.ended)
    assert seen.events[-1].state == "Completed"
    assert unpacked(store.get(seen.events[-1].detail["model_artifacts"])) == {"m": b"1\n"}


def test_requirements_are_installed_over_the_shared_environment(tasks: Tasks) -> None:
    seen = tasks.run(
        "pip",
        "mkdir -p /tmp/pkg/extra && echo 'VALUE = 42' > /tmp/pkg/extra/__init__.py &&"
        'printf "from distutils.core import setup\\n" > /dev/null &&'
        'python -c "import sys; print(sys.prefix)" && python -m pip --version | cut -c1-4 &&'
        "python -m pip install --dry-run --no-index scikit-learn numpy | head -1",
    )
    assert seen.events[-1].state == "Completed", tasks.lines("pip")
    assert tasks.lines("pip")[0] == "/opt/venv"
    assert any("already satisfied" in line for line in tasks.lines("pip"))


def test_what_a_task_told_is_left_where_it_outlives_the_node_before_its_end_is_reported(
    tasks: Tasks, store: RunningStore
) -> None:
    place = "s3://sagesmith-internal-agent-tests/ends/told"
    seen = tasks.run("told", "echo one; echo two", s3=store.access, handover=place)
    assert seen.events[-1].state == "Completed"
    directory = TaskDir(tasks.data / "tasks" / "told")
    left = Handover.from_json(store.get(place))
    assert left.report == Piece(0, directory.report.read_bytes())
    assert left.output == Piece(0, directory.output.read_bytes())
    assert left.metrics == Piece(0, directory.metrics.read_bytes())
