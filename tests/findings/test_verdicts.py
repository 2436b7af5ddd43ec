"""Verdicts: who leads, and who can be told from it."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import ttest_rel
from scored import ACCURACY, NO_TIMES, R2, RMSE, evaluated
from simulated_verdicts import SPREADS, collapsing, equals_told, far_told, lost, told_apart
from synthetic import make_run

from bench import stats
from bench.findings import verdicts
from bench.findings.verdicts import against_best, against_row, best_set, holm, power_line, verdict

NAN = float("nan")


def told(scores: dict[str, Sequence[float]], tasks: stats.Tasks = ACCURACY) -> verdicts.Verdict:
    """The verdict on these scores by optimizer."""
    frame = evaluated({name: list(values) for name, values in scores.items()})
    return verdict(frame, stats.convergence(frame, NO_TIMES, tasks), tasks, "t")


def test_holm_is_known() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])
    assert len(holm([])) == 0


def test_one_comparison_is_the_paired_t_test() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(1, 1, 8), rng.normal(0, 1, 8)
    found = against_best(evaluated({"a": list(a), "b": list(b)}), R2, "t", ("a", "a"))
    assert found["p_value"].item() == pytest.approx(ttest_rel(a, b).pvalue, rel=1e-3)
    assert found["difference"].item() == pytest.approx((b - a).mean())


def test_seeds_are_compared_one_by_one() -> None:
    hard = np.array([0.2, 0.5, 0.8, 0.3, 0.9])  # seeds differ far more than cells do
    noise = np.array([0.001, -0.001, 0.0005, 0, -0.0005])
    assert told({"a": hard + 0.02, "b": hard + noise}).tied == ()


def test_equal_cells_are_tied_and_a_copy_of_the_leader_is() -> None:
    assert told({"a": [0.9] * 5, "b": [0.9] * 5}).tied == (("a", "b"),)
    assert told({"a": [0.9, 0.8, 0.7], "b": [0.9, 0.8, 0.7]}).tied == (("a", "b"),)


def test_one_sample_s_difference_on_two_seeds_is_not_certainty() -> None:
    one = 1 / 36
    assert told({"a": [1.0, 1.0], "b": [1 - one, 1 - one]}).tied == (("a", "b"),)
    steady = {"a": [1.0] * 5, "b": [1 - one] * 5, "c": [1 - 9 * one] * 5}
    assert ("a", "c") not in told(steady).tied


@pytest.mark.parametrize("tasks", [ACCURACY, R2, RMSE])
def test_a_cell_that_always_diverges_can_be_told(tasks: stats.Tasks) -> None:
    sign = 1 if tasks is not RMSE else -1
    good = np.array([0.90, 0.91, 0.92, 0.93, 0.94]) * sign
    worse = good - sign * 0.3 * np.array([1, 1.1, 0.9, 1, 1.05])
    found = told({"a": good, "b": worse, "lost": [NAN] * 5}, tasks)
    assert found.winner == ("a", "a")
    assert ("a", "lost") not in found.tied


def test_divergence_never_helps_a_cell_into_the_lead() -> None:
    assert told({"a": [0.8] * 5, "b": [0.99, 0.99, 0.99, 0.99, NAN]}).winner == ("a", "a")


@pytest.mark.parametrize("tasks", [ACCURACY, R2])
def test_a_cell_that_diverged_where_the_leader_did_not_is_no_equal_of_it(tasks: stats.Tasks) -> None:
    """Whether on most seeds or on one: its scores are so scattered that no test tells it from anything."""
    good = [0.97, 0.96, 0.98, 0.97, 0.975, 0.97, 0.96, 0.98, 0.97, 0.975]
    often, once = [NAN] * 6 + good[6:], [NAN, *good[1:]]
    found = told({"a": good, "b": good, "often": often, "once": once}, tasks)
    assert found.winner == ("a", "a")
    assert found.tied == (("a", "b"),)
    assert found.lost == {("a", "often"): 6, ("a", "once"): 1}
    assert found.sentence.endswith(
        "1 of the 3 other cells cannot be told from it; the other 2 diverged on more seeds than the leader."
    )


def test_a_cell_that_lost_no_more_seeds_than_the_leader_is_compared_with_it() -> None:
    once = [NAN, 0.96, 0.98, 0.97, 0.975]
    found = told({"a": once, "b": [0.96, NAN, 0.97, 0.96, 0.97], "c": [0.96, NAN, 0.96, 0.97, NAN]})
    assert found.winner == ("a", "a")
    assert found.tied == (("a", "b"),)
    assert found.lost == {("a", "c"): 2}


def test_fewer_than_two_shared_seeds_cannot_tell() -> None:
    frame = evaluated({"a": [0.9, 0.9, 0.9], "b": [0.1, 0.1, 0.1]})
    frame.loc[frame["optimizer"] == "b", "seed"] += 2
    table = against_best(frame, ACCURACY, "t", ("a", "a"))
    assert list(table.loc[table["tied"], "optimizer"]) == ["b"]


@pytest.mark.parametrize(
    ("tails", "spread"), [("normal", "alike"), ("heavy", "all unlike"), ("ceiling", "half noisier")]
)
def test_the_truly_best_cell_stays_in_the_set(tails: str, spread: str) -> None:
    assert lost(tails, spread, seeds=5, replicates=300) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("tails, limit", [("normal", 0.06), ("heavy", 0.04), ("ceiling", 0.1)])
@pytest.mark.parametrize("spread", sorted(SPREADS))
def test_the_truly_best_cell_is_rarely_lost_though_seeds_are_added_twice(tails: str, limit: float, spread: str) -> None:
    assert lost(tails, spread, seeds=20, replicates=300, looks=(5, 10, 20)) <= limit


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("tails", ["normal", "heavy", "ceiling"])
@pytest.mark.parametrize("spread", SPREADS)
def test_it_stays_there_with_whatever_noise(tails: str, spread: str, seeds: int) -> None:
    assert lost(tails, spread, seeds, replicates=1000) <= 0.05
    assert lost(tails, spread, seeds, replicates=1000, gap=1.0) <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("spread", SPREADS)
@pytest.mark.parametrize(("tails", "limit"), [("lucky", 0.11), ("unlucky", 0.08)])
def test_strongly_skewed_noise_costs_more_but_not_much_more(tails: str, limit: float, spread: str) -> None:
    assert lost(tails, spread, seeds=5, replicates=500) <= limit


def test_forty_cells_lend_each_other_what_five_seeds_do_not_tell() -> None:
    """Evenly spread over five standard deviations: paired t tests tell 10 of 41 from the best, these 20 and more."""
    assert told_apart(replicates=50) > 20


def test_cells_that_never_learned_are_told_from_a_leader_among_noisy_ones() -> None:
    """As a GAN's: half of ninety cells learn, each with another noise, the rest are at 0 on every seed."""
    rng = np.random.default_rng(0)
    values = np.clip(0.6 + 0.25 * rng.normal(size=(90, 5)), 0, 1)
    values[0] = [0.80, 0.75, 0.72, 0.82, 0.77]
    values[45:] = 0.0
    inside = against_row(values, 0) >= 0.05
    assert not inside[45:].any()
    assert inside[1:45].sum() > 30


