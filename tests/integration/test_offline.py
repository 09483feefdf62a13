"""A machine without any network, for which a namespace of its own with nothing but loopback stands."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sagesmith.config import default_cache_dir
from sagesmith.images.bundle import export_bundle, runtimes
from tests.integration.conftest import ROOT, environment_python

TAG = "0.23-1"
"""What examples/quickstart.py asks for."""

PROGRAM = """
set -e
ip link set lo up
"$1" -c 'import socket; socket.create_connection(("1.1.1.1", 443), 5)' 2>/dev/null && exit 97
"$1" -m sagesmith env-cache import "$2"
exec "$1" -m sagesmith run --data "$3" -- "$4" quickstart.py
"""


@pytest.mark.sdk
def test_without_a_network_a_bundle_is_all_that_fit_deploy_and_predict_need(tmp_path: Path) -> None:
    python = environment_python("sdk-v2")
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("only root can make a network namespace: run as root, with util-linux and iproute2 installed")
    file = tmp_path / "bundle.tar"
    export_bundle(default_cache_dir(), file, print, chosen=runtimes(only=[TAG]))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    environment = {**kept, "SAGESMITH_CACHE": str(tmp_path / "cache"), "SAGESMITH_OFFLINE": "1"}
    shown = subprocess.run(
        ["unshare", "--net", "sh", "-c", PROGRAM, "sh", sys.executable, file, tmp_path / "data", python],
        cwd=ROOT / "examples",
        env=environment,
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stdout[-2000:] + shown.stderr[-2000:]
    assert float(shown.stdout.rpartition("score: ")[2].split()[0]) > 0.8
