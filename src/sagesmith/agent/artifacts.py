"""What a training task leaves in S3: the model, and what it wrote to /opt/ml/output/data.

A job of several hosts has one archive of each with the files of all (AWS: "SageMaker aggregates the result in a TAR
file", https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo-output.html). Every other host
leaves its part beside, and the first one, which uploads last, puts them together; of files of one name its own counts.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from sagesmith.agent import layout
from sagesmith.agent.archive import pack, walk
from sagesmith.agent.failures import uploading
from sagesmith.agent.task import Task, real_directory

_NOTHING = "No model artifact is saved under path /opt/ml/model. Your training job will not save any model file to S3."

_Folder = tuple[str, Path | None, str]
"""Name of the artifact, where it lies if there is anything, and its path as user code knew it."""


def upload(task: Task, model: bool) -> dict[str, Any]:
    """Upload the artifacts; /opt/ml/output/data also of a job that failed.

    Returns:
        `model_artifacts` for the ending's detail.

    Raises:
        TaskFailed: something could not be stored.
    """
    spec = task.spec
    folders = [_found(task, "output", layout.OUTPUT_DATA)]
    if model:
        folders.insert(0, _found(task, "model", layout.MODEL))
        nothing = folders[0][1] is None and len(spec.hosts) == 1
        task.report.write("Uploading", _NOTHING if nothing else "Uploading generated training model")
    if not spec.output_uri:
        return {}
    base = f"{spec.output_uri.rstrip('/')}/{spec.job_name}/output"
    found: dict[str, Any] = {}
    if model:
        found["model_artifacts"] = f"{base}/model.tar.gz" if spec.compress_output else f"{base}/model/"
    if len(spec.hosts) > 1 or any(folder for _, folder, _ in folders):
        with uploading("artifacts", base, as_="Artifact"):
            _upload(task, base, folders)
    return found


def give_up(task: Task) -> None:
    """Tell the host that puts the parts together that there is none of this one.

    Raises:
        TaskFailed: it could not be told.
    """
    if task.spec.output_uri and len(task.spec.hosts) > 1:
        from sagesmith.agent.parts import Parts

        with uploading("artifacts", task.spec.output_uri, as_="Artifact"):
            Parts(task).done()


def _found(task: Task, name: str, place: Path) -> _Folder:
    folder = real_directory(task.directory.opt_ml, place)
    return name, folder if folder and any(folder.iterdir()) else None, f"/opt/ml/{place}"


def _upload(task: Task, base: str, folders: Sequence[_Folder]) -> None:
    from sagesmith.agent.parts import Parts

    spec = task.spec
    parts = Parts(task) if len(spec.hosts) > 1 else None
    collects = spec.host == spec.hosts[0]
    if parts is not None and collects:
        parts.wait()
    for name, folder, shown_as in folders:
        if not spec.compress_output:
            if folder is not None:
                _upload_files(task, folder, f"{base}/{name}")
        elif parts is None or collects:
            others = parts.fetch(name) if parts is not None else []
            if folder is not None or others:
                _upload_archive(task, folder, shown_as, f"{base}/{name}.tar.gz", others)
        elif folder is not None:
            _upload_archive(task, folder, shown_as, parts.uri(spec.host, name))
    if parts is not None:
        (parts.remove if collects else parts.done)()


def _upload_archive(task: Task, folder: Path | None, shown_as: str, uri: str, others: Sequence[Path] = ()) -> None:
    from sagesmith.agent.s3 import split_uri

    bucket, key = split_uri(uri)
    expected = sum(path.lstat().st_size for path in walk(folder)) if folder is not None else 0
    expected += sum(path.stat().st_size for path in others)

    def write(target: IO[bytes]) -> None:
        pack(folder, shown_as, target, task.output.say, others)

    task.s3.upload_stream(write, bucket, key, task.spec.kms_key_id, expected)


def _upload_files(task: Task, folder: Path, uri: str) -> None:
    from sagesmith.agent.s3 import split_uri

    bucket, prefix = split_uri(uri)
    files = [
        (path, bucket, f"{prefix}/{path.relative_to(folder).as_posix()}")
        for path in walk(folder)
        if path.is_file() and not path.is_symlink()
    ]
    task.s3.upload_files(files, task.spec.kms_key_id)
