"""Every tag that `sagemaker.image_uris` of SDK v2 and v3 makes finds a runtime, or a reason why there is none."""

import re

import pytest

from sagesmith.images.base import ImageNotRunnable, Runtime
from sagesmith.images.registry import resolve_on


def words(text: str) -> list[str]:
    return text.split()


DLC = "763104351884.dkr.ecr.us-east-1.amazonaws.com"
PYTORCH = words(
    "1.2.0 1.3.1 1.4.0 1.5.0 1.6.0 1.7.1 1.8.0 1.8.1 1.9.0 1.9.1 1.10.0 1.10.2 1.11.0 1.12.0 1.12.1 1.13.1 2.0.0 2.0.1 "
    "2.1.0 2.2.0 2.3.0 2.4.0 2.5.1 2.6.0 2.7.1 2.8.0 2.9.0 2.10.0"
)
TENSORFLOW = words(
    "2.0.0 2.0.4 2.1.0 2.1.3 2.2.0 2.2.2 2.3.0 2.3.2 2.4.1 2.4.3 2.5.0 2.5.1 2.6.0 2.6.3 2.7.1 2.8.0 2.8.4 2.9.2 "
    "2.10.1 2.11.0 2.11.1 2.12.0 2.12.1 2.13.0 2.14.1 2.16.1 2.16.2 2.18.0 2.19.0 2.20.0 2.21.0"
)
TRANSFORMERS = words(
    "1.6.0-transformers4.4.2 1.7.1-transformers4.6.1 1.8.1-transformers4.10.2 1.9.0-transformers4.11.0 "
    "1.9.1-transformers4.12.3 1.10.2-transformers4.17.0 1.13.1-transformers4.26.0 2.0.0-transformers4.28.1 "
    "2.1.0-transformers4.36.0 2.1.0-transformers4.37.0 2.3.0-transformers4.46.1 2.3.0-transformers4.48.0 "
    "2.5.1-transformers4.49.0 2.6.0-transformers4.51.3 2.7.1-transformers4.55.0 2.8.0-transformers4.56.2 "
    "2.9.0-transformers5.3.0 2.9.0-transformers5.5.3"
)
XGBOOST = words("0.90-1-cpu-py3 0.90-2-cpu-py3 1.0-1-cpu-py3 1.2-1 1.2-2 1.3-1 1.3-1-arm64 1.5-1 1.7-1 3.0-5 3.2-0")
ALL = [
    *(f"pytorch-training:{version}-gpu-py310" for version in PYTORCH),
    *(f"pytorch-inference:{version}-cpu-py3" for version in PYTORCH),
    *(f"pytorch-inference-graviton:{version}-cpu-py311-ubuntu22.04-sagemaker" for version in PYTORCH[-6:]),
    *(f"sagemaker-pytorch:{version}-cpu-py3" for version in ("0.4.0", "1.0.0", "1.1.0")),
    *(f"tensorflow-training:{version}-cpu-py39" for version in TENSORFLOW),
    *(f"tensorflow-inference:{version}-cpu" for version in TENSORFLOW),
    *(f"huggingface-pytorch-training:{tag}-gpu-py310-cu118-ubuntu20.04" for tag in TRANSFORMERS),
    *(f"huggingface-pytorch-inference:{tag}-cpu-py310-ubuntu22.04" for tag in TRANSFORMERS),
    *(f"mxnet-training:{version}-cpu-py38" for version in ("1.4.1", "1.6.0", "1.7.0", "1.8.0", "1.9.0")),
    *(f"sagemaker-chainer:{version}-cpu-py3" for version in ("4.0.0", "4.1.0", "5.0.0")),
    *(f"sagemaker-xgboost:{tag}" for tag in XGBOOST),
    "sagemaker-base-python-38:1.0",
    "sagemaker-base-python-310:1.0",
]


