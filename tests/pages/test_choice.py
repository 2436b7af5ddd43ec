"""What to take: the leader, its learning rate, and the cells that serve as well."""

from collections.abc import Sequence

import pytest
from scored import ACCURACY, NO_TIMES, R2, evaluated

from bench import stats
from bench.findings.verdicts import verdict
from bench.pages import standings
from bench.pages.choice import Choice, choice

NAN = float("nan")
GOOD, NEAR, FAR = [0.97, 0.96, 0.98, 0.97, 0.975], [0.96, 0.97, 0.97, 0.975, 0.97], [0.11, 0.12, 0.10, 0.11, 0.12]
LOST, NOISY = [*GOOD[:4], NAN], [0.97, 0.2, 0.98, 0.97, 0.3]
HEAD = "Choose a + x at learning rate 0.1"


def chosen(
    scores: dict[str, Sequence[float]],
    tasks: stats.Tasks = ACCURACY,
    collapsed: Sequence[str] = (),
    baseline: float = 0.0,
) -> Choice:
    """The choice that these scores by optimizer leave."""
    frame = evaluated({name: list(values) for name, values in scores.items()})
    table = stats.convergence(frame, NO_TIMES, tasks)
    table = table.assign(found="", collapsed=table["optimizer"].isin(collapsed))
    return choice(verdict(frame, table, tasks, "t"), table, baseline)


@pytest.mark.parametrize(
    ("scores", "rest"),
    [
        ({"x": GOOD, "y": FAR, "z": FAR}, "."),
        ({"x": GOOD, "y": NEAR}, " or, at its own learning rate, a + y."),
        ({"x": GOOD, "y": NEAR, "z": NEAR}, " or, each at its own learning rate, any other cell."),
        ({"x": GOOD, "y": NEAR, "z": FAR, "w": FAR}, " or, at its own learning rate, a + y."),
        ({"x": GOOD, "y": NEAR, "w": NEAR, "z": FAR}, " or, each at its own learning rate, any of a + y or a + w."),
        ({"x": GOOD, "y": NEAR, "u": LOST}, " or, at its own learning rate, a + y."),
    ],
)
def test_the_choice_names_the_rate_and_what_serves_as_well(scores: dict[str, Sequence[float]], rest: str) -> None:
    assert chosen(scores) == Choice(f"{HEAD}{rest}")


@pytest.mark.parametrize("scores", [{"x": GOOD}, {"x": [NAN] * 5, "y": [NAN] * 5}])
def test_without_a_leader_of_several_there_is_no_choice(scores: dict[str, Sequence[float]]) -> None:
    assert chosen(scores) == Choice()


def test_a_rate_at_the_edge_of_what_was_tried_is_told_with_the_choice() -> None:
    frame = evaluated({"x": list(GOOD), "y": list(FAR)})
    table = stats.convergence(frame, NO_TIMES, ACCURACY).assign(found="", collapsed=False, at_grid_edge=True)
    told = choice(verdict(frame, table, ACCURACY, "t"), table, 0.0).sentence
    assert told == f"{HEAD} (the edge of what was tried, so that a wider range may do better)."


def test_a_leader_that_does_not_beat_the_baseline_is_no_choice() -> None:
    assert chosen({"x": GOOD, "y": FAR}, baseline=0.98).sentence == (
        "Choose none of them: no cell does better than the baseline, 98.0 %."
    )


def test_a_long_list_stands_below_and_says_what_it_is() -> None:
    found = chosen({"x": GOOD} | {f"y{i}": NEAR for i in range(9)} | {f"z{i}": FAR for i in range(2)})
    first = ", ".join(f"a + y{i}" for i in range(5)) + " or a + y5"
    rest = "5 seeds are too few to rule out 3 others"
    assert found.sentence == f"{HEAD} or, each at its own learning rate, any of {first}; {rest}."
    assert found.label.startswith("3 more that cannot be told from the leader and lie within ")
    assert found.label.endswith(" points of it")
    assert found.names == tuple(f"a + y{i}" for i in range(6, 9))
    every = chosen({"x": GOOD} | {f"y{i}": NEAR for i in range(9)})
    assert every.sentence == found.sentence, "all others are not any other"


def test_a_long_list_of_equals_is_told_as_such() -> None:
    found = chosen({f"x{i}": GOOD for i in range(9)} | {"z": FAR})
    assert found.sentence.endswith(" or, each at its own learning rate, any of the 8 below.")
    assert found.label == "8 cells that are exactly as good"
    assert chosen({f"x{i}": GOOD for i in range(9)}).sentence.endswith("any other cell.")


def test_seeds_that_can_tell_next_to_nothing_leave_no_choice() -> None:
    scores = {"x": [0.9, 0.5, 0.8], "y": [0.5, 0.9, 0.6], "z": [0.7, 0.6, 0.2]}
    told = chosen(scores, baseline=0.4).sentence
    assert told.startswith("Choose none of them yet: with 3 seeds only a cell ")
    assert told.endswith(" points behind can be told from the leader, which is 33.3 points ahead of the baseline.")


def test_a_cell_too_noisy_to_be_told_from_the_leader_does_not_serve_as_well() -> None:
    near = {f"y{i}": NEAR for i in range(3)}
    frame = evaluated({"x": GOOD} | near | {"noisy": NOISY})
    found = verdict(frame, stats.convergence(frame, NO_TIMES, ACCURACY), ACCURACY, "t")
    assert ("a", "noisy") in found.tied and 0.01 < found.seen < 0.2
    assert set(found.near) == {("a", f"y{i}") for i in range(3)}
    named = "any of a + y0, a + y1 or a + y2."
    assert chosen({"x": GOOD} | near | {"noisy": NOISY}).sentence.endswith(named)


def test_a_cell_that_collapsed_does_not_serve_as_well() -> None:
    scores = {"x": GOOD, "y": NEAR, "z": [value - 0.001 for value in NEAR]}
    assert chosen(scores, collapsed=["z"]) == Choice(f"{HEAD} or, at its own learning rate, a + y.")
    close = chosen(scores, R2, baseline=0.9685).sentence
    assert close.startswith("Choose none of them yet: with 5 seeds only a cell 0.019 behind can be told")


def test_every_cell_has_its_verdict_in_words() -> None:
    def words(scores: dict[str, list[float]]) -> dict[str, str]:
        frame = evaluated(scores)
        table = stats.convergence(frame, NO_TIMES, ACCURACY)
        rows = standings.cells(table, NO_TIMES.assign(lane_steps_per_s=[]), verdict(frame, table, ACCURACY, "t")).rows
        return {row.name: row.verdict for row in rows}

    told = {"a + x": "leader", "a + y": "not told apart", "a + z": "behind", "a + u": "diverged on 1 of 5"}
    assert words({"x": GOOD, "y": NEAR, "z": FAR, "u": LOST}) == told
    assert set(words({"x": [NAN] * 5, "y": [NAN] * 5}).values()) == {""}


def test_a_single_seed_leaves_no_choice() -> None:
    assert chosen({"x": GOOD[:1], "y": FAR[:1]}).sentence.startswith(
        "Choose none of them yet: a single evaluation seed"
    )
