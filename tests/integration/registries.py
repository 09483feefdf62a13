"""A registry of container images on loopback that wants a name and a password, with one image in it.

Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

import base64
import contextlib
import gzip
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Registry:
    """A registry that runs.

    Attributes:
        image: the full name of the image in it.
        refused: how many requests had no or wrong credentials.
    """

    address: str
    image: str
    refused: list[str]

    def configuration(self, path: Path) -> Path:
        """A registries.conf(5) by which an engine speaks HTTP to it."""
        path.write_text(f'[[registry]]\nlocation = "{self.address}"\ninsecure = true\n')
        return path

    def log_in(self, path: Path, user: str, password: str) -> None:
        """A containers-auth.json(5), as `podman login` writes it."""
        auth = base64.b64encode(f"{user}:{password}".encode()).decode()
        path.write_text(json.dumps({"auths": {self.address: {"auth": auth}}}))


@contextlib.contextmanager
def registry(file_system: bytes, user: str, password: str) -> Iterator[Registry]:
    """Serve an image of one layer, a tar archive, to whoever names himself so."""
    blobs: dict[str, bytes] = {}

    def blob(content: bytes, media_type: str) -> dict[str, str | int]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        blobs[digest] = content
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine],
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(file_system).hexdigest()}"]},
        "config": {"Env": ["PATH=/usr/local/bin:/bin"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blob(json.dumps(config).encode(), _CONFIG),
        "layers": [blob(gzip.compress(file_system), _LAYER)],
    }
    described = json.dumps(manifest).encode()
    wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    refused: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, _, last = self.path.rpartition("/")
            if self.headers["Authorization"] != wanted:
                refused.append(self.path)
                self._answer(401, b'{"errors": [{"code": "UNAUTHORIZED", "message": "who are you?"}]}')
            elif self.path == "/v2/":
                self._answer(200, b"{}")
            elif self.path.startswith("/v2/own/manifests/"):
                self._answer(200, described, MANIFEST)
            elif last in blobs:
                self._answer(200, blobs[last], "application/octet-stream")
            else:
                self._answer(404, b"{}")

        do_HEAD = do_GET

        def _answer(self, status: int, body: bytes, content_type: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="own"')
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_port}"
        yield Registry(address, f"{address}/own:1", refused)
        server.shutdown()
