"""The way from a task's network to other machines, for programs that do not go through the proxy.

pasta (https://passt.top, Debian's package `passt`) does it in user space. Where it is not installed, or does not work,
tasks reach other machines through the proxy alone.
"""

import ctypes
import ipaddress
import os
import select
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass

from sagesmith.agent.network.namespaces import Namespace

NAMESERVER = "198.19.255.53"
"""What stands for this machine's own name server; outside of the hosts' network, in the rest of RFC 2544's."""
GATEWAY = "198.19.255.1"
NETMASK = "255.254.0.0"
UNREACHABLE = tuple(
    ipaddress.ip_network(each)
    # Where clouds hand out credentials to whoever asks.
    for each in ("169.254.0.0/16", "100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::254/128")
)
_INTERFACE = "outside"
_READY_SECONDS = 5.0
_PR_SET_PDEATHSIG = 1


def pasta() -> str | None:
    """The program, if it is to be used: it is installed, and SAGESMITH_JOB_NETWORK does not forbid it."""
    if os.environ.get("SAGESMITH_JOB_NETWORK") == "proxy":
        return None
    return shutil.which("pasta")


@dataclass(slots=True)
class Outside:
    """A pasta at work, or not yet. It ends with the thread that started it."""

    _process: "subprocess.Popen[bytes]"
    _ready: int
    _said: int

    @classmethod
    def start(cls, program: str, namespace: Namespace, address: str, *, has_peers: bool) -> "Outside":
        """Start it for a network namespace; call it from the main thread.

        Args:
            address: the host's own. pasta would give it this machine's, which programs would tell other hosts.
            has_peers: whether there are other hosts; to them an IPv6 address that all of them have is of no use.

        Raises:
            OSError: it does not run.
        """
        # It may not follow /proc/<pid> of a process with more rights than its own, but its own descriptors.
        options = ["--netns", f"/proc/self/fd/{namespace.network}"]
        if namespace.user is None:
            options += ["--runas", "0:0"]
        else:
            options += ["--userns", f"/proc/self/fd/{namespace.user}"]
        options += ["--address", address, "--netmask", NETMASK, "--gateway", GATEWAY]
        if has_peers:
            options.append("--ipv4-only")
        ready, theirs = os.pipe()
        said = os.memfd_create("pasta")
        descriptors = [each for each in (namespace.network, namespace.user, theirs) if each is not None]
        try:
            process = subprocess.Popen(
                [
                    *(program, "--foreground", "--quiet", "--config-net", "--ns-ifname", _INTERFACE),
                    # Nothing of this machine's loopback, in neither direction.
                    *("--no-map-gw", "-t", "none", "-u", "none", "-T", "none", "-U", "none"),
                    *("--dns-forward", NAMESERVER, "--pid", f"/proc/self/fd/{theirs}", *options),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                pass_fds=descriptors,
                cwd="/",
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call
            )
        except BaseException:
            os.close(ready)
            os.close(said)
            raise
        finally:
            os.close(theirs)
        return cls(process, ready, said)

    def wait(self) -> bool:
        """Wait until it carries packets; False if it does not come to that, with the reason in the agent's log."""
        waiting = select.poll()
        waiting.register(self._ready, select.POLLIN)
        # It writes its pid when it is ready. An end without one means that it has given up.
        works = bool(waiting.poll(_READY_SECONDS * 1000)) and bool(os.read(self._ready, 32))
        if not works:
            self._process.kill()
            self._process.wait()
            said = os.pread(self._said, 4096, 0).decode("utf-8", "replace").splitlines()
            reason = "; ".join(line for line in said if "syslog" not in line) or "it said nothing"
            sys.stderr.write(f"pasta does not work: {reason}\n")
            sys.stderr.flush()
        os.close(self._ready)
        os.close(self._said)
        return works


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
