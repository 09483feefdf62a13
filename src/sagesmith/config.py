"""Where the platform lives and what it was told: settings and the layout of a data directory."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sagesmith.files import write_durably

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 9900
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
DATA_FORMAT = 1
DEFAULT_MIN_FREE_DISK_BYTES = 2 << 30
DEFAULT_AUDIT_DAYS = 90
"""As long as CloudTrail's event history goes back."""
DEFAULT_METRICS_DAYS = 455
"""As long as CloudWatch keeps metrics."""

Compute = Literal["local", "ray"]
"""Who places tasks: this machine alone, or a Ray cluster."""

RayStrategy = Literal["PACK", "STRICT_SPREAD"]
"""Where the hosts of one job go: close together, or each on a node of its own."""

StoreKms = Literal["platform", "store", "none"]
"""Where the object store takes its encryption keys from: the platform's own KMS, one of its own, or nowhere."""


@dataclass(frozen=True, slots=True)
class DataDir:
    """The layout of a data directory. Everything below it is readable by its owner only (mode 0700)."""

    root: Path

    @property
    def format_file(self) -> Path:
        return self.root / "format.json"

    @property
    def keys(self) -> Path:
        """Access key, master key, CA key: mode 0700, every file 0600."""
        return self.root / "keys"

    @property
    def tls(self) -> Path:
        """Our CA's certificate (`ca.pem`) and the bundle handed to clients (`bundle.pem`)."""
        return self.root / "tls"

    @property
    def database(self) -> Path:
        return self.root / "db" / "sagesmith.sqlite"

    @property
    def objects(self) -> Path:
        """The embedded object store's files."""
        return self.root / "objects"

    @property
    def tasks(self) -> Path:
        """One directory a task: specification, report, output, /opt/ml."""
        return self.root / "tasks"

    @property
    def ray_tasks(self) -> Path:
        """With Ray: what the platform and its driver tell each other of a task."""
        return self.root / "ray-tasks"

    @property
    def node_tasks(self) -> Path:
        """With a Ray of the platform's own: what `tasks` is on a node of a cluster, for this machine is that node."""
        return self.root / "node-tasks"

    @property
    def run(self) -> Path:
        """What is true while the platform runs: lock, platform.json, routes.json."""
        return self.root / "run"

    @property
    def invocations(self) -> Path:
        """What routers have noted of predictions, until it is in the database."""
        return self.root / "invocations"

    @property
    def captures(self) -> Path:
        """What routers have captured of predictions, until it is in S3."""
        return self.root / "captures"

    @property
    def asynchronous(self) -> Path:
        """Asynchronous predictions that were asked for and are not done."""
        return self.root / "async"

    @property
    def async_queue(self) -> Path:
        """One file a request."""
        return self.asynchronous / "queue"

    @property
    def async_notices(self) -> Path:
        """What is to be published of requests that are done."""
        return self.asynchronous / "notices"

    @property
    def async_answers(self) -> Path:
        """Answers on their way to S3."""
        return self.asynchronous / "answers"

    @property
    def logs(self) -> Path:
        """Logs of the platform's own processes."""
        return self.root / "logs"

    @property
    def platform_file(self) -> Path:
        return self.run / "platform.json"

    @property
    def routes_file(self) -> Path:
        return self.run / "routes.json"

    @property
    def sessions(self) -> Path:
        """Which model server has which stateful session (`gateway.sessions`)."""
        return self.run / "sessions"

    @property
    def wakes(self) -> Path:
        """For which endpoints a model server is asked for that are to have none (`wakes`)."""
        return self.run / "wakes"

    @property
    def slots(self) -> Path:
        """Which invocations of serverless endpoints are under way (`slots`)."""
        return self.run / "slots"

    @property
    def sockets(self) -> Path:
        """Unix sockets, outside a data directory that may be deep: their paths must be short (108 bytes)."""
        digest = hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"sagesmith-{os.getuid()}" / digest

    @property
    def api_socket(self) -> Path:
        return self.sockets / "api.sock"

    @property
    def async_socket(self) -> Path:
        """Where the router that works off asynchronous predictions hears of new ones."""
        return self.sockets / "async.sock"

    @property
    def gate_identity(self) -> Path:
        """With a user's Ray cluster: key and certificate of the connections between the nodes and this machine."""
        return self.keys / "ray-gate.pem"

    @property
    def gate_token(self) -> Path:
        return self.keys / "ray-gate.token"

    @property
    def ray_socket(self) -> Path:
        return self.sockets / "ray.sock"


