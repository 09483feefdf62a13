"""`smspark-submit`: runs a Spark application on this host, or on a cluster of a job's hosts.

It takes the options of the program of that name in Amazon's Spark image, and the configuration that a PySparkProcessor
sends (https://github.com/aws/sagemaker-spark-container, `smspark.cli` and `smspark.bootstrapper`). There a YARN cluster
with HDFS runs the application; here it is Spark's local mode, and Spark's own cluster where a job has several hosts.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

CONFIG = Path("/opt/ml/config/resourceconfig.json")
CONFIGURATION = Path("/opt/ml/processing/input/conf/configuration.json")
MESSAGE = Path("/opt/ml/output/message")
EVENTS = Path("/tmp/spark-events")  # noqa: S108 - the job's own
JVMS = Path("/usr/lib/jvm")
MASTER_PORT = 7077
COPY_SECONDS = 20.0
CLUSTER_SECONDS = 180.0
POLL_SECONDS = 1.0

JAVAS = (17, 11, 8)
"""What Spark 3.5 runs on, the best first."""

_PROPERTIES = {
    "spark-log4j2": "log4j2.properties",
    "spark-metrics": "metrics.properties",
}
_XML = {
    "core-site": "core-site.xml",
    "hdfs-site": "hdfs-site.xml",
    "hive-site": "hive-site.xml",
    "spark-hive-site": "hive-site.xml",
    "yarn-site": "yarn-site.xml",
}
_ENVIRONMENTS = frozenset({"hadoop-env", "hive-env", "spark-env", "yarn-env"})
_WITHOUT_EFFECT = frozenset({"hadoop-log4j", "hive-exec-log4j", "hive-log4j", "spark-log4j"})


class Refused(Exception):
    """The application cannot be started; the message says why."""


def main(arguments: Sequence[str]) -> int:
    """Run the application and return its exit code."""
    try:
        options = parse(arguments)
        java = java_home(os.environ, JVMS)
        hosts, host = _hosts()
        conf = Path("/tmp/spark-conf")  # noqa: S108 - the job's own
        conf.mkdir(parents=True, exist_ok=True)
        configured = Configured.read(CONFIGURATION)
        configured.write(conf)
        variables = {**os.environ, **configured.variables, **spark_variables(java, conf)}
        if host != hosts[0]:
            return work(variables, hosts, host)
        settings = {**defaults(hosts, os.environ), **configured.settings}
        return submit(options, settings, variables, hosts)
    except Refused as error:
        sys.stderr.write(f"smspark-submit: {error}\n")
        _tell(f"Customer Error: {error}")
        return 2


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options, and with them the application and its own arguments, which are passed on as they are."""
    parser = argparse.ArgumentParser("smspark-submit", allow_abbrev=False)
    parser.add_argument("--class", dest="main_class")
    for name in ("--jars", "--py-files", "--files"):
        parser.add_argument(name, type=expanded)
    parser.add_argument("--spark-event-logs-s3-uri")
    parser.add_argument("--local-spark-event-logs-dir", type=Path)
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("application")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser.parse_args(arguments)


def expanded(paths: str) -> str:
    """A list of paths, in which a folder stands for the files in it.

    Raises:
        Refused: one of them is not there, or a folder is empty.
    """
    found: list[str] = []
    for path in paths.split(","):
        if re.match(r"(s3|s3a|https?)://", path):
            found.append(path)
            continue
        local = Path(path[len("file://") :] if path.startswith("file://") else path)
        if not local.is_absolute():
            raise Refused(f"{path} must be an absolute path to a file or a folder.")
        files = sorted(each for each in local.iterdir() if each.is_file()) if local.is_dir() else [local]
        if not files or not all(each.is_file() for each in files):
            raise Refused(f"There are no files at {path}.")
        found += map(str, files)
    return ",".join(found)


