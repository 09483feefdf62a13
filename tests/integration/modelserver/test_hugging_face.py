"""Models of the Hugging Face hub, in the environment that endpoints of its image get."""

import socket
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from sagesmith.config import default_cache_dir
from sagesmith.images.environments import ensure
from sagesmith.images.registry import resolve

SOURCE = Path(__file__).parents[3] / "src"
LOAD = """
import sys
from pathlib import Path
from sagesmith.modelserver.errors import LoadError
from sagesmith.modelserver.frameworks import load
try:
    load("huggingface", None, Path(sys.argv[1]))
except LoadError as error:
    print("refused:", error)
except OSError as error:
    print("the client says:", error)
"""


def loaded(folder: Path, **variables: str) -> str:
    """What became of loading an artifact without files."""
    runtime = resolve("huggingface-pytorch-inference:2.6.0-transformers4.49.0-cpu-py311-ubuntu22.04")
    built = ensure(runtime, default_cache_dir(), print)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(SOURCE), **runtime.variables}
    ran = subprocess.run(
        [built.path / "bin" / "python", "-c", LOAD, str(folder)],
        env={**environment, "HF_TASK": "fill-mask", "HF_MODEL_ID": "someone/a-model", **variables},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_hub_that_cannot_be_reached_is_refused_at_once_with_the_way_without_it(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        # Bound and not listening: nobody else takes the port, and nobody answers.
        nobody.bind(("127.0.0.1", 0))
        said = loaded(tmp_path, HF_ENDPOINT=f"http://127.0.0.1:{nobody.getsockname()[1]}")
    assert said.startswith("refused: HF_MODEL_ID=someone/a-model: the hub http://127.0.0.1:")
    assert "give the model a ModelDataUrl" in said


def test_of_a_hub_that_is_there_its_own_client_tells_what_it_has_not(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    said = loaded(tmp_path, HF_ENDPOINT=f"http://127.0.0.1:{server.server_address[1]}")
    server.shutdown()
    server.server_close()
    assert said.startswith("the client says:")
    assert "someone/a-model" in said
