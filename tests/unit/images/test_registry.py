"""From image URIs to runtimes, without building anything."""

import pytest

from sagesmith.images.base import ImageNotRunnable, NotOurs, Runtime
from sagesmith.images.registry import catalogue, parse, resolve_on
from sagesmith.jumpstart.models import MODELS, specification

ECR = "683313688378.dkr.ecr.us-east-1.amazonaws.com"


def on(uri: str, *pythons: str, machine: str = "x86_64") -> Runtime:
    return resolve_on(uri, pythons or ("3.11",), machine)


@pytest.mark.parametrize(
    "uri",
    [
        f"{ECR}/sagemaker-scikit-learn:1.2-1-cpu-py3",
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3",
        "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/sagemaker-scikit-learn:1.2-1",
        "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu",
        "123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov/sagemaker-scikit-learn:1.2-1",
        "sagemaker-scikit-learn:1.2-1",
        f"{ECR}/sagemaker-scikit-learn:1.2-1-cpu-py3@sha256:{'0' * 64}",
    ],
)
def test_an_image_of_any_account_region_and_partition_resolves(uri: str) -> None:
    runtime = on(uri)
    assert (runtime.lock, runtime.python, runtime.notice) == ("scikit-learn-1.2-1-py3.11", "3.11", None)
    assert runtime.uri == uri
    assert runtime.repository == "sagemaker-scikit-learn"
    assert runtime.train_command == ["train"]


@pytest.mark.parametrize("repository", ["kmeans", "pca", "xgboost", "blazingtext", "ntm"])
def test_an_image_of_ones_own_is_not_taken_for_the_algorithm_whose_name_it_has(repository: str) -> None:
    for ours in (f"382416733822.dkr.ecr.us-east-1.amazonaws.com/{repository}:latest", f"{repository}:latest"):
        assert on(ours).repository == repository
    with pytest.raises(NotOurs):
        on(f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{repository}:latest")


def test_the_images_that_jumpstarts_specifications_name_are_ours() -> None:
    for model in MODELS:
        uri = specification(model, "us-east-1")["training_instance_type_variants"]["regional_aliases"]["us-east-1"]
        assert on(uri["alias_ecr_uri_1"]).repository == model.repository


def test_parts_of_an_image_are_told_apart() -> None:
    image = parse(f"{ECR}/team/thing:1.0@sha256:abc")
    assert (image.account, image.repository, image.tag, image.digest) == (
        "683313688378",
        "team/thing",
        "1.0",
        "sha256:abc",
    )
    assert parse("registry.example.com:5000/thing").account is None


@pytest.mark.parametrize("tag", ["0.20.0-cpu-py3", "0.23-1-cpu-py3", "1.0-1", "1.0-1-arm64-cpu-py3"])
def test_a_version_without_wheels_becomes_the_next_higher_one_and_the_notice_says_so(tag: str) -> None:
    runtime = on(f"{ECR}/sagemaker-scikit-learn:{tag}")
    assert runtime.lock == "scikit-learn-1.2-1-py3.11"
    assert runtime.tag == tag
    assert runtime.notice is not None
    assert "has no wheels for Python 3.11: running with 1.2-1 (scikit-learn 1.2.1)" in runtime.notice


def test_the_notice_reads_as_documented() -> None:
    runtime = on(f"{ECR}/sagemaker-scikit-learn:0.23-1-cpu-py3")
    assert runtime.notice == (
        "sagemaker-scikit-learn:0.23-1 asked for; scikit-learn 0.23 has no wheels for Python 3.11: "
        "running with 1.2-1 (scikit-learn 1.2.1)"
    )


def test_an_older_python_gives_the_exact_version() -> None:
    runtime = on(f"{ECR}/sagemaker-scikit-learn:0.23-1-cpu-py3", "3.11", "3.8")
    assert (runtime.lock, runtime.python, runtime.notice) == ("scikit-learn-0.23-1-py3.8", "3.8", None)


def test_an_older_python_that_is_not_old_enough_gives_the_nearest_version() -> None:
    runtime = on(f"{ECR}/sagemaker-scikit-learn:0.23-1-cpu-py3", "3.11", "3.10")
    assert runtime.lock == "scikit-learn-1.0-1-py3.10"
    assert runtime.notice is not None
    assert runtime.notice.endswith("running with 1.0-1 (scikit-learn 1.0.2) on Python 3.10")


def test_a_tag_that_names_a_python_says_when_another_one_runs() -> None:
    uri = f"{ECR}/sagemaker-scikit-learn:1.4-2-py312-cpu-py3"
    runtime = on(uri)
    assert runtime.lock == "scikit-learn-1.4-2-py3.11"
    assert runtime.notice is not None
    assert "Python 3.12 is not on this machine: running on Python 3.11" in runtime.notice
    exact = on(uri, "3.11", "3.12")
    assert (exact.lock, exact.notice) == ("scikit-learn-1.4-2-py3.12", None)


def test_a_newer_platform_python_still_runs_something() -> None:
    runtime = on(f"{ECR}/sagemaker-scikit-learn:1.2-1-cpu-py3", "3.13")
    assert runtime.lock == "scikit-learn-1.9-0-py3.13"


@pytest.mark.parametrize(
    ("uri", "part"),
    [
        (f"{ECR}/my-own:latest", "container engine"),
        ("python:3.12", "container engine"),
        (f"{ECR}/sagemaker-scikit-learn:9.9-1-cpu-py3", "has the tags 0.20.0, 0.23-1"),
        (f"{ECR}/sagemaker-scikit-learn", "without a tag"),
        (f"{ECR}/sagemaker-scikit-learn@sha256:{'0' * 64}", "digest"),
    ],
)
def test_an_image_without_a_runtime_is_named_with_what_can_be_done(uri: str, part: str) -> None:
    with pytest.raises(ImageNotRunnable) as refused:
        on(uri)
    assert uri in str(refused.value)
    assert part in str(refused.value)


@pytest.mark.parametrize("uri", ["", ":1", "@sha256:0"])
def test_what_is_no_image_name_is_refused(uri: str) -> None:
    with pytest.raises(ImageNotRunnable):
        on(uri)


def test_no_fitting_python_at_all_is_explained() -> None:
    with pytest.raises(ImageNotRunnable, match="SAGESMITH_PYTHONS"):
        on(f"{ECR}/sagemaker-scikit-learn:1.2-1", "3.99")


def test_a_machine_without_wheels_gets_the_next_version() -> None:
    runtime = on(f"{ECR}/sagemaker-scikit-learn:0.23-1", "3.11", "3.8", machine="aarch64")
    assert runtime.lock == "scikit-learn-1.0-1-py3.8"


def test_the_catalogue_has_every_tag_of_the_sdks() -> None:
    tags = [release.tag for release in catalogue()["sagemaker-scikit-learn"].releases]
    assert tags == ["0.20.0", "0.23-1", "1.0-1", "1.2-1", "1.4-2", "1.4-2-py312", "1.9-0"]