def java_home(environ: Mapping[str, str], jvms: Path) -> Path:
    """The Java to run Spark with: JAVA_HOME, or of those in `jvms` the one that Spark likes best.

    Raises:
        Refused: there is none.
    """
    if environ.get("JAVA_HOME"):
        return Path(environ["JAVA_HOME"])
    found: dict[int, Path] = {}
    for home in sorted(jvms.iterdir()) if jvms.is_dir() else ():
        version = _java_version(home)
        if version is not None and (home / "bin" / "java").exists():
            found.setdefault(version, home)
    for version in JAVAS:
        if version in found:
            return found[version]
    others = f" There is Java {', '.join(map(str, sorted(found)))}, with which it does not run." if found else ""
    raise Refused(
        f"Spark needs Java {', '.join(map(str, JAVAS[:-1]))} or {JAVAS[-1]} on the machine that runs the job.{others} "
        "Install one, for example with apt-get install openjdk-17-jre-headless, or name its place in JAVA_HOME."
    )


def _java_version(home: Path) -> int | None:
    """A Java's main version, from the file that every one has."""
    try:
        release = (home / "release").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', release, re.MULTILINE)
    return int(found[1]) if found else None


class Configured:
    """What `configuration` of a processor says, in the form of EMR's applications.

    Source: https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-configure-apps.html

    Attributes:
        settings: of spark-defaults.
        variables: what the classifications of environments export.
        files: configuration files, by name.
        ignored: classifications that have no effect here.
    """

    def __init__(self, classifications: Sequence[Mapping[str, Any]]) -> None:
        self.settings: dict[str, str] = {}
        self.variables: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self.ignored: list[str] = []
        xml: dict[str, list[str]] = {}
        for each in classifications:
            name, properties = each["Classification"], each.get("Properties") or {}
            if name == "spark-defaults":
                self.settings.update({key: str(value) for key, value in properties.items()})
            elif name in _ENVIRONMENTS:
                for inner in each.get("Configurations") or ():
                    self.variables.update({key: str(value) for key, value in (inner.get("Properties") or {}).items()})
            elif name in _PROPERTIES:
                lines = "".join(f"{key}={value}\n" for key, value in properties.items())
                self.files[_PROPERTIES[name]] = self.files.get(_PROPERTIES[name], "") + lines
            elif name in _XML:
                xml.setdefault(_XML[name], []).extend(_properties(properties))
            elif name in _WITHOUT_EFFECT:
                self.ignored.append(name)
            else:
                known = sorted({"spark-defaults", *_ENVIRONMENTS, *_PROPERTIES, *_XML, *_WITHOUT_EFFECT})
                raise Refused(f"Invalid classification: {name}. Must be one of {', '.join(known)}.")
        for file, entries in xml.items():
            self.files[file] = '<?xml version="1.0"?>\n<configuration>\n' + "".join(entries) + "</configuration>\n"

    @classmethod
    def read(cls, path: Path) -> Configured:
        """From a processor's file, which has a classification or a list of them; nothing if it is not there.

        Raises:
            Refused: it is not what it should be.
        """
        if not path.exists():
            return cls([])
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls([content] if isinstance(content, dict) else content)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Refused(f"{path} is not a configuration of EMR applications: {error!r}") from error

    def write(self, folder: Path) -> None:
        """The configuration files, into Spark's folder."""
        for name in self.ignored:
            sys.stderr.write(f"smspark-submit: the classification {name} has no effect: Spark logs by spark-log4j2.\n")
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")


def _properties(properties: Mapping[str, Any]) -> Iterator[str]:
    for name, value in properties.items():
        yield f"<property><name>{escape(name)}</name><value>{escape(str(value))}</value></property>\n"


