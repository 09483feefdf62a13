"""Slots of serverless endpoints: exact over processes, and free when their process is gone."""

import subprocess
import sys
from pathlib import Path

from sagesmith import slots
from sagesmith.slots import SlotFile

HOLDER = """
import sys
from pathlib import Path
from sagesmith.slots import SlotFile
file = SlotFile(Path(sys.argv[1]))
print(file.take(2).number, flush=True)
sys.stdin.read()
"""


def test_no_more_slots_are_taken_than_there_are_whoever_takes_them(tmp_path: Path) -> None:
    path = tmp_path / "slots" / "us-east-1.ep"
    one, other = SlotFile(path), SlotFile(path)
    taken = [one.take(3), other.take(3), one.take(3), other.take(3)]
    assert [each and each.number for each in taken] == [0, 1, 2, None]
    assert slots.use(path, 3).now == 3
    assert taken[1] is not None
    other.give_back(taken[1])
    assert slots.use(path, 3).now == 2
    again = one.take(3)
    assert again is not None
    assert again.number == 1


def test_a_process_that_is_killed_leaves_no_slot_taken(tmp_path: Path) -> None:
    path = tmp_path / "us-east-1.ep"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"0\n"
    assert slots.use(path, 2).now == 1
    holder.kill()
    holder.communicate()
    assert slots.use(path, 2).now == 0


def test_a_file_says_when_a_slot_was_last_taken_or_given_back(tmp_path: Path) -> None:
    path = tmp_path / "us-east-1.ep"
    assert slots.use(path, 2) == slots.Use(0, 0.0)
    file = SlotFile(path)
    slot = file.take(2)
    assert slot is not None
    taken = slots.use(path, 2).last
    assert taken > 0
    file.give_back(slot)
    assert slots.use(path, 2).last >= taken


def test_a_later_endpoint_of_the_same_name_has_slots_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "us-east-1.ep"
    file = SlotFile(path)
    former = file.take(1)
    assert former is not None
    path.unlink()
    assert file.take(1) is not None
    file.give_back(former)
    assert slots.use(path, 1).now == 1
