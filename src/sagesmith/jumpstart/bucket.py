"""What is in JumpStart's bucket."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping

from sagesmith.jumpstart.models import MODELS, manifest, specification

MANIFEST = "models_manifest.json"
_SCRIPTS = {"training": "transfer_learning.py", "inference": "inference.py"}
_SCRIPT = '"""This model\'s image has the algorithm: what is here is for the SDK, which wants a script."""\n'
_ARTIFACT = "What a training job begins with is in its image, if it begins with anything.\n"


def objects(region: str) -> dict[str, bytes]:
    """All objects by key, the manifest last: who finds it finds what it names."""
    content: dict[str, bytes] = {}
    for model in MODELS:
        content[model.spec_key] = _json(specification(model, region))
        content[model.artifact_key] = _archive(
            {"README": _ARTIFACT, "jumpstart.json": json.dumps({"model_id": model.id})}
        )
        for scope, script in _SCRIPTS.items():
            content[model.script_key(scope)] = _archive({script: _SCRIPT})
    content[MANIFEST] = _json(manifest())
    return content


def digest(content: Mapping[str, bytes]) -> str:
    """Changes when any object does."""
    found = hashlib.sha256()
    for key, body in content.items():
        found.update(f"{key} {len(body)}\n".encode() + body)
    return found.hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()


def _archive(files: Mapping[str, str]) -> bytes:
    """A tar.gz that is the same each time."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text), 0o644
            archive.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(packed.getvalue(), mtime=0)
