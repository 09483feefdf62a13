"""The lock of a data directory, and who holds it."""

import os
from pathlib import Path

from sagesmith.config import DataDir
from sagesmith.platform import datadir
from sagesmith.process_identity import ProcessIdentity, write_identity


def test_the_holder_of_the_lock_is_known_for_as_long_as_it_holds_it(tmp_path: Path) -> None:
    directory = DataDir(tmp_path)
    assert datadir.holder(directory) is None
    descriptor = datadir.lock(directory)
    assert datadir.holder(directory) == ProcessIdentity.own()
    os.close(descriptor)
    assert datadir.holder(directory) is None


def test_a_pid_that_has_come_again_is_nobodys_holder(tmp_path: Path) -> None:
    directory = DataDir(tmp_path)
    descriptor = datadir.lock(directory)
    own = ProcessIdentity.own()
    write_identity(directory.run / "holder.json", ProcessIdentity(own.pid, own.started - 1, own.boot))
    assert datadir.holder(directory) is None
    os.close(descriptor)
