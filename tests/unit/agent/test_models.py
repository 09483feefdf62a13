"""Where the models of a multi-model endpoint lie."""

import pytest

from sagesmith.agent.models import ModelRefused, uri_of


@pytest.mark.parametrize(
    ("prefix", "name", "uri"),
    [
        ("s3://b/p/", "m.tar.gz", "s3://b/p/m.tar.gz"),
        ("s3://b/p", "m.tar.gz", "s3://b/p/m.tar.gz"),
        ("s3://b/p", "/m.tar.gz", "s3://b/p/m.tar.gz"),
        ("s3://b/p/", "a b/%2e/m", "s3://b/p/a b/%2e/m"),
    ],
)
def test_a_model_is_named_relative_to_the_prefix(prefix: str, name: str, uri: str) -> None:
    assert uri_of(prefix, name) == uri


@pytest.mark.parametrize("name", ["", "..", "../m", "a/../m", "/m", "//m", "a//m", "a/", "s3://other/m", "a\nb"])
def test_a_name_that_leads_out_of_the_prefix_is_refused(name: str) -> None:
    with pytest.raises(ModelRefused) as raised:
        uri_of("s3://b/p/", name)
    assert raised.value.kind == "BadTarget"
