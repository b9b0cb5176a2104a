"""Where an attempt's time goes adds up, with a clock of the test's own."""

from homeport.pipeline.execute.phases import Phases


def test_a_phase_ends_where_the_next_begins_and_times_add_up() -> None:
    times = iter([0.0, 1.0, 1.0, 3.5, 3.5, 4.0, 9.0])
    phases = Phases(lambda: next(times))
    phases.begin("image")
    phases.begin("workspace")
    phases.begin("image")
    assert phases.end() == {"image": 1.5, "workspace": 2.5}
    assert phases.end() == {"image": 1.5, "workspace": 2.5}


def test_nothing_began() -> None:
    assert Phases(lambda: 0.0).end() == {}