@pytest.mark.parametrize(
    ("best", "near", "far"),
    [
        # Rosenbrock's valley, three seeds: momentum, adam, sgd
        ([2.29, 2.15, 2.27], [1.85, 2.65, -0.11], [-0.36, -0.45, -0.30]),
        # a ring's GAN: one noisy cell beside the leader, the rest at the baseline
        ([0.258, 0.237, 0.303], [0.195, 0.327, 0.238], [0.021, 0.065, 0.072]),
    ],
)
def test_noise_of_one_cell_does_not_hide_another_that_is_far_on_every_seed(
    best: list[float], near: list[float], far: list[float]
) -> None:
    """Too few lend their noise, so that each pair is judged by its own: the paired t test."""
    p = against_row(np.array([best, near, far]), 0)
    assert p[2] == pytest.approx(2 * ttest_rel(best, far).pvalue, rel=0.1)
    assert p[2] < 0.05 < p[1]


@pytest.mark.parametrize("tails", ["normal", "heavy"])
def test_a_far_cell_is_told_beside_a_noisy_one(tails: str) -> None:
    assert far_told(tails, seeds=3, replicates=300) > 0.8


@pytest.mark.parametrize("spread", ["alike", "the best much noisier", "one much noisier", "all unlike"])
@pytest.mark.parametrize("tails", ["normal", "heavy", "ceiling"])
def test_the_truly_best_of_three_cells_stays_in_the_set(tails: str, spread: str) -> None:
    assert lost(tails, spread, seeds=5, replicates=300, cells=3) <= 0.05


