"""How fast a training job gets at its channels: a channel of 1 GB, in eight objects.

The peer is what the AWS CLI does, by the library that it uses, straight from the store to the same disk.
"""

import shutil
import tempfile
import time
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from boto3.s3.transfer import create_transfer_manager

from benchmarks.figures import Figure, Figures, alternate
from benchmarks.s3 import TRANSFER, Zeros, clients
from tests.integration import jobs
from tests.integration.conftest import Running

OBJECTS = 8
OBJECT_BYTES = 128 << 20
TOTAL_BYTES = OBJECTS * OBJECT_BYTES
PREFIX = "benchmarks/channel/"
FOLDER = "/opt/ml/input/data/train"
ROUNDS = 3
READ_ALL = f"cat {FOLDER}/* | wc -c"
READ_PIPE = f"wc -c < {FOLDER}_0"
READ_ONE_BYTE = f"head -c 1 {FOLDER}/0 > /dev/null; date +first=%s.%N"


def figures(platform: Running) -> Figures:
    _, direct = clients(platform)
    platform.client("s3").create_bucket(Bucket=jobs.BUCKET)
    for number in range(OBJECTS):
        direct.upload_fileobj(Zeros(OBJECT_BYTES), jobs.BUCKET, f"{PREFIX}{number}", Config=TRANSFER)
    first = median(first_byte_milliseconds(platform) for _ in range(ROUNDS))
    yield Figure("FastFile, first byte after the start", "ms", first, "most", 200)
    for mode, command, reach in (("File", "true", 0.8), ("FastFile", READ_ALL, 0.5), ("Pipe", READ_PIPE, 0.5)):
        ours, peer = alternate(lambda _, job=(mode, command): rate(platform, *job), lambda _: bare(direct), ROUNDS)
        yield Figure(f"1 GB channel, {mode} mode", "MB/s", ours, "times", reach, peer, "bare parallel download")


def rate(platform: Running, mode: str, command: str) -> float:
    """MB a second, from the beginning of the download (File) or of the program (the others) to its end."""
    described = run(platform, mode, command)
    times = {each["Status"]: each for each in described["SecondaryStatusTransitions"]}
    over = times["Downloading" if mode == "File" else "Training"]
    return TOTAL_BYTES / 1e6 / (over["EndTime"] - over["StartTime"]).total_seconds()


def first_byte_milliseconds(platform: Running) -> float:
    """From the moment that the job is Training, before its sandbox is made, to the first byte."""
    described = run(platform, "FastFile", READ_ONE_BYTE)
    lines = jobs.log_lines(platform, "/aws/sagemaker/TrainingJobs", described["TrainingJobName"])
    (said,) = (float(line.removeprefix("first=")) for line in lines if line.startswith("first="))
    times = {each["Status"]: each["StartTime"] for each in described["SecondaryStatusTransitions"]}
    began: datetime = times["Training"]
    return (said - began.timestamp()) * 1000


def run(platform: Running, mode: str, command: str) -> dict[str, Any]:
    channel = {**jobs.channel(f"s3://{jobs.BUCKET}/{PREFIX}"), "InputMode": mode}
    described = jobs.wait_job(platform, jobs.shell_job(platform, command, InputDataConfig=[channel]))
    assert described["TrainingJobStatus"] == "Completed", described
    return described


def bare(s3: Any) -> float:
    """MB a second."""
    folder = Path(tempfile.mkdtemp())
    try:
        began = time.perf_counter()
        with create_transfer_manager(s3, TRANSFER) as manager:
            pending = [
                manager.download(jobs.BUCKET, f"{PREFIX}{number}", str(folder / str(number)))
                for number in range(OBJECTS)
            ]
            for each in pending:
                each.result()
        return TOTAL_BYTES / 1e6 / (time.perf_counter() - began)
    finally:
        shutil.rmtree(folder)