def on(repository_and_tag: str, *pythons: str, machine: str = "x86_64") -> Runtime:
    return resolve_on(f"{DLC}/{repository_and_tag}", pythons or ("3.11",), machine)


@pytest.mark.parametrize("image", ALL)
def test_every_tag_of_the_sdks_runs_and_says_what_differs(image: str) -> None:
    runtime = on(image)
    asked, _, got = (runtime.notice or "").partition("running ")
    version = re.search(r"\d+(\.\d+)*", runtime.lock)
    assert version is not None or runtime.lock.startswith("base-python")
    if runtime.notice is None:
        assert version is not None
        assert version[0] in image
    else:
        assert asked.startswith(image.partition(":")[0])
        assert got.startswith(("with ", "on "))


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_tag_runs_on_python_3_12_too_but_tensorflow_on_arm(machine: str) -> None:
    for image in ALL:
        if image.startswith("tensorflow") and machine == "aarch64":
            with pytest.raises(ImageNotRunnable, match="on x86_64; found"):
                on(image, "3.12", machine=machine)
        elif not image.startswith(("mxnet", "sagemaker-chainer")):
            assert on(image, "3.12", machine=machine).python == "3.12"


@pytest.mark.parametrize(
    ("image", "notice"),
    [
        (
            "tensorflow-training:2.11-cpu-py39",
            "tensorflow-training:2.11-cpu-py39 asked for; TensorFlow 2.11 is not shipped for Python 3.11: running with "
            "TensorFlow 2.12.1 on Python 3.11",
        ),
        (
            "pytorch-training:2.1.0-gpu-py310",
            "pytorch-training:2.1.0-gpu-py310 asked for; PyTorch 2.1 is not shipped: running with PyTorch 2.13.0 on "
            "Python 3.11, built for CPUs",
        ),
        (
            "huggingface-pytorch-inference:2.0-transformers4.28-cpu-py310-ubuntu20.04",
            "huggingface-pytorch-inference:2.0-transformers4.28-cpu-py310-ubuntu20.04 asked for; running with "
            "Transformers 4.28.1 and PyTorch 2.13.0 on Python 3.11",
        ),
        (
            "sagemaker-xgboost:1.2-2",
            "sagemaker-xgboost:1.2-2 asked for; XGBoost 1.2 is not shipped: running with 1.5-1 (XGBoost 1.5.2)",
        ),
        ("tensorflow-inference:2.19-cpu", None),
    ],
)
def test_a_notice_says_what_was_asked_for_and_what_runs(image: str, notice: str | None) -> None:
    assert on(image).notice == notice


def test_a_version_beyond_all_gets_the_newest() -> None:
    assert on("tensorflow-training:2.99.0-cpu-py312").lock == "tensorflow-2.21.0-py3.11"


def test_the_image_of_a_python_takes_that_one_where_the_machine_has_it() -> None:
    runtime = on("sagemaker-base-python-310:1.0", "3.11", "3.10")
    assert (runtime.lock, runtime.notice) == ("base-python-py3.10", None)


@pytest.mark.parametrize(
    ("image", "part"),
    [
        ("sagemaker-tensorflow-scriptmode:1.12-cpu-py3", "its programs do not run with TensorFlow 2"),
        ("tensorflow-training:1.15.5-cpu-py37", "https://www.tensorflow.org/guide/migrate"),
        ("sagemaker-pytorch:1.1.0-cpu-py2", "is for Python 2"),
        ("mxnet-training:1.6.0-cpu-py27", "is for Python 2"),
        ("pytorch-training:latest", "begin with a version"),
        ("huggingface-pytorch-training:2.0.0-cpu-py310", "begin with a version"),
        ("sagemaker-xgboost:1", "has the tags 0.90-1"),
    ],
)
def test_what_cannot_run_is_refused_with_the_reason(image: str, part: str) -> None:
    with pytest.raises(ImageNotRunnable, match=re.escape(part)) as refused:
        on(image)
    assert image in str(refused.value)
