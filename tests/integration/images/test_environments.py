"""Real environments, built with the real installer from the real index, in the cache that the platform uses."""

import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sagesmith.config import default_cache_dir
from sagesmith.images import toolkit
from sagesmith.images.base import EnvironmentFailed, Runtime
from sagesmith.images.bundle import export_bundle, import_bundle
from sagesmith.images.environments import ensure
from sagesmith.images.interpreters import interpreters, own_version
from sagesmith.images.registry import catalogue, resolve

RELEASES = {release.tag: release for release in catalogue()["sagemaker-scikit-learn"].releases}
PYTHONS = [python for python in interpreters() if any(python in release.pythons for release in RELEASES.values())]
TRAIN_AND_PREDICT = """
import json, sys
import gevent, google.protobuf, httptools, joblib, pandas, paramiko, pyarrow, scipy, sagemaker_training, uvloop
import sklearn
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
features, labels = load_iris(return_X_y=True)
model = RandomForestClassifier(n_estimators=10, random_state=0).fit(features, labels)
version = "%d.%d" % sys.version_info[:2]
print(json.dumps([sklearn.__version__, version, float(model.score(features, labels)), len(pandas.DataFrame(features))]))
"""
SCRIPT = """
import argparse, os
parser = argparse.ArgumentParser()
parser.add_argument("--depth", type=int)
parser.add_argument("--model-dir", default=os.environ["SM_MODEL_DIR"])
arguments = parser.parse_args()
open(os.path.join(arguments.model_dir, "model.txt"), "w").write(str(arguments.depth + 1))
"""


def small(lock: str = f"build-py{own_version()}") -> Runtime:
    """A runtime of the smallest lock file that is shipped: what matters here is how it is built, not what is in it."""
    return Runtime("small:1", "small", "1", lock, own_version(), None, ["train"])


