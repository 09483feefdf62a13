"""Requests that wait together are predicted together, and every answer is what it would have been."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sagesmith.config import default_cache_dir
from sagesmith.images.environments import ensure
from sagesmith.images.registry import resolve
from tests.integration.modelserver.conftest import SOURCE, ModelServerProcess, Reply

REGISTRY = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
HELD = """
import json, os, time
import numpy as np
def model_fn(model_dir):
    return model_dir
def input_fn(body, content_type):
    return np.array(json.loads(body), dtype=float)
def predict_fn(data, model):
    if data[0, 0] == 0:
        print("predicting")
    while data[0, 0] == 0 and not os.path.exists(os.environ["GO_ON"]):
        time.sleep(0.001)
    if (data < 0).any():
        raise ValueError("negative")
    return [[len(data), *row] for row in data.tolist()]
def output_fn(prediction, accept):
    return json.dumps(prediction)
"""

YIELDING = """
    def pieces():
        yield "one "
        while not os.path.exists(os.environ["END"]):
            time.sleep(0.001)
        yield "two"
    return pieces() if prediction[0][1] == 2 else json.dumps(prediction)
"""


@pytest.mark.parametrize(
    ("framework", "image", "alone"),
    [
        ("scikit_learn", "sagemaker-scikit-learn:1.2-1-cpu-py3", {"neighbours", "network"}),
        ("scikit_learn", "sagemaker-scikit-learn:1.4-2-cpu-py3", {"neighbours", "network"}),
        ("xgboost", "sagemaker-xgboost:3.0-5", set()),
    ],
)
def test_no_answer_changes_by_what_is_predicted_beside_it(framework: str, image: str, alone: set[str]) -> None:
    built = ensure(resolve(f"{REGISTRY}/{image}"), default_cache_dir(), print)
    ran = subprocess.run(
        [built.path / "bin" / "python", str(Path(__file__).with_name("parity.py")), framework],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    for model, seen in json.loads(ran.stdout).items():
        assert seen["different"] == 0, (model, seen)
        assert (seen["together"] == 0) == (model.partition(",")[0] in alone), (model, seen)


def waiting(server: ModelServerProcess, bodies: list[bytes]) -> list[Callable[[], Reply]]:
    """Send requests, and come back when the model server has them: what came before a ping is read before it."""
    pending = []
    for body in bodies:
        pending.append(server.send("POST", "/invocations", body, content_type="application/json"))
        assert (server.ping(), server.ping()) == (200, 200)
    return pending


@pytest.mark.parametrize(("setting", "sizes"), [("on", [1, 4, 4, 4]), ("auto", [1, 1, 1, 2])])
def test_a_script_that_says_so_gets_the_rows_of_several_requests(
    server: Callable[..., ModelServerProcess], tmp_path: Path, setting: str, sizes: list[int]
) -> None:
    go_on = tmp_path / "go-on"
    held = server(HELD, SAGESMITH_BATCHING=setting, GO_ON=str(go_on))
    held.wait_until_ready()
    first = held.send("POST", "/invocations", b"[[0]]", content_type="application/json")
    held.wait_for_output("predicting")
    pending = waiting(held, [b"[[1]]", b"[[2]]", b"[[3], [4]]"])
    go_on.touch()
    answers = [json.loads(each().text) for each in (first, *pending)]
    assert [rows[0][0] for rows in answers] == sizes
    assert [[row[1] for row in rows] for rows in answers] == [[0], [1], [2], [3, 4]]


def test_what_takes_long_in_a_batch_keeps_no_other_answer_waiting(
    server: Callable[..., ModelServerProcess], tmp_path: Path
) -> None:
    go_on, end = tmp_path / "go-on", tmp_path / "end"
    handlers = HELD.replace("return json.dumps(prediction)", YIELDING)
    held = server(handlers, SAGESMITH_BATCHING="on", GO_ON=str(go_on), END=str(end)).wait_until_ready()
    first = held.send("POST", "/invocations", b"[[0]]", content_type="application/json")
    held.wait_for_output("predicting")
    slow, quick = waiting(held, [b"[[2]]", b"[[1]]"])
    go_on.touch()
    assert (first().status, json.loads(quick().text)) == (200, [[2, 1.0]])
    end.touch()
    assert slow().text == "one two"


def test_one_bad_request_of_a_batch_fails_alone(server: Callable[..., ModelServerProcess], tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    held = server(HELD, SAGESMITH_BATCHING="on", GO_ON=str(go_on))
    held.wait_until_ready()
    first = held.send("POST", "/invocations", b"[[0]]", content_type="application/json")
    held.wait_for_output("predicting")
    pending = waiting(held, [b"[[1]]", b"[[-2]]", b"not JSON", b"[[1, 2]]"])
    go_on.touch()
    replies = [each() for each in (first, *pending)]
    assert [reply.status for reply in replies] == [200, 200, 500, 500, 200]
    assert "negative" in replies[2].text