@dataclass(frozen=True, slots=True)
class Platform:
    """The facts of one running platform, written by the supervisor to `run/platform.json` (mode 0600) and read by all
    its processes. Ports are TCP ports on `host`; URLs have no trailing slash."""

    data: str
    host: str
    port: int
    proxy_port: int
    admin_port: int
    account_id: str
    region: str
    database_url: str
    s3_endpoint: str
    s3_access_key_id: str
    s3_secret_access_key: str
    cache: str
    routers: int
    min_free_disk_bytes: int = DEFAULT_MIN_FREE_DISK_BYTES
    """With less than that free at the data directory, new jobs wait."""
    s3_kms: StoreKms = "platform"
    max_jobs: int = 2
    """How many instances of jobs run at once, and how many model servers a variant may have, whatever it asks for."""
    keep_days: int | None = None
    """Ended jobs and log events that are older are removed; None: they are kept."""
    job_ports: Sequence[int] = ()
    """TCP ports on this machine's loopback that user code may reach, beside the platform's own."""
    quotas: Mapping[str, int] = field(default_factory=dict)
    """How many resources of a kind, by AWS's noun such as `Model`, a region may have; of jobs, how many that are not
    over. Kinds that are not here have no limit."""
    audit_days: int = DEFAULT_AUDIT_DAYS
    """Records of the audit trail, and events of changes, that are older are removed."""
    metrics_days: int = DEFAULT_METRICS_DAYS
    """Data of metrics that are older are removed."""
    compute: Compute = "local"
    ray_address: str | None = None
    """`host:port` of the user's cluster; None: with `compute` Ray the platform runs one of its own."""
    ray_gate: str | None = None
    """`host:port` of this machine where the nodes of that cluster reach the platform."""
    ray_strategy: RayStrategy = "PACK"
    ray_lease_seconds: int = 20
    """How long a task goes on on a node that the cluster has given up, at most."""
    cache_limit_bytes: int | None = None
    """Above that the environments that nobody used for longest are removed; None: they are kept."""
    outside: str | None = None
    """The address at which other machines are served, by TLS, at the same port; None: there is none."""
    names: Sequence[str] = ()
    """What other machines may call it by, as its certificate says; the first is the one to tell them."""
    tls_cert: str | None = None
    """The certificate's file, with what leads to a CA."""
    tls_key: str | None = None
    """That of its private key; None: it stands in the same file."""
    prices: str | None = None
    """The user's file of what instance types cost; None: the prices that are shipped."""
    standby: bool = False
    """Whether another platform with the same keys takes over when this one ends."""

    @property
    def dir(self) -> DataDir:
        return DataDir(Path(self.data))

    @property
    def url(self) -> str:
        """The one endpoint of all services, as clients on this machine are told."""
        return f"http://{bracketed(self.host)}:{self.port}"

    @property
    def outside_url(self) -> str | None:
        """The endpoint as clients on other machines are told, if there is one for them."""
        return None if self.outside is None else f"https://{bracketed(self.names[0])}:{self.port}"

    @property
    def proxy_url(self) -> str:
        return f"http://127.0.0.1:{self.proxy_port}"

    def save(self) -> None:
        """Write `run/platform.json`, which the next start reads for the ports that running jobs know."""
        path = self.dir.platform_file
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, json.dumps(asdict(self), indent=1).encode())

    @classmethod
    def load(cls, data: Path) -> "Platform":
        """Read `run/platform.json` below `data`.

        Raises:
            FileNotFoundError: no platform was ever started there.
        """
        fields: dict[str, Any] = json.loads(DataDir(data).platform_file.read_text())
        return cls(**fields)

    @classmethod
    def last(cls, data: Path) -> "Platform | None":
        """The platform that runs on `data` or ran there last; None if none did, or another version wrote of it."""
        try:
            return cls.load(data)
        except (OSError, ValueError, TypeError):
            return None


def bracketed(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def parse_size(text: str) -> int:
    """Bytes of `512`, `512M`, `2G`, `2GiB`, `1.5T`: the suffixes are powers of 1024.

    Raises:
        ValueError: it is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size: a number of bytes, or one with K, M, G or T, such as 2G")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


def parse_ports(text: str) -> list[int]:
    """`5000,8080` as a list of ports.

    Raises:
        ValueError: saying what is wrong.
    """
    ports = []
    for part in filter(None, map(str.strip, text.split(","))):
        if not part.isdecimal() or not 0 < int(part) < 65536:
            raise ValueError(f"{part!r} is not a port")
        ports.append(int(part))
    return ports


def parse_quotas(text: str) -> dict[str, int]:
    """The limits of `Model=100,Endpoint=5`: how many by what.

    Raises:
        ValueError: it is no such list.
    """
    quotas = {}
    for entry in filter(None, (each.strip() for each in text.split(","))):
        noun, separator, number = entry.partition("=")
        if not separator or not number.strip().isdecimal():
            raise ValueError(f"{entry!r} is not a limit: a kind and a whole number, such as Endpoint=5")
        quotas[noun.strip()] = int(number)
    return quotas


def default_data_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """`$SAGESMITH_DATA`, else `~/.sagesmith`."""
    return Path(environ.get("SAGESMITH_DATA") or Path.home() / ".sagesmith").expanduser().resolve()


def default_cache_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """`$SAGESMITH_CACHE`, else `~/.cache/sagesmith`: environments and wheels, shared by all data directories."""
    return Path(environ.get("SAGESMITH_CACHE") or Path.home() / ".cache" / "sagesmith").expanduser().resolve()


def default_node_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """`$SAGESMITH_NODE_DIR`, else `~/.local/state/sagesmith`: where a node of a cluster keeps its tasks' files."""
    return Path(environ.get("SAGESMITH_NODE_DIR") or Path.home() / ".local/state/sagesmith").expanduser().resolve()
