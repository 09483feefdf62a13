from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sagesmith.modelserver import frameworks
from sagesmith.modelserver.errors import BadInput, LoadError
from sagesmith.modelserver.handlers import Context, load

MODEL_DIR = Path("/opt/ml/model")


def module(**functions: Any) -> ModuleType:
    made = ModuleType("inference")
    made.__dict__.update({"model_fn": lambda model_dir: "model", **functions})
    return made


def invoke(user: ModuleType, body: bytes, content_type: str = "text/csv") -> Any:
    return load(user, MODEL_DIR).invoke(body, content_type, "text/csv", Context(MODEL_DIR))


def test_text_comes_as_str_and_everything_else_as_bytes() -> None:
    user = module(transform_fn=lambda model, body, content_type, accept: body)
    assert invoke(user, b"a", "text/csv; charset=utf-8") == "a"
    assert invoke(user, b"a", "text/plain") == b"a"


def test_text_that_is_not_utf_8_is_bad_input() -> None:
    with pytest.raises(BadInput):
        invoke(module(transform_fn=lambda *arguments: None), b"\xff")


def test_a_further_parameter_with_a_default_is_not_the_context() -> None:
    def predict_fn(data: str, model: str, threshold: float = 0.5) -> float:
        return threshold

    user = module(predict_fn=predict_fn, input_fn=lambda b, c: b, output_fn=lambda p, a: p)
    assert invoke(user, b"x") == 0.5


def test_an_optional_parameter_called_context_is_the_context() -> None:
    def predict_fn(data: str, model: str, context: Any = None) -> Any:
        return context

    user = module(predict_fn=predict_fn, input_fn=lambda b, c: b, output_fn=lambda p, a: p)
    assert isinstance(invoke(user, b"x"), Context)


@pytest.mark.parametrize("other", ["input_fn", "predict_fn", "output_fn"])
def test_transform_fn_stands_alone(other: str) -> None:
    with pytest.raises(LoadError, match="Cannot use transform_fn implementation with"):
        load(module(transform_fn=print, **{other: print}), MODEL_DIR)


def test_without_code_there_is_no_model_fn() -> None:
    with pytest.raises(NotImplementedError, match="Please provide a model_fn implementation"):
        load(None, MODEL_DIR)


def test_a_model_of_mlflow_that_is_not_there_needs_nothing_to_be_installed(tmp_path: Path) -> None:
    assert frameworks.mlflow_needs_more(tmp_path) is False
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text("flavors: {}\n")
    assert frameworks.mlflow_needs_more(tmp_path) is False


def test_a_requirement_of_a_model_of_mlflow_that_is_not_met_is_told_and_kept_from_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    (tmp_path / "requirements.txt").write_text("mlflow==1.0\nno-such-distribution==1\n")
    assert frameworks.mlflow_needs_more(tmp_path) is True
    monkeypatch.setenv("SAGEMAKER_MULTI_MODEL", "true")
    with pytest.raises(LoadError, match="no-such-distribution==1, which a server of many models does not install"):
        frameworks.load("mlflow", None, tmp_path)
    monkeypatch.setenv("MLFLOW_DISABLE_ENV_CREATION", "true")
    assert frameworks.mlflow_needs_more(tmp_path) is False