def defaults(hosts: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Settings of Spark's on this machine; the user's own win over them."""
    settings = {
        "spark.master": f"spark://{hosts[0]}:{MASTER_PORT}" if len(hosts) > 1 else f"local[{_cpus()}]",
        "spark.submit.deployMode": "client",
        "spark.driver.host": hosts[0] if len(hosts) > 1 else "127.0.0.1",
        "spark.driver.memory": _memory(len(hosts)),
        "spark.ui.enabled": "false",
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3n.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "spark.hadoop.fs.s3a.path.style.access": "true",
    }
    if len(hosts) == 1:
        settings["spark.driver.bindAddress"] = "127.0.0.1"
    else:
        settings["spark.executor.memory"] = _memory(len(hosts))
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        settings["spark.hadoop.fs.s3a.endpoint"] = endpoint
    if environ.get("AWS_REGION"):
        settings["spark.hadoop.fs.s3a.endpoint.region"] = environ["AWS_REGION"]
    if jars := _jars():
        settings["spark.driver.extraClassPath"] = settings["spark.executor.extraClassPath"] = jars
    return settings


def _jars() -> str:
    """The class path of what speaks S3 to Spark, which comes in a package of Amazon's."""
    found = importlib.util.find_spec("sagemaker_pyspark")
    if found is None or not found.submodule_search_locations:
        return ""
    folder = Path(found.submodule_search_locations[0]) / "jars"
    return ":".join(
        str(jar) for name in ("hadoop-aws", "aws-java-sdk-bundle") for jar in sorted(folder.glob(f"{name}-*"))
    )


def _cpus() -> int:
    there = len(os.sched_getaffinity(0))
    return min(there, int(os.environ.get("SAGESMITH_JOB_CPUS") or there))


def _memory(hosts: int) -> str:
    """The heap of a driver or an executor. A cluster's first host has one of each, and Python needs memory as well."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    of_the_instance = min(there, int(os.environ.get("SAGESMITH_JOB_MEMORY_BYTES") or there))
    return f"{max(512, int(of_the_instance * (0.6 if hosts == 1 else 0.35)) >> 20)}m"


def spark_variables(java: Path, conf: Path) -> dict[str, str]:
    """Where Spark finds its parts.

    Raises:
        Refused: there is no Spark in this Python.
    """
    found = importlib.util.find_spec("pyspark")
    if found is None or not found.submodule_search_locations:
        raise Refused("There is no pyspark in the image's environment.")
    return {
        "JAVA_HOME": str(java),
        "SPARK_HOME": found.submodule_search_locations[0],
        "SPARK_CONF_DIR": str(conf),
        "HADOOP_CONF_DIR": str(conf),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PATH": f"{java}/bin:{os.environ.get('PATH', os.defpath)}",
    }


def command(spark_home: str, options: argparse.Namespace, settings: Mapping[str, str]) -> list[str]:
    """The call of spark-submit."""
    words = [f"{spark_home}/bin/spark-submit"]
    for name, value in settings.items():
        words += ["--conf", f"{name}={value}"]
    for option in ("main_class", "jars", "py_files", "files"):
        if value := getattr(options, option):
            words += ["--class" if option == "main_class" else f"--{option.replace('_', '-')}", value]
    if options.verbose:
        words.append("--verbose")
    return [*words, options.application, *options.arguments]


def submit(
    options: argparse.Namespace, settings: dict[str, str], variables: Mapping[str, str], hosts: Sequence[str]
) -> int:
    """Run the application from this host, where the cluster's master is too if there is a cluster."""
    if options.spark_event_logs_s3_uri:
        uri = re.sub(r"^s3://", "s3a://", options.spark_event_logs_s3_uri)
        settings |= {"spark.eventLog.enabled": "true", "spark.eventLog.dir": uri}
    elif options.local_spark_event_logs_dir:
        EVENTS.mkdir(parents=True, exist_ok=True)
        settings |= {"spark.eventLog.enabled": "true", "spark.eventLog.dir": EVENTS.as_uri()}
    with contextlib.ExitStack() as stack:
        if len(hosts) > 1:
            stack.enter_context(_cluster(variables, hosts[0], len(hosts)))
        if options.local_spark_event_logs_dir:
            stack.enter_context(_events_copied(options.local_spark_event_logs_dir))
        code = subprocess.run(
            command(variables["SPARK_HOME"], options, settings), env=variables, check=False
        ).returncode
    if code:
        code = code if code > 0 else 128 - code
        _tell(f"Algorithm Error: spark failed with a non-zero exit code: {code}")
    return code


@contextlib.contextmanager
def _cluster(variables: Mapping[str, str], host: str, hosts: int) -> Iterator[None]:
    """A master and a worker on this host; the other hosts' workers join them, and end when the master is gone."""
    master = _spark_class(variables, "master.Master", "--host", host, "--port", str(MASTER_PORT), "--webui-port", "0")
    worker = None
    try:
        if not _wait_for_master(host):
            raise Refused(f"The Spark master does not come up at {host}:{MASTER_PORT}.")
        worker = _worker(variables, host, host, hosts)
        yield
    finally:
        for process in filter(None, (worker, master)):
            process.terminate()
            process.wait()


def work(variables: Mapping[str, str], hosts: Sequence[str], host: str) -> int:
    """Be a worker for as long as there is a master."""
    master = hosts[0]
    if not _wait_for_master(master):
        raise Refused(f"The Spark master at {master}:{MASTER_PORT} does not answer.")
    worker = _worker(variables, master, host, len(hosts))
    try:
        _stay_with(master)
    finally:
        worker.terminate()
        worker.wait()
    return 0


def _worker(variables: Mapping[str, str], master: str, host: str, hosts: int) -> subprocess.Popen[bytes]:
    size = ["--cores", str(_cpus()), "--memory", _memory(hosts)]
    return _spark_class(
        variables, "worker.Worker", "--host", host, "--webui-port", "0", *size, f"spark://{master}:{MASTER_PORT}"
    )


def _spark_class(variables: Mapping[str, str], name: str, *arguments: str) -> subprocess.Popen[bytes]:
    program = f"{variables['SPARK_HOME']}/bin/spark-class"
    work_folder = {"SPARK_WORKER_DIR": "/tmp/spark-work"}  # noqa: S108 - the job's own
    return subprocess.Popen([program, f"org.apache.spark.deploy.{name}", *arguments], env={**variables, **work_folder})


def _wait_for_master(host: str) -> bool:
    give_up = time.monotonic() + CLUSTER_SECONDS
    while not _answers(host):
        if time.monotonic() > give_up:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _stay_with(master: str) -> None:
    """Return when there is no master any more: its end is the end of a connection to it."""
    with contextlib.suppress(OSError):
        while True:
            with socket.create_connection((master, MASTER_PORT)) as connection:
                while connection.recv(1):
                    pass


def _answers(host: str) -> bool:
    try:
        with socket.create_connection((host, MASTER_PORT), timeout=10):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _events_copied(target: Path) -> Iterator[None]:
    """Keep copies of Spark's event logs in a folder, from which they are uploaded while the job runs."""
    over = threading.Event()

    def keep() -> None:
        while not over.wait(COPY_SECONDS):
            copy_events(EVENTS, target)

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        copy_events(EVENTS, target)


def copy_events(source: Path, target: Path) -> None:
    """Copy event logs under the names that they have when their application has ended: a history server shows both."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.is_file() and not path.name.startswith("."):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(path, target / path.name.replace(".inprogress", ""))


def _hosts() -> tuple[list[str], str]:
    """The job's hosts, the first one leading, and this one."""
    try:
        resources = json.loads(CONFIG.read_text(encoding="utf-8"))
    except OSError:
        return ["localhost"], "localhost"
    return resources["hosts"], resources["current_host"]


def _tell(message: str) -> None:
    """The job's ExitMessage."""
    with contextlib.suppress(OSError):
        MESSAGE.write_text(message, encoding="utf-8")


if __name__ == "__main__":
    # Spark's own programs end by it; this one goes with them, or at once where it alone runs.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(main(sys.argv[1:]))
