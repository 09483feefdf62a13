"""`sagesmith env --for HOST`: what points the AWS clients of another machine here, as a script for its shell.

The script needs nothing but a POSIX shell: it carries our CAs, and adds them to what that machine trusts.
"""

import shlex
from urllib.parse import quote

from sagesmith.cli import UsageError
from sagesmith.config import Platform, bracketed
from sagesmith.credentials import KeyRing
from sagesmith.environment import (
    CA_VARIABLES,
    OWN_CERTIFICATES,
    PROXY_VARIABLES,
    SYSTEM_BUNDLES,
    client_environment,
)
from sagesmith.gateway.outside import USER

_BUNDLE = "sagesmith_bundle"


def script(platform: Platform, host: str) -> str:
    """Commands that set the variables for clients that reach the platform as `host`.

    Raises:
        UsageError: the platform does not serve other machines, or its certificate is not good for that name.
    """
    if platform.outside is None:
        raise UsageError(
            "the platform serves this machine alone; `sagesmith up --host 0.0.0.0` serves others as well, by TLS."
        )
    own = platform.tls_cert == str(platform.dir.keys / "server.pem")
    if own and host not in platform.names:
        raise UsageError(
            f"the certificate is not good for {host}, but for {', '.join(platform.names)}. Start the platform with "
            f"SAGESMITH_TLS_NAMES={host}."
        )
    keyring = KeyRing.load(platform.dir.keys, platform.account_id)
    variables = client_environment(platform, keyring.root, {})
    proxy = f"https://{USER}:{quote(keyring.proxy_token)}@{bracketed(host)}:{platform.port}"
    variables.update(dict.fromkeys(PROXY_VARIABLES, proxy))
    variables["AWS_ENDPOINT_URL"] = f"https://{bracketed(host)}:{platform.port}"
    for name in (*CA_VARIABLES, "NO_PROXY", "no_proxy"):
        del variables[name]
    lines = [*_bundle(platform, host), *_no_proxy(host)]
    lines += [f"export {name}=${_BUNDLE}" for name in CA_VARIABLES]
    lines += [f"unset {_BUNDLE}", 'unset $(env | sed -n "s/^\\(AWS_ENDPOINT_URL_[A-Z0-9_]*\\)=.*/\\1/p")']
    for name, value in variables.items():
        lines.append(f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}")
    return "\n".join(lines) + "\n"


def _bundle(platform: Platform, host: str) -> list[str]:
    """Commands that write what the machine trusts, and our CAs, into a file, whose path they leave in a variable."""
    files = [platform.dir.tls / name for name in OWN_CERTIFICATES]
    certificates = "".join(file.read_text() for file in files if file.exists())
    name = f"{host.replace(':', '-')}-{platform.port}.pem"
    named = " ".join(f'"${variable}"' for variable in CA_VARIABLES)
    return [
        f'{_BUNDLE}="${{XDG_CONFIG_HOME:-$HOME/.config}}/sagesmith/{name}"',
        f'mkdir -p "${{{_BUNDLE}%/*}}"',
        f"for file in {named} {' '.join(SYSTEM_BUNDLES)}; do",
        f'  if [ -f "$file" ] && [ "$file" != "${_BUNDLE}" ]; then cat "$file"; break; fi',
        f'done > "${_BUNDLE}.new"',
        f'cat >> "${_BUNDLE}.new" << "END"',
        *certificates.splitlines(),
        "END",
        f'mv "${_BUNDLE}.new" "${_BUNDLE}"',
    ]


def _no_proxy(host: str) -> list[str]:
    """That machine's own list does not count: it might let requests slip past to AWS."""
    entries = ",".join(dict.fromkeys((host, "localhost", "127.0.0.1", "::1")))
    return [
        f"export NO_PROXY={shlex.quote(entries)}",
        'export no_proxy="$NO_PROXY"',
    ]
