"""Every setting of the platform, declared once. `docs/configuration.md` is written from this table.

Defaults and meanings are Markdown, with links as seen from `docs`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sagesmith.config import Compute, RayStrategy
from sagesmith.settings import forms
from sagesmith.settings.forms import Form, address, one_of, whole

T = TypeVar("T")
PREFIX = "SAGESMITH_"
MASK = "***"


class SettingError(Exception):
    """A setting makes no sense; the message is one line that names it and where it was made."""


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One thing that can be set.

    Attributes:
        name: the environment variable; its key in the settings file follows from it.
        form: how its values are written.
        default: what holds where it is not set.
        meaning: what it does.
        secret: whether a value is one as a whole. URLs are secret as far as they have a password in them.
    """

    name: str
    form: Form[T]
    default: str
    meaning: str
    secret: bool = False

    @property
    def key(self) -> str:
        """Its key in the settings file."""
        return self.name.removeprefix(PREFIX).lower()

    def read(self, environ: Mapping[str, str]) -> T | None:
        """Its value among variables; None where it is not set, or empty.

        Raises:
            SettingError: the value makes no sense.
        """
        text = environ.get(self.name)
        if not text:
            return None
        try:
            return self.form.parse(text)
        except ValueError as error:
            raise SettingError(f"{self.name}: {error}.") from error

    def is_secret(self, text: str) -> bool:
        """Whether a value must not be seen by others."""
        return bool(text) and self.masked(text) != text

    def masked(self, text: str) -> str:
        """A value as it may be shown."""
        if not text:
            return text
        return MASK if self.secret else _without_password(text)


ALL: dict[str, Setting[Any]] = {}
"""The settings by variable, in the order in which they are shown."""


def _declare(name: str, form: Form[T], default: str, meaning: str, *, secret: bool = False) -> Setting[T]:
    setting = Setting(name, form, default, meaning, secret)
    ALL[setting.name] = setting
    return setting


