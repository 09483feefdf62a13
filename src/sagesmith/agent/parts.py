"""How the hosts of a job hand their artifacts to the first one: as objects beside the job's output, wherever they run.

`<output>/<job>/output/.<gang>/<host>/` has an archive an artifact, and `done` once there will be no more. An attempt
has a gang of its own, so nothing that a former one left is taken for a part.
"""

import time
from pathlib import Path

from sagesmith.agent.s3 import split_uri
from sagesmith.agent.task import Task

_POLL_SECONDS = 0.25
_DONE = "done"


class Parts:
    """The parts of one attempt at a job.

    Args:
        task: one of its tasks, which has an output URI.
    """

    def __init__(self, task: Task) -> None:
        spec = task.spec
        self._task = task
        self._base = f"{(spec.output_uri or '').rstrip('/')}/{spec.job_name}/output/.{spec.gang}"
        self._others = [each for each in spec.hosts if each != spec.host]

    def uri(self, host: str, name: str) -> str:
        """Where a host leaves its part of an artifact."""
        return f"{self._base}/{host}/{name}.tar.gz"

    def done(self) -> None:
        """Say that this host leaves nothing more."""
        bucket, key = split_uri(f"{self._base}/{self._task.spec.host}/{_DONE}")
        self._task.s3.mark(bucket, key, self._task.spec.kms_key_id)

    def wait(self) -> None:
        """Return when all other hosts are done. A host that dies never is: whoever started the job ends it then."""
        awaited = {f"{host}/{_DONE}" for host in self._others}
        while not awaited <= self._present():
            time.sleep(_POLL_SECONDS)

    def fetch(self, name: str) -> list[Path]:
        """The other hosts' parts of an artifact, those that have one, in the order of the hosts."""
        present = self._present()
        fetched = []
        for host in self._others:
            if f"{host}/{name}.tar.gz" in present:
                bucket, key = split_uri(self.uri(host, name))
                path = self._task.directory.root / f"{host}-{name}.tar.gz"
                self._task.s3.download([(each, path) for each in self._task.s3.look_up([(bucket, key)])])
                fetched.append(path)
        return fetched

    def remove(self) -> None:
        """Remove all parts: they are in the archives."""
        bucket, prefix = split_uri(f"{self._base}/")
        self._task.s3.delete([(bucket, each.key) for each in self._task.s3.list(bucket, prefix)])

    def _present(self) -> set[str]:
        bucket, prefix = split_uri(f"{self._base}/")
        return {each.key.removeprefix(prefix) for each in self._task.s3.list(bucket, prefix)}
