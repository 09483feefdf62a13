"""JumpStart's bucket: what the SDK reads there fits together, and with what runs here."""

import io
import json
import tarfile

import pytest

from sagesmith.images import registry
from sagesmith.jumpstart import bucket, region_of
from sagesmith.jumpstart.models import MODELS, Model, specification


def test_the_buckets_name_has_the_region() -> None:
    assert region_of("jumpstart-cache-prod-eu-west-1") == "eu-west-1"
    assert region_of("jumpstart-cache-prod-us-gov-west-1") == "us-gov-west-1"
    assert region_of("jumpstart-cache-prod") is None
    assert region_of("my-jumpstart-cache-prod-eu-west-1") is None


def test_everything_that_the_manifest_names_is_there_before_it() -> None:
    content = bucket.objects("eu-west-1")
    assert list(content)[-1] == bucket.MANIFEST
    for header in json.loads(content[bucket.MANIFEST]):
        described = json.loads(content[header["spec_key"]])
        assert described["model_id"] == header["model_id"]
        for key in ("training_artifact_key", "training_script_key", "hosting_script_key"):
            with tarfile.open(fileobj=io.BytesIO(content[described[key]])) as archive:
                assert archive.getnames()


def test_content_is_the_same_each_time_and_has_another_digest_when_it_changes() -> None:
    content = bucket.objects("eu-west-1")
    assert bucket.digest(content) == bucket.digest(bucket.objects("eu-west-1"))
    assert bucket.digest(content) != bucket.digest(bucket.objects("us-east-1"))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_a_models_image_has_its_algorithm(model: Model) -> None:
    described = specification(model, "eu-west-1")
    image = described["training_instance_type_variants"]["regional_aliases"]["eu-west-1"]["alias_ecr_uri_1"]
    variables = registry.resolve(image).variables
    assert described["model_id"].startswith(variables[registry.REPOSITORY])
    assert variables[registry.ALGORITHM] == model.algorithm


def test_a_model_of_texts_says_in_its_artifact_which_one_was_asked_for() -> None:
    content = bucket.objects("eu-west-1")
    (model,) = (each for each in MODELS if each.id == "tensorflow-tc-bert-en-uncased-L-12-H-768-A-12-2")
    with tarfile.open(fileobj=io.BytesIO(content[model.artifact_key])) as archive:
        said = archive.extractfile("jumpstart.json")
        assert said is not None
        assert json.load(said) == {"model_id": model.id}
