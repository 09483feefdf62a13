"""Which levels of users a traffic pattern means."""

from sagesmith.services.sagemaker.recommender.traffic import Level, by_default, of_pattern


def test_a_phase_gets_users_at_its_spawn_rate() -> None:
    phase = {"InitialNumberOfUsers": 1, "SpawnRate": 2, "DurationInSeconds": 75}
    assert list(of_pattern({"TrafficType": "PHASES", "Phases": [phase]})) == [Level(1, 30), Level(2, 30), Level(3, 15)]


def test_phases_follow_each_other_and_one_without_a_spawn_rate_keeps_its_users() -> None:
    first = {"InitialNumberOfUsers": 1, "SpawnRate": 1, "DurationInSeconds": 120}
    second = {"InitialNumberOfUsers": 3, "SpawnRate": 0, "DurationInSeconds": 60}
    assert list(of_pattern({"Phases": [first, second]})) == [Level(1, 60), Level(2, 60), Level(3, 60)]


def test_stairs_share_their_time() -> None:
    stairs = {"DurationInSeconds": 600, "NumberOfSteps": 3, "UsersPerStep": 2}
    assert list(of_pattern({"TrafficType": "STAIRS", "Stairs": stairs})) == [
        Level(2, 200),
        Level(4, 200),
        Level(6, 200),
    ]


def test_without_a_pattern_users_double_and_a_short_job_has_short_levels() -> None:
    assert [each.users for each in by_default()] == [1, 2, 4, 8, 16, 32, 64]
    assert {each.seconds for each in by_default()} == {5.0}
    assert {each.seconds for each in by_default(21)} == {3.0}
    assert {each.seconds for each in by_default(1)} == {2.0}
