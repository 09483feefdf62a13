"""An image of one's own as these tests need it, made of Debian's busybox-static without a network."""

import contextlib
import io
import os
import subprocess
import tarfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from sagesmith.agent import engine
from tests.integration import jobs

BUSYBOX = "/bin/busybox"
_APPLETS = (
    *("sh", "sed", "cat", "id", "sleep", "echo", "mkdir", "wget", "nc", "env", "hostname", "dd", "seq"),
    *("touch", "printf", "head", "test", "ls", "ps", "free", "stat", "rm", "wc"),
)
_TRAIN = """#!/bin/sh
command=$(sed -n 's/.*"command": "\\(.*\\)"}$/\\1/p' /opt/ml/input/config/hyperparameters.json)
echo "train $@"
eval "$command"
"""
_SERVE = """#!/bin/sh
echo "run with $@"
eval "$BEFORE"
# As a container's first process it is asked in vain to end, unless it says what to do then.
trap 'exit 0' TERM
nc -ll -p 8080 -e /usr/local/bin/answer &
wait
"""
_ANSWER = """#!/bin/sh
# The API for models: two of them fit in, and one that has a file `broken` cannot be loaded.
load() {
  mkdir -p /tmp/loaded
  model=$(echo "$1" | sed 's/.*"model_name": "\\([^"]*\\)".*/\\1/')
  url=$(echo "$1" | sed 's/.*"url": "\\([^"]*\\)".*/\\1/')
  if test -e "/tmp/loaded/$model"; then status="409 Conflict"
  elif test -e "$url/broken"; then status="500 Internal Server Error"; answer="broken model"
  elif test "$(ls /tmp/loaded | wc -l)" -ge 2; then status="507 Insufficient Storage"
  else touch "/tmp/loaded/$model"
  fi
}
# Answers the requests of a connection: /ping by whether /tmp/ill is there, /invocations by what the body, a shell
# command, prints. It is 500 if the command fails.
while IFS= read -r line; do
  method=${line%% *}; path=${line#* }; path=${path%% *}; length=0; type=; custom=
  while IFS= read -r header; do
    header=${header%?}
    case $header in
      "") break ;;
      [Cc]ontent-[Ll]ength:*) length=${header#*: } ;;
      [Cc]ontent-[Tt]ype:*) type=${header#*: } ;;
      [Xx]-[Aa]mzn-[Ss]age[Mm]aker-[Cc]ustom-[Aa]ttributes:*) custom=${header#*: } ;;
    esac
  done
  body=$(head -c "$length")
  status="200 OK"
  case "$method $path" in
    "GET /ping") answer=; while test -e /tmp/ill; do sleep 1; done ;;
    "POST /models") answer=; load "$body" ;;
    "DELETE /models/"*) answer=$(rm /tmp/loaded/"${path##*/}" 2>&1) || status="404 Not Found" ;;
    "POST /models/"*/invoke)
      model=${path#/models/}; MODEL=/opt/ml/models/${model%/invoke}/model
      answer=$(eval "$body" 2>&1) || status="500 Internal Server Error" ;;
    "POST /invocations") answer=$(eval "$body" 2>&1) || status="500 Internal Server Error" ;;
    *) status="404 Not Found"; answer="no $method $path" ;;
  esac
  printf 'HTTP/1.1 %s\\r\\nContent-Type: %s\\r\\nContent-Length: %s\\r\\n' "$status" "${type:-text/plain}" ${#answer}
  printf 'X-Amzn-SageMaker-Custom-Attributes: %s\\r\\n\\r\\n%s' "$custom" "$answer"
done
"""


def why_not() -> str | None:
    """Why no container can be tested here, None if one can."""
    found = engine.find()
    if found is None:
        return "there is no container engine: apt-get install podman runc"
    if not Path(BUSYBOX).exists():
        return "there is no program to make an image of: apt-get install busybox-static"
    try:
        engine.version(found)
    except OSError as error:
        return f"the container engine does not run: {error}"
    return None


def podman(*words: str, data: bytes | None = None) -> str:
    program = engine.find()
    assert program is not None
    done = subprocess.run([program, *words], input=data, capture_output=True, check=True)
    return done.stdout.decode()


def root_file_system() -> bytes:
    """A tar archive with a shell, a program `train` that runs the hyperparameter `command`, and a program `serve` that
    answers with what the requests' bodies, shell commands, print."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(os.path.realpath(BUSYBOX), "bin/busybox")
        for name in _APPLETS:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for name, text in (("train", _TRAIN), ("serve", _SERVE), ("answer", _ANSWER)):
            member = tarfile.TarInfo(f"usr/local/bin/{name}")
            member.mode, member.size = 0o755, len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
        tmp = tarfile.TarInfo("tmp")
        tmp.type, tmp.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(tmp)
    return buffer.getvalue()


@contextlib.contextmanager
def made(*changes: str) -> Iterator[str]:
    """The image under a name of its own.

    Args:
        changes: instructions of a Dockerfile.
    """
    tag = f"localhost/{jobs.name('own')}:1"
    options = [word for change in changes for word in ("--change", change)]
    podman("import", *options, "-", tag, data=root_file_system())
    yield tag
    podman("rmi", "--force", tag)


def no_containers(image: str, ids: Iterable[str] = ("",)) -> bool:
    """Wait until the engine has forgotten all containers of an image whose names have one of these within."""
    while any(each in name for name in _containers(image) for each in ids):
        time.sleep(0.1)
    return True


def _containers(image: str) -> list[str]:
    rows = podman("ps", "--all", "--filter", f"label={engine.LABEL}", "--format", "{{.Image}} {{.Names}}")
    return [name for row in rows.splitlines() for of, name in [row.split()] if of == image]