def test_one_cell_that_collapsed_once_does_not_blur_the_others() -> None:
    rng = np.random.default_rng(0)
    values = 0.97 - 0.001 * np.arange(60)[:, None] + 0.004 * rng.normal(size=(60, 5))
    sharp = best_set(values).sum()
    values[1, 4] = 0.2
    assert best_set(values)[1]
    assert best_set(values).sum() <= sharp + 1


def test_a_cell_that_lost_a_seed_does_not_blur_the_others() -> None:
    rng = np.random.default_rng(0)
    scores = {str(i): list(0.9 - 0.01 * i + 0.003 * rng.normal(size=5)) for i in range(12)}
    sharp = len(told(scores).tied)
    assert len(told(scores | {"lost": [0.9, NAN, 0.9, 0.9, 0.9]}).tied) <= sharp + 1


def test_the_power_line_says_what_the_seeds_can_see() -> None:
    rng = np.random.default_rng(0)
    scores = {name: 0.9 + 0.01 * rng.normal(size=20) for name in ("a", "b")}
    found = told(scores)
    spread = float((scores["a"] - scores["b"]).std(ddof=1))
    seen = stats.smallest_seen(20)
    assert seen == pytest.approx(0.660, abs=0.001)  # of Cohen's table, a paired t test with 80 % power
    assert stats.seeds_needed(seen * spread, spread) == 20
    half = stats.seeds_needed(seen / 2, 1.0)
    assert found.seen == pytest.approx(seen * spread)
    assert power_line(found) == (
        f"With 20 seeds there is an 80 % chance to detect a cell {100 * seen * spread:.1f} points behind the leader "
        f"(0.66 standard deviations of the paired difference); half of that gap would need {half} seeds."
    )
    for unknown in ({}, {"a": [0.9, 0.8]}, {"a": [0.9], "b": [0.8]}, {"a": [0.9, 0.8], "b": [0.9, 0.8]}):
        assert told(unknown).seen == 0 and power_line(told(unknown)) == ""


