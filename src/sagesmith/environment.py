"""The variables that point AWS clients at a platform, and the certificates that they trust with it."""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path

from sagesmith.config import Platform
from sagesmith.credentials import Credentials
from sagesmith.files import replace_file
from sagesmith.hosts import DOMAINS, is_aws

CA_VARIABLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")

OWN_CERTIFICATES = ("ca.pem", "server-ca.pem")
"""Below `tls`: the CA of the proxy, and that of the certificate for other machines if the platform made it."""

_MISLEADING = (
    "ALL_PROXY",
    "all_proxy",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
)
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def client_environment(
    platform: Platform, credentials: Credentials, environ: Mapping[str, str]
) -> dict[str, str | None]:
    """What `sagesmith env` prints and what jobs get.

    Args:
        credentials: whose requests they will be.
        environ: the user's own variables, of which NO_PROXY is carried over.

    Returns:
        Name → value, None where a variable must be unset.
    """
    bundle = str(platform.dir.tls / "bundle.pem")
    no_proxy = ",".join(_no_proxy(platform, environ))
    variables: dict[str, str | None] = dict.fromkeys(_MISLEADING)
    variables.update(dict.fromkeys(name for name in environ if name.startswith("AWS_ENDPOINT_URL_")))
    variables.update(dict.fromkeys(PROXY_VARIABLES, platform.proxy_url))
    variables.update(dict.fromkeys(CA_VARIABLES, bundle))
    variables.update(
        NO_PROXY=no_proxy,
        no_proxy=no_proxy,
        AWS_ENDPOINT_URL=platform.url,
        AWS_REGION=platform.region,
        AWS_DEFAULT_REGION=platform.region,
        AWS_ACCESS_KEY_ID=credentials.access_key_id,
        AWS_SECRET_ACCESS_KEY=credentials.secret_access_key,
        AWS_SESSION_TOKEN=credentials.session_token,
        AWS_EC2_METADATA_DISABLED="true",
    )
    return variables


def write_bundle(tls: Path, environ: Mapping[str, str]) -> Path:
    """Write `tls/bundle.pem`: what the user trusts so far, and our CAs (`OWN_CERTIFICATES`).

    The user's bundles are those that the CA variables name, else the system's. One that cannot be read is left out.
    """
    path = tls / "bundle.pem"
    named = [environ[name] for name in CA_VARIABLES if environ.get(name)]
    blocks: dict[bytes, None] = {}
    for source in named or _system_bundles():
        if Path(source).resolve() != path.resolve():
            blocks.update(dict.fromkeys(_certificates(Path(source))))
    if not blocks:
        for source in _system_bundles():
            blocks.update(dict.fromkeys(_certificates(Path(source))))
    for own in OWN_CERTIFICATES:
        blocks.update(dict.fromkeys(_certificates(tls / own)))
    # Programs in sandboxes, which are another user's, read it too.
    replace_file(path, b"\n".join(blocks) + b"\n", mode=0o644)
    return path


def _no_proxy(platform: Platform, environ: Mapping[str, str]) -> list[str]:
    """Loopback, the platform itself, and the user's list without what would let requests slip past to AWS."""
    entries = dict.fromkeys(("localhost", "127.0.0.1", "::1", platform.host))
    for name in ("no_proxy", "NO_PROXY"):
        for part in environ.get(name, "").split(","):
            entry = part.strip()
            if entry and not _covers_aws(entry):
                entries[entry] = None
    return list(entries)


def _covers_aws(entry: str) -> bool:
    host = entry.lower().partition(":")[0].removeprefix("*").strip(".")
    return (not host and "::" not in entry) or is_aws(host) or any(domain.endswith("." + host) for domain in DOMAINS)


def _system_bundles() -> list[str]:
    paths = ssl.get_default_verify_paths()
    return [path for path in (paths.cafile, *SYSTEM_BUNDLES) if path and Path(path).exists()][:1]


def _certificates(path: Path) -> list[bytes]:
    try:
        if path.is_dir():
            files = sorted(one for one in path.iterdir() if one.suffix in {".pem", ".crt"})
            return [block for one in files for block in _CERTIFICATE.findall(one.read_bytes())]
        return _CERTIFICATE.findall(path.read_bytes())
    except OSError:
        return []
