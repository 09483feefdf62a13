"""What models take of a process' memory."""

from sagesmith.modelserver.multimodel.memory import Memory, resident_bytes

MEGABYTE = 1_000_000


def test_models_take_what_they_may_and_give_it_back() -> None:
    memory = Memory(None, 3 * MEGABYTE)
    first = memory.take(MEGABYTE, resident_bytes())
    assert first >= MEGABYTE
    assert memory.has_room(3 * MEGABYTE - first)
    assert not memory.has_room(3 * MEGABYTE - first + 1)
    memory.give_back(first)
    assert memory.has_room(3 * MEGABYTE)


def test_the_process_itself_counts_against_the_instances_memory() -> None:
    assert Memory(2 * resident_bytes(), None).has_room(1)
    assert not Memory(resident_bytes(), None).has_room(1)


def test_a_model_is_expected_to_grow_as_those_before_it_did() -> None:
    memory = Memory(None, 1000 * MEGABYTE)
    assert memory.has_room(300 * MEGABYTE)
    # Its files had 10 MB, and the process has grown by at least 50.
    memory.take(10 * MEGABYTE, resident_bytes() - 50 * MEGABYTE)
    assert not memory.has_room(300 * MEGABYTE)
