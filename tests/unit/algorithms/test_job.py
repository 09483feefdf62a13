"""What a training job says of itself, read and checked."""

import json
from pathlib import Path

import pytest

from sagesmith.algorithms import catalogue
from sagesmith.algorithms.errors import CustomerError
from sagesmith.algorithms.run.job import Job, check_instances

ONE = [name for name in catalogue.NAMES if not catalogue.algorithm(name).instances]


def load(root: Path, name: str, hyperparameters: dict[str, str], hosts: int) -> Job:
    config = root / "input" / "config"
    config.mkdir(parents=True)
    names = [f"algo-{number}" for number in range(1, hosts + 1)]
    (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
    (config / "resourceconfig.json").write_text(json.dumps({"current_host": "algo-1", "hosts": names}))
    (config / "inputdataconfig.json").write_text(json.dumps({"train": {"TrainingInputMode": "File"}}))
    return Job.load(catalogue.algorithm(name), root)


def test_aws_table_of_algorithms_for_one_instance_is_kept() -> None:
    # LightGBM trains on several there, with Dask.
    assert ONE == [
        "autogluon",
        "catboost",
        "lda",
        "lightgbm",
        "object2vec",
        "semantic_segmentation",
        "sentence_pair_classification",
        "seq2seq",
        "tabtransformer",
        "text_classification",
    ]


@pytest.mark.parametrize("name", ONE)
def test_several_instances_are_refused_by_an_algorithm_for_one(name: str) -> None:
    check_instances(catalogue.algorithm(name), {}, 1)
    with pytest.raises(CustomerError, match=r"trains on one instance; the job has 2\. Set InstanceCount to 1\.$"):
        check_instances(catalogue.algorithm(name), {}, 2)


def test_a_job_of_too_many_instances_is_refused_before_its_channels_are_looked_at(tmp_path: Path) -> None:
    with pytest.raises(CustomerError) as refused:
        load(tmp_path, "lda", {"num_topics": "2", "feature_dim": "2", "mini_batch_size": "2"}, 3)
    assert refused.value.reason == (
        "ClientError: Unable to initialize the algorithm. LDA trains on one instance; the job has 3. "
        "Set InstanceCount to 1."
    )


def test_hosts_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    job = load(tmp_path, "pca", {"num_components": "1", "feature_dim": "2", "mini_batch_size": "2"}, 11)
    assert job.hosts[1:3] == ("algo-2", "algo-3")
    assert job.hosts[-1] == "algo-11"


@pytest.mark.parametrize("mode", ["cbow", "skipgram", "supervised"])
def test_blazingtext_trains_on_several_instances_in_one_mode_alone(tmp_path: Path, mode: str) -> None:
    assert len(load(tmp_path / "a", "blazingtext", {"mode": "batch_skipgram"}, 2).hosts) == 2
    with pytest.raises(CustomerError, match=f"BlazingText with mode={mode} .* to 1, or mode to batch_skipgram"):
        load(tmp_path / "b", "blazingtext", {"mode": mode}, 2)
