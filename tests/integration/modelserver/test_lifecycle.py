"""Loading, failing to load, getting stuck, ending."""

import http.client
import os
import signal
import stat
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.modelserver.conftest import ModelServerProcess

Start = Callable[..., ModelServerProcess]

GATE = """
import os, time
def wait_for(name):
    while not os.path.exists(os.path.join(os.environ["SAGEMAKER_BASE_DIR"], name)):
        time.sleep(0.005)
"""
SLOW = (
    GATE
    + """
def model_fn(model_dir):
    return None
def transform_fn(model, body, content_type, accept):
    print("began", body)
    if body != "quick":
        wait_for(body)
    return body
"""
)


def ended(server: ModelServerProcess) -> str:
    """The output of a server that must fail to load."""
    assert server.process.wait(60) == 1
    return server.output()


def test_ping_is_503_until_the_model_is_loaded(server: Start) -> None:
    running = server(
        GATE + "def model_fn(model_dir):\n    wait_for('go')\ndef transform_fn(*arguments):\n    return 'yes'"
    )
    running.wait_for_ping(503)
    assert running.invoke(b"x").status == 503
    (running.base / "go").touch()
    running.wait_until_ready()
    assert running.invoke(b"x").text == "yes"


def test_the_socket_is_the_owners_alone(server: Start) -> None:
    running = server(SLOW).wait_until_ready()
    assert stat.S_IMODE(os.stat(running.socket).st_mode) == 0o600


def test_a_model_fn_that_raises_ends_the_process_with_the_reason_last(server: Start) -> None:
    output = ended(server("def model_fn(model_dir):\n    raise ValueError('no weights')"))
    assert output.rstrip().endswith("ValueError: no weights")
    assert "sagesmith" not in output


def test_a_model_fn_that_exits_does_not_look_like_success(server: Start) -> None:
    assert "sys.exit(0)" in ended(server("import sys\ndef model_fn(model_dir):\n    sys.exit(0)"))


def test_without_a_model_fn_awss_message_says_so(server: Start) -> None:
    assert "Please provide a model_fn implementation." in ended(server("x = 1"))


def test_a_syntax_error_names_file_and_line(server: Start) -> None:
    output = ended(server("def model_fn(:\n"))
    assert "inference.py" in output
    assert "SyntaxError" in output


def test_a_script_that_is_missing_is_named_with_what_is_there(server: Start) -> None:
    output = ended(server("x = 1", SAGEMAKER_PROGRAM="serve.py"))
    assert "SAGEMAKER_PROGRAM=serve.py: there is no such file" in output
    assert "inference.py" in output


def test_transform_fn_beside_predict_fn_is_refused_as_aws_does(server: Start) -> None:
    handlers = "def model_fn(d): pass\ndef transform_fn(m, b, c, a): pass\ndef predict_fn(d, m): pass"
    assert "Cannot use transform_fn implementation with input_fn, predict_fn, and/or output_fn" in ended(
        server(handlers)
    )


def test_the_submit_directory_names_where_the_code_is(server: Start) -> None:
    code = "def model_fn(d): pass\ndef transform_fn(m, b, c, a): return __name__"
    running = server("raise SystemExit(5)", {"own/entry.py": code})
    running.end()
    own = running.base / "model" / "code" / "own"
    running = server(
        "raise SystemExit(5)", SAGEMAKER_PROGRAM="entry.py", SAGEMAKER_SUBMIT_DIRECTORY=f"file://{own}"
    ).wait_until_ready()
    assert running.invoke(b"x").text == "entry"


def test_requirements_that_the_environment_has_cost_no_installation(server: Start) -> None:
    running = server(SLOW, {"requirements.txt": "numpy\njoblib\n"}).wait_until_ready()
    assert "Requirement already satisfied: numpy" in running.output()
    assert "Installing collected packages" not in running.output()


def test_requirements_that_the_environment_lacks_are_laid_over_it_without_what_it_has(
    server: Start, tmp_path: Path
) -> None:
    information = "tinypackage-1.0.dist-info"
    with zipfile.ZipFile(tmp_path / "tinypackage-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tinypackage.py", "ANSWER = '42'\n")
        wheel.writestr(
            f"{information}/METADATA", "Metadata-Version: 2.1\nName: tinypackage\nVersion: 1.0\nRequires-Dist: numpy\n"
        )
        wheel.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{information}/RECORD", "")
    running = server(
        "import tinypackage\ndef model_fn(d): pass\ndef transform_fn(m, b, c, a): return tinypackage.ANSWER",
        {"requirements.txt": "tinypackage==1.0\nnumpy\n"},
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS=str(tmp_path),
    ).wait_until_ready()
    assert running.invoke(b"x").text == "42"
    installed = {path.name for path in (tmp_path / "venv").glob("lib/python3.*/site-packages/*")}
    assert "tinypackage.py" in installed
    assert "numpy" not in installed


