import pytest

from realtime.admission import Admission, Doorkeeper


@pytest.mark.parametrize(
    ("running", "asked", "answer"),
    [
        pytest.param([], "RM_1", Admission.ADMITTED, id="empty"),
        pytest.param(["RM_2"], "RM_1", Admission.ADMITTED, id="room-left"),
        pytest.param(["RM_2", "RM_3"], "RM_1", Admission.FULL, id="full"),
        pytest.param(["RM_1"], "RM_1", Admission.SECOND, id="second"),
        pytest.param(["RM_1", "RM_2"], "RM_1", Admission.SECOND, id="second-and-full"),
    ],
)
def test_running_rooms(running: list[str], asked: str, answer: Admission) -> None:
    """A worker for two rooms takes two, and each once."""
    assert Doorkeeper(2).ask(asked, running) is answer


def test_starting_rooms_count() -> None:
    """A burst does not get past: what was taken counts before it runs, and not twice after."""
    door = Doorkeeper(2)
    with door.starting("RM_1"), door.starting("RM_2"):
        assert door.ask("RM_3", []) is Admission.FULL
        assert door.ask("RM_1", []) is Admission.SECOND
        assert door.ask("RM_3", ["RM_1"]) is Admission.FULL
    assert door.ask("RM_3", ["RM_1"]) is Admission.ADMITTED


def test_start_that_fails_gives_its_place_back() -> None:
    """A job that was taken and never came leaves its place to others."""
    door = Doorkeeper(1)
    with pytest.raises(RuntimeError), door.starting("RM_1"):
        raise RuntimeError
    assert door.ask("RM_1", []) is Admission.ADMITTED
