"""What to take: the leader, its learning rate, and the shorter list of the others."""

from collections.abc import Sequence

import pytest
from test_stats import ACCURACY, NO_TIMES, evaluated

from bench import stats, tables
from bench.choice import Choice, choice
from bench.verdicts import Verdict, verdict

NAN = float("nan")
GOOD, NEAR, FAR = [0.97, 0.96, 0.98, 0.97, 0.975], [0.96, 0.97, 0.97, 0.975, 0.97], [0.11, 0.12, 0.10, 0.11, 0.12]
LOST = [*GOOD[:4], NAN]


def judged(scores: dict[str, Sequence[float]]) -> tuple[Verdict, tables.Table]:
    """The verdict on these scores by optimizer, and the table of cells."""
    frame = evaluated({name: list(values) for name, values in scores.items()}).assign(hyperparameters="{}")
    table = stats.convergence(frame, NO_TIMES, ACCURACY).assign(found="", collapsed=False)
    found = verdict(frame, table, ACCURACY, "t")
    return found, tables.cells(table, NO_TIMES.assign(lane_steps_per_s=[]), found)


def chosen(scores: dict[str, Sequence[float]]) -> Choice:
    """The choice that these leave."""
    return choice(*judged(scores))


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        ({"x": GOOD}, ""),
        ({"x": [NAN] * 5, "y": [NAN] * 5}, ""),
        ({"x": GOOD, "y": FAR, "z": FAR}, "."),
        ({"x": GOOD, "y": NEAR, "z": NEAR}, " or, each at its own, any other cell."),
        ({"x": GOOD, "y": NEAR, "z": FAR, "w": FAR}, " or, at its own, a + y."),
        (
            {"x": GOOD, "y": NEAR, "w": NEAR, "z": FAR, "v": FAR},
            " or, each at its own, any of a + y or a + w.",
        ),
        ({"x": GOOD, "y": NEAR, "w": NEAR, "z": FAR}, " or, each at its own, any cell but a + z."),
        (
            {"x": GOOD, "y": NEAR, "w": NEAR, "v": NEAR, "z": FAR, "u": LOST},
            " or, each at its own, any cell but a + u and a + z.",
        ),
    ],
)
def test_the_choice_names_the_rate_and_the_shorter_list(scores: dict[str, Sequence[float]], sentence: str) -> None:
    assert chosen(scores) == Choice(sentence and f"Choose a + x at learning rate 0.1{sentence}")


def test_a_long_list_stands_below() -> None:
    found = chosen({"x": GOOD} | {f"y{i}": NEAR for i in range(9)} | {f"z{i}": FAR for i in range(7)})
    assert found.sentence.endswith(" or, each at its own, any cell but the 7 below.")
    assert found.label == "7 that can be told from the leader"
    assert found.names == tuple(f"a + z{i}" for i in range(7))
    lost = chosen({"x": GOOD} | {f"y{i}": NEAR for i in range(9)} | {f"z{i}": LOST for i in range(7)})
    assert lost.label == "7 that diverged or can be told from the leader"


def test_every_cell_has_its_verdict_in_words() -> None:
    _, cells = judged({"x": GOOD, "y": NEAR, "z": FAR, "u": LOST})
    words = {row.name: row.verdict for row in cells.rows}
    assert words == {"a + x": "leader", "a + y": "not told apart", "a + z": "behind", "a + u": "diverged on 1 of 5"}
    _, lost = judged({"x": [NAN] * 5, "y": [NAN] * 5})
    assert {row.verdict for row in lost.rows} == {""}