def test_requirements_that_cannot_be_had_end_the_process(server: Start) -> None:
    output = ended(server(SLOW, {"requirements.txt": "./nowhere\n"}))
    assert "requirements.txt could not be installed" in output


def test_ping_answers_while_a_handler_runs(server: Start) -> None:
    running = server(SLOW).wait_until_ready()
    waiting = running.send("POST", "/invocations", b"go", content_type="text/csv")
    running.wait_for_output("began go")
    assert running.ping() == 200
    (running.base / "go").touch()
    assert waiting().text == "go"


def test_more_than_the_queue_holds_is_refused_with_503(server: Start) -> None:
    running = server(SLOW, SAGEMAKER_MODEL_SERVER_QUEUE_SIZE="1").wait_until_ready()
    waiting = running.send("POST", "/invocations", b"go", content_type="text/csv")
    running.wait_for_output("began go")
    assert running.invoke(b"quick", "text/csv").status == 503
    (running.base / "go").touch()
    assert waiting().status == 200
    assert running.invoke(b"quick", "text/csv").status == 200


def test_an_invocation_that_nobody_waits_for_is_not_run(server: Start) -> None:
    running = server(SLOW).wait_until_ready()
    first = running.send("POST", "/invocations", b"go", content_type="text/csv")
    running.wait_for_output("began go")
    running.send("POST", "/invocations", b"abandoned", content_type="text/csv")
    running.connections[-1].close()
    running.ping()
    (running.base / "go").touch()
    first()
    assert running.invoke(b"quick", "text/csv").status == 200
    assert "began abandoned" not in running.output()


def test_a_handler_that_never_returns_is_given_up_and_the_server_starts_anew(server: Start) -> None:
    running = server(SLOW, SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS="0.5").wait_until_ready()
    pid = running.process.pid
    stuck = running.send("POST", "/invocations", b"never", content_type="text/csv")
    running.wait_for_output("began never")
    behind = running.send("POST", "/invocations", b"quick", content_type="text/csv")
    assert stuck().status == 504
    assert behind().status == 503
    running.wait_until_ready()
    assert running.invoke(b"quick", "text/csv").text == "quick"
    assert running.process.pid == pid
    assert "in transform_fn" in running.output()


def test_sigterm_lets_the_running_invocation_end(server: Start) -> None:
    running = server(SLOW).wait_until_ready()
    waiting = running.send("POST", "/invocations", b"go", content_type="text/csv")
    running.wait_for_output("began go")
    running.process.send_signal(signal.SIGTERM)
    while running.ping() == 200:
        time.sleep(0.005)
    (running.base / "go").touch()
    assert waiting().text == "go"
    assert running.process.wait(60) == 0


def test_sigterm_ends_an_idle_server_with_its_exit_handlers_and_without_a_fault(server: Start) -> None:
    saves = "import atexit\natexit.register(print, 'saved')\n"
    for _ in range(3):  # two threads end, and which one is first is not ours to say
        running = server(saves + SLOW).wait_until_ready()
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(30) == 0
        assert running.output().rstrip().endswith("saved")
        assert "Traceback" not in running.output()


def test_threads_that_user_code_leaves_running_do_not_keep_the_process(server: Start) -> None:
    thread = "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
    running = server(thread + "def model_fn(d): pass\ndef transform_fn(m, b, c, a): return b").wait_until_ready()
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(60) == 0
    assert "no weights" in ended(server(thread + "raise ValueError('no weights')"))


def test_sigterm_while_the_model_is_loaded_ends_the_process(server: Start) -> None:
    running = server(GATE + "def model_fn(model_dir):\n    wait_for('go')")
    running.wait_for_ping(503)
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(60) != 0


def test_a_handler_that_kills_the_process_breaks_the_connection(server: Start) -> None:
    running = server("import os\ndef model_fn(d): pass\ndef transform_fn(m, b, c, a): os._exit(9)").wait_until_ready()
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        running.invoke(b"x")
    assert running.process.wait(60) == 9


def test_a_handlers_own_worker_processes_may_end_by_sigterm(server: Start) -> None:
    handlers = (
        "import multiprocessing\ndef model_fn(d): pass\n"
        "def transform_fn(m, b, c, a):\n"
        "    with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "        return str(sum(pool.map(abs, [-1, -2])))\n"
    )
    running = server(handlers).wait_until_ready()
    assert {running.invoke(b"x").text for _ in range(40)} == {"3"}
    assert running.ping() == 200


def test_sigterm_is_heard_after_a_handler_ran_an_event_loop(server: Start) -> None:
    handlers = (
        "import asyncio, signal\ndef model_fn(d): pass\n"
        "async def answer():\n"
        "    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print)\n"
        "    return 'done'\n"
        "def transform_fn(m, b, c, a): return asyncio.run(answer())\n"
    )
    running = server(handlers).wait_until_ready()
    assert running.invoke(b"x").text == "done"
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(60) == 0
