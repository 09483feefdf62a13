"""Models in MLflow's format, in the environment that endpoints of MLflow's own image get."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sagesmith.config import default_cache_dir
from sagesmith.images.environments import ensure
from sagesmith.images.registry import resolve

SOURCE = Path(__file__).parents[3] / "src"
PROGRAM = """
import io, json, sys
from pathlib import Path
import mlflow, pandas
from mlflow.models import infer_signature
from mlflow.pyfunc import PythonModel
from sklearn.linear_model import LinearRegression
from sagesmith.modelserver import answers, handlers
from sagesmith.modelserver.frameworks import load, mlflow as served

root = Path(sys.argv[1])
frame = pandas.DataFrame({"a": [1.0, 3.0], "b": [2.0, 4.0]})
model = LinearRegression(fit_intercept=False).fit(frame, frame.sum(axis=1))
mlflow.sklearn.save_model(model, root / "linear", signature=infer_signature(frame, frame.sum(axis=1)))

class Scaled(PythonModel):
    def predict(self, context, model_input, params=None):
        return {"sum": [float(pandas.DataFrame(model_input).to_numpy().sum()) * params["factor"]]}

signature = infer_signature([1.0, 2.0], {"sum": [3.0]}, params={"factor": 1.0})
mlflow.pyfunc.save_model(root / "packed" / "scaled", python_model=Scaled(), signature=signature)

def asked(loaded, body, kind="application/json"):
    content = body if isinstance(body, bytes) else body.encode()
    try:
        answer = answers.answer(loaded.invoke(content, kind, "application/json", handlers.Context(root)), "")
    except Exception as error:
        answer = answers.failure(answers.from_exception(error))
    return [answer.status, answer.body.decode()]

linear, scaled = load("mlflow", None, root / "linear"), load("mlflow", None, root / "packed")
parquet = io.BytesIO()
(root / "linear" / "empty").mkdir()
frame.to_parquet(parquet)
try:
    load("mlflow", None, root / "linear" / "empty")
    missing = ""
except Exception as error:
    missing = str(error)
print(json.dumps({
    "split": asked(linear, json.dumps({"dataframe_split": frame.to_dict(orient="split")})),
    "records": asked(linear, json.dumps({"dataframe_records": frame.to_dict(orient="records")})),
    "instances": asked(linear, json.dumps({"instances": frame.to_dict(orient="records")})),
    "inputs": asked(linear, json.dumps({"inputs": frame.to_dict(orient="list")})),
    "csv": asked(linear, frame.to_csv(index=False), "text/csv"),
    "parquet": asked(linear, parquet.getvalue(), "application/vnd.apache.parquet"),
    "no_format": asked(linear, "{}"),
    "not_json": asked(linear, "{"),
    "missing_column": asked(linear, json.dumps({"inputs": {"a": [1.0]}})),
    "unknown_type": asked(linear, "x", "text/plain"),
    "params": asked(scaled, json.dumps({"inputs": [1.0, 2.0], "params": {"factor": 2.0}})),
    "missing": missing,
    "unsatisfied": served.unsatisfied([
        "# a comment", "", "mlflow==1.0", f"numpy>=1  # why", "xgboost>=1", "scikit-learn==0.1", "no-such-thing",
        "numpy==0.1; python_version < '3'", "-r other.txt",
    ]),
}))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("mlflow")
    runtime = resolve("mlflow-pyfunc:3.17.2")
    built = ensure(runtime, default_cache_dir(), print)
    ran = subprocess.run(
        [built.path / "bin" / "python", "-c", PROGRAM, str(folder)],
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(SOURCE), **runtime.variables},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("form", ["split", "records", "instances", "inputs", "csv", "parquet"])
def test_every_form_of_mlflows_scoring_protocol_is_predicted(seen: dict[str, Any], form: str) -> None:
    status, body = seen[form]
    assert status == 200, body
    assert json.loads(body) == {"predictions": pytest.approx([3, 7])}


@pytest.mark.parametrize("form", ["no_format", "not_json", "missing_column"])
def test_what_does_not_fit_is_refused_in_mlflows_words(seen: dict[str, Any], form: str) -> None:
    status, body = seen[form]
    assert (status, list(json.loads(body))[:2]) == (400, ["error_code", "message"])


def test_a_type_that_mlflow_does_not_read_is_415(seen: dict[str, Any]) -> None:
    status, body = seen["unknown_type"]
    assert status == 415
    assert body.startswith("This predictor only supports the following content types")


def test_a_python_model_in_a_folder_of_the_artifact_gets_its_parameters(seen: dict[str, Any]) -> None:
    assert seen["params"] == [200, '{"predictions": {"sum": [6.0]}}']


def test_an_artifact_without_a_description_says_what_to_pack(seen: dict[str, Any]) -> None:
    assert seen["missing"].startswith("There is no MLmodel in ")


def test_only_requirements_that_the_environment_does_not_meet_are_installed(seen: dict[str, Any]) -> None:
    assert seen["unsatisfied"] == ["scikit-learn==0.1", "no-such-thing", "-r other.txt"]