@pytest.mark.parametrize(
    "scores, sentence",
    [
        ({}, "No cell was evaluated, so there is nothing to compare."),
        ({"x": [NAN, NAN]}, "Every evaluated network diverged, so there is nothing to compare."),
        (
            {"x": [0.0, 0.0], "y": [0.0, 0.0]},
            "Every evaluated network has a test accuracy of 0.0 %, the worst there is, so there is nothing to compare.",
        ),
        (
            {"x": [0.0, NAN]},
            "Every evaluated network diverged or has a test accuracy of 0.0 %, the worst there is, so there is nothing "
            "to compare.",
        ),
        (
            {"x": [0.9, 0.92]},
            "a + x reaches 91.0 % ± 1.0 test accuracy; it is the only cell, so there is nothing to compare it with.",
        ),
        (
            {"x": [0.9] * 6, "y": [0.1] * 6},
            "a + x leads at 90.0 % ± 0.0 test accuracy; the other cell can be told from it.",
        ),
        (
            {"x": [0.9] * 3, "y": [0.9] * 3},
            "a + x has the best mean, 90.0 % ± 0.0 test accuracy (equalled by a + y), "
            "but the other cell cannot be told from it.",
        ),
        (
            {"x": [0.9] * 3, "y": [0.9] * 3, "z": [0.89, 0.9, 0.91]},
            "a + x has the best mean, 90.0 % ± 0.0 test accuracy (equalled by a + y and a + z), "
            "but none of the 2 other cells can be told from it.",
        ),
        (
            {"x": [0.9] * 5, "y": [0.9] * 5, "z": [0.1] * 5},
            "a + x leads at 90.0 % ± 0.0 test accuracy (equalled by a + y); "
            "1 of the 2 other cells cannot be told from it.",
        ),
        (
            {"x": [0.9] * 5, "y": [0.9] * 5, "w": [0.9] * 5, "z": [0.1] * 5},
            "a + x has the best mean, 90.0 % ± 0.0 test accuracy (equalled by a + y and a + w), "
            "but 2 of the 3 other cells cannot be told from it.",
        ),
        (
            {"x": [0.9] * 9, "y": [0.6, 0.61, 0.6] * 3, "z": [0.1, 0.11, 0.1] * 3},
            "a + x leads at 90.0 % ± 0.0 test accuracy; each of the 2 other cells can be told from it.",
        ),
        (
            {"x": [1.0] * 5, "y": [1.0] * 5, "z": [0.1] * 5},
            "2 of 3 cells reach the ceiling, 100.0 % test accuracy, on every seed; "
            "soonest at the target: a + x and a + y, after 10 steps.",
        ),
        (
            {"x": [1.0] * 5, "y": [1.0] * 5, "w": [0.99, 1, 1, 1, 1], "z": [0.1] * 5, "v": [NAN] + [1.0] * 4},
            "2 of 5 cells reach the ceiling, 100.0 % test accuracy, on every seed; "
            "soonest at the target: a + x and a + y, after 10 steps. "
            "1 more cannot be told from them; one of the rest diverged on 1 of its 5 seeds.",
        ),
        (
            {"x": [1.0] * 5, "z": [0.1] * 5},
            "a + x leads at 100.0 % ± 0.0 test accuracy; the other cell can be told from it.",
        ),
        (
            {"x": [0.9] * 5, "y": [0.9] * 3 + [NAN] * 2},
            "a + x leads at 90.0 % ± 0.0 test accuracy; the other cell diverged on 2 of its 5 seeds.",
        ),
        (
            {"x": [0.9] * 5, "y": [NAN] * 5, "z": [0.9] * 4 + [NAN]},
            "a + x leads at 90.0 % ± 0.0 test accuracy; "
            "each of the 2 other cells diverged on more seeds than the leader.",
        ),
        (
            {"x": [0.9] * 5, "y": [0.1] * 5, "z": [0.9] * 4 + [NAN]},
            "a + x leads at 90.0 % ± 0.0 test accuracy; 1 of the 2 other cells can be told from it; "
            "the other one diverged on 1 of its 5 seeds.",
        ),
        (
            {"x": [0.9] * 5, "y": [0.89, 0.9, 0.91, 0.9, 0.89], "z": [0.1] * 5, "w": [0.9] * 4 + [NAN]},
            "a + x leads at 90.0 % ± 0.0 test accuracy; 1 of the 3 other cells cannot be told from it; "
            "one of the rest diverged on 1 of its 5 seeds.",
        ),
        (
            {"x": [0.9]},
            "a + x reaches 90.0 % test accuracy; it is the only cell, so there is nothing to compare it with.",
        ),
    ],
)
def test_the_sentence_says_what_was_found(scores: dict[str, Sequence[float]], sentence: str) -> None:
    assert told(scores).sentence == sentence


def missing(scores: dict[str, Sequence[float]], status: dict[str, str]) -> str:
    """The sentence on these scores where the cells of some optimizers ended otherwise."""
    frame = evaluated({name: list(values) for name, values in scores.items()})
    frame["status"] = frame["optimizer"].map(lambda name: status.get(name, "ok"))
    return verdict(frame, stats.convergence(frame, NO_TIMES, ACCURACY), ACCURACY, "t").sentence


@pytest.mark.parametrize(
    "status, sentence",
    [
        ({}, "a + x leads at 90.0 % ± 0.0 test accuracy; each of the 2 other cells can be told from it."),
        (
            {"z": "interrupted"},
            "a + x leads at 90.0 % ± 0.0 test accuracy; the other cell can be told from it. "
            "Only 2 of 3 cells were evaluated.",
        ),
        (
            {"y": "interrupted", "z": "interrupted"},
            "a + x reaches 90.0 % ± 0.0 test accuracy; it is the only one of 3 cells that was evaluated, "
            "so there is nothing to compare it with.",
        ),
        (dict.fromkeys("xyz", "interrupted"), "No cell was evaluated, so there is nothing to compare."),
        (dict.fromkeys("xyz", "failed"), "No cell was evaluated, so there is nothing to compare."),
        (
            {"x": "diverged", "y": "failed", "z": "interrupted"},
            "Every evaluated network diverged, so there is nothing to compare.",
        ),
    ],
)
def test_the_sentence_says_what_is_missing(status: dict[str, str], sentence: str) -> None:
    assert missing({"x": [0.9] * 9, "y": [0.6, 0.61, 0.6] * 3, "z": [0.1, 0.11, 0.1] * 3}, status) == sentence