DATA = _declare("SAGESMITH_DATA", forms.PATH, "`~/.sagesmith`", "data directory, where `--data` is not given")
CACHE = _declare(
    "SAGESMITH_CACHE",
    forms.PATH,
    "`~/.cache/sagesmith`",
    "environments, wheels and the compiled modules of routers, shared by all data directories of a machine",
)
HOST = _declare("SAGESMITH_HOST", forms.TEXT, "`127.0.0.1`", "address to listen on, where `--host` is not given")
PORT = _declare(
    "SAGESMITH_PORT",
    whole(0, 65535),
    "the one the data directory had last, else `9900`",
    "port to listen on, where `--port` is not given; `0` takes any that is free",
)
TLS_CERT = _declare(
    "SAGESMITH_TLS_CERT",
    forms.PATH,
    "one that the platform makes itself",
    "the certificate for [other machines](operations.md#other-machines), with what leads to its CA, in PEM; where "
    "`--tls-cert` is not given",
)
TLS_KEY = _declare(
    "SAGESMITH_TLS_KEY",
    forms.PATH,
    "in the file of the certificate",
    "its private key, in PEM and not encrypted; where `--tls-key` is not given",
)
TLS_NAMES = _declare(
    "SAGESMITH_TLS_NAMES",
    forms.NAMES,
    "–",
    "names and addresses, as in `ml.example.com,192.0.2.7`, that the platform's own certificate is to have in place of "
    "the machine's name; the first is the one that `up` prints",
)
ACCOUNT_ID = _declare(
    "SAGESMITH_ACCOUNT_ID",
    address(r"\d{12}", "12 digits"),
    "`123456789012`",
    "the account in ARNs; a data directory keeps its own",
)
REGION = _declare(
    "SAGESMITH_REGION",
    address(r"[a-z]{2,5}(?:-[a-z0-9]+){1,4}", "a region such as us-east-1"),
    "`us-east-1`",
    "the region that `env` sets; any region of a request is served",
)
ACCESS_KEY_ID = _declare(
    "SAGESMITH_ACCESS_KEY_ID", forms.TEXT, "made at the first start", "the key that `env` hands out …"
)
SECRET_ACCESS_KEY = _declare(
    "SAGESMITH_SECRET_ACCESS_KEY", forms.TEXT, "made at the first start", "… and its secret", secret=True
)
DATABASE_URL = _declare(
    "SAGESMITH_DATABASE_URL",
    forms.TEXT,
    "SQLite in the data directory",
    "`postgresql+psycopg://user:password@host/name`, see [PostgreSQL](operations.md#postgresql)",
)
STANDBY = _declare(
    "SAGESMITH_STANDBY",
    forms.FLAG,
    "–",
    "`1`, as `--standby`: one of two platforms of which [one stands by for the other](scale.md#one-that-stands-by)",
)
S3_ENDPOINT = _declare(
    "SAGESMITH_S3_ENDPOINT",
    forms.TEXT,
    "the embedded store",
    "[an S3 of your own](operations.md#an-s3-of-your-own) instead …",
)
S3_ACCESS_KEY_ID = _declare("SAGESMITH_S3_ACCESS_KEY_ID", forms.TEXT, "–", "… a key of it …")
S3_SECRET_ACCESS_KEY = _declare("SAGESMITH_S3_SECRET_ACCESS_KEY", forms.TEXT, "–", "… and its secret", secret=True)
S3_KMS = _declare(
    "SAGESMITH_S3_KMS",
    one_of("store", "none"),
    "`store`",
    "what an S3 of your own does with `aws:kms`: `store` it has keys for it, `none` it has not, and such objects are "
    "stored as all others are",
)
COMPUTE: Setting[Compute] = _declare(
    "SAGESMITH_COMPUTE",
    one_of("local", "ray"),
    "`local`",
    "who places tasks: `local` this machine alone, `ray` a [Ray cluster](scale.md) (`pip install 'sagesmith[ray]'`)",
)
RAY_ADDRESS = _declare(
    "SAGESMITH_RAY_ADDRESS",
    address(r"[^:/\s]+:\d+", "HOST:PORT, as `ray start --address` takes it"),
    "–",
    "`HOST:PORT` of your cluster's head; without it the platform runs a Ray of its own on loopback",
)
RAY_GATE = _declare(
    "SAGESMITH_RAY_GATE",
    address(r"[^:/\s]*(?::\d+)?", "HOST or HOST:PORT"),
    "this machine's address on the way to the head, any port",
    "`HOST[:PORT]` where the nodes of your cluster reach the platform",
)
RAY_STRATEGY: Setting[RayStrategy] = _declare(
    "SAGESMITH_RAY_STRATEGY",
    one_of("PACK", "STRICT_SPREAD"),
    "`PACK`",
    "where the hosts of one job go: `PACK` close together, `STRICT_SPREAD` each on a node of its own",
)
RAY_LEASE_SECONDS = _declare(
    "SAGESMITH_RAY_LEASE_SECONDS",
    whole(1),
    "`20`",
    "how long a task goes on on a node that the cluster has given up; only after that its job is retried or fails",
)
RAY_RUNTIME_ENV = _declare(
    "SAGESMITH_RAY_RUNTIME_ENV",
    forms.JSON,
    "–",
    "Ray's [runtime environment](https://docs.ray.io/en/latest/ray-core/handling-dependencies.html) for the actors, in "
    "JSON; without it the nodes have Sagesmith installed",
    secret=True,
)
NODE_DIR = _declare(
    "SAGESMITH_NODE_DIR",
    forms.PATH,
    "`~/.local/state/sagesmith`",
    "in the environment of Ray on a node of your cluster: where the files of its tasks are",
)
ROUTERS = _declare("SAGESMITH_ROUTERS", whole(1), "`2`, or `1` on a single core", "router processes")
COMPILED = _declare(
    "SAGESMITH_COMPILED",
    one_of("yes", "no"),
    "`yes`",
    "`no`: routers run as they are written, though [what predictions pass through](architecture.md#a-request) was "
    "compiled",
)
MAX_JOBS = _declare(
    "SAGESMITH_MAX_JOBS",
    whole(1),
    "number of cores, at least `2`",
    "instances of jobs that run at once, of all kinds and regions together: a job of three instances counts three. "
    "Further jobs wait in the order in which they were created (`Pending`); one that wants more than there are runs "
    "when it is alone",
)
JOB_PORTS = _declare(
    "SAGESMITH_JOB_PORTS",
    forms.PORTS,
    "–",
    "TCP ports of this machine, as in `5000,5432`, that jobs and model servers reach at `127.0.0.1` as programs "
    "outside do; without it they reach [none but the platform's](security.md#the-network-of-jobs)",
)
PRICES = _declare(
    "SAGESMITH_PRICES",
    forms.PATH,
    "AWS's published ones",
    "a file of what an hour of an instance type costs, for [Inference Recommender](recommender.md#costs)",
)
CONTAINER_ENGINE = _declare(
    "SAGESMITH_CONTAINER_ENGINE",
    forms.TEXT,
    "`podman`",
    "the program that runs [images of your own](containers.md): a name or a path",
)
JOB_NETWORK = _declare(
    "SAGESMITH_JOB_NETWORK",
    one_of("proxy"),
    "–",
    "`proxy`: jobs reach other machines [through the proxy alone](security.md#the-network-of-jobs), even where `pasta` "
    "is installed",
)
ENDPOINT_CREDENTIALS_SECONDS = _declare(
    "SAGESMITH_ENDPOINT_CREDENTIALS_SECONDS",
    whole(1),
    "`604800`",
    "how long the credentials inside a model server live; it is replaced by a new one after six sevenths of that",
)
WARM_SERVERS = _declare(
    "SAGESMITH_WARM_SERVERS",
    whole(0),
    "`1`",
    "how many model servers [wait with their libraries imported](serverless.md#warm-starts), for each environment in "
    "which an endpoint is; `0`: none",
)
SERVERLESS_IDLE_SECONDS = _declare(
    "SAGESMITH_SERVERLESS_IDLE_SECONDS",
    whole(1),
    "`300`",
    "how long a [serverless endpoint](serverless.md) keeps its model server after its last request",
)
MIN_FREE_DISK = _declare(
    "SAGESMITH_MIN_FREE_DISK",
    forms.SIZE,
    "`2G`",
    "below so much free space at the data directory new jobs wait; bytes, or with `K`, `M`, `G`, `T`",
)
QUOTAS = _declare(
    "SAGESMITH_QUOTAS",
    forms.QUOTAS,
    "–",
    "how many resources of a kind each region may have, as in `Model=1000,Endpoint=5`: the names are those of the "
    "Create operations, and of jobs those count that are not over. More are refused with `ResourceLimitExceeded`; a "
    "limit may be below what is there already. AWS's limits of names, tags and sizes hold always",
)
METRICS_DAYS = _declare(
    "SAGESMITH_METRICS_DAYS",
    whole(1),
    "`455`",
    "data of [metrics](metrics.md) that are more days old are removed, every hour",
)
AUDIT_DAYS = _declare(
    "SAGESMITH_AUDIT_DAYS",
    whole(1),
    "`90`",
    "records of the [audit trail](operations.md#the-audit-trail) that are more days old are removed, every hour",
)
KEEP_DAYS = _declare(
    "SAGESMITH_KEEP_DAYS",
    whole(1),
    "–",
    "training jobs that ended, and log events that were written, more days ago are removed, every hour; without it "
    "they are kept",
)
CACHE_LIMIT = _declare(
    "SAGESMITH_CACHE_LIMIT",
    forms.SIZE,
    "–",
    "when the environments of jobs take more (`20G`), those that were used longest ago are removed, never one in use; "
    "looked at every hour",
)
PYTHONS = _declare(
    "SAGESMITH_PYTHONS",
    forms.PYTHONS,
    "`auto`",
    "which other Python interpreters may be used for images that want an older one: `auto`, `none`, or paths, joined "
    "with `:`",
)
OFFLINE = _declare("SAGESMITH_OFFLINE", forms.FLAG, "–", "`1`: environments are built from the imported bundle only")
TORCH_WHEELS = _declare(
    "SAGESMITH_TORCH_WHEELS",
    forms.TEXT,
    "PyTorch's own",
    "the page with PyTorch's wheels for CPUs, if no folder that pip's configuration names has them: an address for "
    "`--find-links`, or `none`",
)
WEIGHTS = _declare(
    "SAGESMITH_WEIGHTS",
    forms.PATH,
    "–",
    "a folder, on each machine that runs jobs, with ImageNet's weights for "
    "[built-in algorithms](algorithms/image-classification.md) that `use_pretrained_model`: torchvision's files "
    "(`resnet50-*.pth`, `vgg16-*.pth`, …)",
)
MAX_MODEL_BYTES = _declare(
    "SAGESMITH_MAX_MODEL_BYTES",
    whole(1),
    "`32212254720` (30 GiB)",
    "how large a model may be, packed and unpacked, where its variant has no `VolumeSizeInGB`",
)
UPSTREAM_PROXY = _declare(
    "SAGESMITH_UPSTREAM_PROXY",
    forms.TEXT,
    "the user's `HTTPS_PROXY`",
    "where the client proxy sends what is not AWS's; empty: nowhere, it connects by itself",
)
UPSTREAM_NO_PROXY = _declare(
    "SAGESMITH_UPSTREAM_NO_PROXY", forms.TEXT, "the user's `NO_PROXY`", "hosts that it reaches without that proxy"
)
LOG_LEVEL = _declare(
    "SAGESMITH_LOG_LEVEL",
    one_of("debug", "info"),
    "`info`",
    "`debug`: more lines in the logs of the platform's own processes",
)

BY_KEY: dict[str, Setting[Any]] = {setting.key: setting for setting in ALL.values()}
"""The settings by their key in the settings file."""


_LOGIN = re.compile(r"^([\w+.-]+://[^:/]*:|[^:/{]*:(?!//)).+@", re.DOTALL)
"""A URL, or a proxy's address without a scheme, up to its host. SQLAlchemy lets a password have what would end it
elsewhere, such as `#`, `?` and `/`: all that may be one is taken for it."""
_QUERY_PASSWORD = re.compile(r"([?&][^=&]*(?:password|passfile)[^=&]*=)[^&]*", re.IGNORECASE)


def _without_password(text: str) -> str:
    """A URL with its password masked, in its user information or in its query; other text as it is."""
    return _QUERY_PASSWORD.sub(rf"\1{MASK}", _LOGIN.sub(rf"\1{MASK}@", text))