@pytest.mark.parametrize("tag", list(RELEASES))
def test_every_tag_imports_trains_and_predicts(tag: str, tmp_path: Path) -> None:
    runtime = resolve(f"683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:{tag}-cpu-py3")
    built = ensure(runtime, default_cache_dir(), print)
    python = built.path / "bin" / "python"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **runtime.variables}
    shown = subprocess.run(
        [python, "-c", TRAIN_AND_PREDICT], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    version, ran_on, score, rows = json.loads(shown.stdout)
    chosen = next(each for each in RELEASES.values() if runtime.lock == f"{each.lock}-py{runtime.python}")
    assert (version, ran_on, rows) == (chosen.version, runtime.python, 150)
    assert score > 0.9
    assert (runtime.notice is None) == (
        version == RELEASES[tag].version and RELEASES[tag].python in (None, runtime.python)
    )


@pytest.mark.parametrize("python", PYTHONS)
def test_the_toolkit_runs_a_script_on_every_python_of_this_machine(python: str, tmp_path: Path) -> None:
    release = next(each for each in RELEASES.values() if python in each.pythons)
    runtime = Runtime("small:1", "small", "1", f"{release.lock}-py{python}", python, None, ["train"])
    built = ensure(runtime, default_cache_dir(), print)
    code, config = tmp_path / "code", tmp_path / "input" / "config"
    code.mkdir()
    config.mkdir(parents=True)
    (tmp_path / "model").mkdir()
    (tmp_path / "output").mkdir()
    (code / "train.py").write_text(SCRIPT)
    hyperparameters = {
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": json.dumps(str(code)),
        "sagemaker_region": '"us-east-1"',
        "depth": "4",
    }
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    (config / "inputdataconfig.json").write_text("{}")
    hosts = {"current_host": "localhost", "hosts": ["localhost"], "network_interface_name": "lo"}
    (config / "resourceconfig.json").write_text(json.dumps(hosts))
    environment = {
        "PATH": f"{built.path}/bin:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "SAGEMAKER_BASE_DIR": str(tmp_path),
        "AWS_REGION": "us-east-1",
        **runtime.variables,
    }
    ran = subprocess.run([built.path / "bin" / "train"], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (tmp_path / "model" / "model.txt").read_text() == "5"


def test_an_environment_is_read_only_and_world_readable(tmp_path: Path) -> None:
    built = ensure(small(), tmp_path, print)
    for folder, _, files in os.walk(built.path):
        for path in (Path(folder), *(Path(folder) / name for name in files)):
            mode = path.lstat().st_mode
            if not path.is_symlink():
                assert not mode & 0o222, path
                assert mode & 0o444 == 0o444, path
    assert built.read_only_paths[0] == built.path
    assert (built.path / "bin" / "python").resolve().is_relative_to(built.read_only_paths[1])


def test_a_complete_environment_is_found_again_without_a_word(tmp_path: Path) -> None:
    first = ensure(small(), tmp_path, print)
    said: list[str] = []
    assert ensure(small(), tmp_path, said.append) == first
    assert said == []


def test_finding_a_complete_environment_imports_no_installer(tmp_path: Path) -> None:
    ensure(small(), tmp_path, print)
    program = (
        "import sys; from pathlib import Path; from sagesmith.images.base import Runtime; "
        "from sagesmith.images.environments import ensure; "
        f"ensure({small()!r}, Path({str(tmp_path)!r}), print); "
        "print([name for name in sys.modules if name in ('subprocess', 'boto3', 'sagesmith.images.builder')])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_two_who_build_at_once_build_once(tmp_path: Path) -> None:
    said: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: ensure(small(), tmp_path, said.append), range(2))
    assert first == second
    assert len([line for line in said if " into " in line]) == 1


def test_a_build_that_is_killed_is_made_anew(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from sagesmith.images.base import Runtime; "
        "from sagesmith.images.environments import ensure; "
        f"ensure({small()!r}, Path({str(tmp_path)!r}), lambda line: print(line, flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as builder:
        assert builder.stdout is not None
        next(line for line in builder.stdout if " into " in line)
        builder.send_signal(signal.SIGKILL)
    built = ensure(small(), tmp_path, print)
    shown = subprocess.run([built.path / "bin" / "python", "-c", "import pip, sagemaker_training"], capture_output=True)
    assert shown.returncode == 0, shown.stderr


def test_without_a_compiler_the_message_says_what_to_install(tmp_path: Path) -> None:
    environ = {**os.environ, "PATH": str(tmp_path), "CC": ""}
    with pytest.raises(EnvironmentFailed, match="apt-get install gcc"):
        ensure(small(), tmp_path / "cache", print, environ)
    assert not list((tmp_path / "cache").glob("environments/*/bin"))


def test_without_a_network_the_installer_is_quoted_and_nothing_is_left(tmp_path: Path) -> None:
    environ = {**os.environ, "SAGESMITH_OFFLINE": "1"}
    with pytest.raises(EnvironmentFailed, match="failed"):
        ensure(small(), tmp_path, print, environ)
    assert not [path for path in (tmp_path / "environments").iterdir() if path.is_dir()]


def test_a_bundle_builds_an_environment_on_a_machine_without_network_or_compiler(tmp_path: Path) -> None:
    source, target, file = tmp_path / "source", tmp_path / "target", tmp_path / "bundle.tar"
    export_bundle(source, file, print, chosen=[small()])
    import_bundle(target, file, print)
    dead = "http://127.0.0.1:9"
    environ = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PIP_INDEX_URL": dead, "HTTPS_PROXY": dead}
    built = ensure(small(), target, print, environ)
    shown = subprocess.run([built.path / "bin" / "python", "-c", "import pip, sagemaker_training"], capture_output=True)
    assert shown.returncode == 0, shown.stderr


def test_an_environment_is_built_from_the_folder_that_pips_configuration_names_and_from_nowhere_else(
    tmp_path: Path,
) -> None:
    export_bundle(tmp_path / "source", tmp_path / "bundle.tar", print, chosen=[small()])
    folder = tmp_path / "source" / "wheels"
    configuration = tmp_path / "pip.conf"
    configuration.write_text(f"[global]\nno-index = true\nfind-links = {folder}\n")
    cache = tmp_path / "cache"
    shutil.copytree(folder / f"py{own_version()}-{os.uname().machine}", toolkit.folder(cache, own_version()))
    environ = {"PATH": str(tmp_path), "HOME": str(tmp_path), "PIP_CONFIG_FILE": str(configuration)}
    built = ensure(small(), cache, print, {**environ, "HTTPS_PROXY": "http://127.0.0.1:9"})
    shown = subprocess.run([built.path / "bin" / "python", "-c", "import pip, sagemaker_training"], capture_output=True)
    assert shown.returncode == 0, shown.stderr