def test_a_task_without_an_activation_names_the_optimizer_alone() -> None:
    assert stats.cell_label("none", "adam") == "adam"
    assert stats.cell_label("relu", "adam") == "relu + adam"


def test_every_cell_is_told_what_the_verdict_says_of_it() -> None:
    run = make_run(["relu", "tanh"], ["sgd", "adam", "lion"], evaluate=8)
    done, rng = run.lanes["phase"] == "evaluate", np.random.default_rng(1)
    run.lanes.loc[done, "status"] = "ok"
    gains = run.lanes.loc[done, "optimizer"].map({"sgd": 0.0, "adam": 0.1, "lion": 0.1})
    run.lanes.loc[done, "test_metric"] = 0.8 + gains + 0.005 * rng.normal(size=done.sum())
    lion = done & (run.lanes["optimizer"] == "lion") & (run.lanes["activation"] == "relu")
    run.lanes.loc[lion.idxmax(), ["status", "test_metric"]] = ["diverged", np.nan]
    last = done & (run.lanes["optimizer"] == "lion") & (run.lanes["activation"] == "tanh")
    run.lanes.loc[last, "status"] = "interrupted"
    tasks = run.manifest["tasks"]
    table = stats.convergence(run.lanes, run.throughput, tasks)
    found = verdicts.cells(run.lanes, table, tasks).set_index(["activation", "optimizer"])
    told = found["verdict"].to_dict()
    (leader,) = [cell for cell, word in told.items() if word == "leader"]
    assert leader[1] == "adam" and told.pop(("tanh" if leader[0] == "relu" else "relu", "adam")) == "level"
    assert told[("relu", "sgd")] == told[("tanh", "sgd")] == "behind" and told[("relu", "lion")] == "lost"
    assert told[("tanh", "lion")] == "" and np.isnan(found.loc[leader, "difference"])
    assert found.loc[("relu", "sgd"), "difference"] == pytest.approx(-0.1, abs=0.01)


def test_a_lost_seed_is_no_noise_for_what_the_seeds_see() -> None:
    rng = np.random.default_rng(0)
    near = {f"y{i}": list(0.95 + 0.002 * rng.normal(size=5)) for i in range(2)}
    fallen = {f"z{i}": [0.9, NAN, 0.9, NAN, 0.9] for i in range(9)}
    scores = {"x": list(0.97 + 0.002 * rng.normal(size=5))} | near | fallen
    assert 0.005 < told(scores).seen < 0.1, "a zero for a lost seed would make it several tenths"
    leader = {"x": [0.97, 0.96, NAN, 0.965, 0.975]} | {f"y{i}": [0.6, 0.601, 0.599, 0.6, 0.602] for i in range(3)}
    assert 0.005 < told(leader).seen < 0.1, "nor that of the leader"


@pytest.mark.slow
@pytest.mark.parametrize(("others", "seeds", "share"), [(1, 5, 0.04), (10, 5, 0.14), (3, 10, 0.36), (10, 10, 0.43)])
def test_cells_that_rarely_collapse_hide_the_best_as_often_as_the_docs_say(
    others: int, seeds: int, share: float
) -> None:
    assert collapsing(others, seeds, 1000) == pytest.approx(share, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize(("cells", "seeds", "share"), [(42, 5, 0.08), (42, 10, 0.15), (90, 5, 0.13), (90, 10, 0.22)])
def test_equal_cells_are_told_from_the_leader_as_often_as_the_docs_say(cells: int, seeds: int, share: float) -> None:
    assert equals_told(cells, seeds, 1000) == pytest.approx(share, abs=0.03)
