"""The figures: what they show, that anybody can read them, and that they are always the same."""

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from synthetic import ACTIVATIONS, OPTIMIZERS, REGRESSION, SyntheticRun, make_run, searched, task_entry

from bench import figures
from bench.figures import Figure, style, svg
from bench.figures.panels import curves
from bench.verdicts import verdict

KINDS = {"metric", "steps", "diverged", "curves", "rates", "throughput", "times"}
SHAPES: dict[str, dict[str, Any]] = {
    "one cell": {"activations": ["relu"], "optimizers": ["adam"]},
    "many optimizers": {
        "activations": ["relu"],
        "optimizers": [f"optimizer_{i}" for i in range(60)],
        "evaluations": 2,
        "rates": 2,
    },
    "many activations": {"activations": [f"a{i}" for i in range(9)], "optimizers": ["adam"], "evaluations": 2},
    "no activation": {"activations": ["none"], "optimizers": ["sgd", "adam"]},
    "all diverged": {"activations": ["relu", "tanh"], "optimizers": ["sgd", "adam"], "all_diverge": True},
    "all diverged, no worst value": {
        "activations": ["relu"],
        "optimizers": ["sgd", "adam"],
        "all_diverge": True,
        "tasks": {"t": REGRESSION},
    },
    "minimized": {"activations": ["relu", "tanh"], "optimizers": ["sgd", "adam"], "tasks": {"t": REGRESSION}},
    "interrupted": {
        "activations": ["relu", "tanh"],
        "optimizers": ["sgd", "adam"],
        "keep_evaluated": 0.6,
        "status": "interrupted",
    },
    "nothing evaluated": {
        "activations": ["relu"],
        "optimizers": ["sgd", "adam"],
        "keep_evaluated": 0,
        "status": "interrupted",
    },
    "one rate": {"activations": ["relu"], "optimizers": ["sgd", "adam"], "rates": 1, "tune": 1, "evaluate": 1},
}


def draw(run: SyntheticRun) -> dict[str, Figure]:
    """All figures of a run of one task."""
    (task,) = run.manifest["tasks"]
    found = verdict(run.lanes, run.convergence, run.manifest["tasks"], task)
    return figures.of_task(run, task, found, figures.styles(run.convergence), "t") | figures.of_run(run, "run")


@pytest.fixture(scope="module")
def run() -> SyntheticRun:
    return make_run()


@pytest.fixture(scope="module")
def drawn(run: SyntheticRun) -> dict[str, Figure]:
    return draw(run)


def texts(figure: Figure) -> list[str]:
    """Every text that stands in a figure."""
    return [
        "".join(node.itertext())
        for node in ElementTree.fromstring(figure.file).iter("{http://www.w3.org/2000/svg}text")
    ]


def test_every_kind_is_there(drawn: Mapping[str, Figure]) -> None:
    assert set(drawn) == KINDS


@pytest.mark.parametrize("shape", SHAPES)
def test_runs_of_every_shape_can_be_drawn(shape: str) -> None:
    for figure in draw(make_run(**SHAPES[shape])).values():
        assert ElementTree.fromstring(figure.file).tag.endswith("svg")
        assert "nan" not in re.findall(r"\bnan\b", figure.svg.lower())


def test_the_same_run_gives_the_same_bytes_whatever_the_user_has_set() -> None:
    run = make_run(["relu"], ["sgd", "adam"], evaluations=4)
    once = draw(run)
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "xtick.direction": "in", "lines.linewidth": 9}):
        again = draw(run)
    assert {kind: figure.files for kind, figure in again.items()} == {
        kind: figure.files for kind, figure in once.items()
    }


def test_each_figure_is_also_a_pdf_with_its_fonts_and_no_date(drawn: Mapping[str, Figure]) -> None:
    for figure in drawn.values():
        content = figure.files[f"figures/{figure.name}.pdf"]
        assert content.startswith(b"%PDF-")
        assert b"/FontFile2" in content and b"/Type3" not in content
        assert b"CreationDate" not in content


def test_every_figure_has_words_for_those_who_cannot_see_it(drawn: Mapping[str, Figure]) -> None:
    for figure in drawn.values():
        assert f'role="img" aria-label="{figure.title}. ' in figure.svg
        assert figure.finding.endswith(".")
        assert len(figure.reading.split()) > 8
        root = ElementTree.fromstring(figure.file)
        assert root.findtext("{http://www.w3.org/2000/svg}title") == figure.title
        assert root.findtext("{http://www.w3.org/2000/svg}desc") == figure.finding


def test_a_figure_follows_the_page_s_colours_and_asks_for_nothing(drawn: Mapping[str, Figure]) -> None:
    for figure in drawn.values():
        assert "currentColor" in figure.svg
        assert svg.INK not in figure.svg
        assert svg.PAPER not in figure.svg
        assert "var(" not in figure.file
        assert "http" not in figure.file.replace('xmlns="http://www.w3.org/2000/svg"', "")


def test_ids_do_not_meet_in_a_page_and_all_that_are_used_exist(drawn: Mapping[str, Figure]) -> None:
    page = "".join(figure.svg for figure in drawn.values())
    ids = re.findall(r' id="([^"]+)"', page)
    used = set(re.findall(r'href="#([^"]+)"', page)) | set(re.findall(r"url\(#([^)]+)\)", page))
    assert len(ids) == len(set(ids))
    assert used == set(ids)


def test_the_heatmap_holds_each_mean_and_outlines_the_leader(run: SyntheticRun, drawn: Mapping[str, Figure]) -> None:
    shown = texts(drawn["metric"])
    means = [f"{value * 100:.1f}" for value in run.convergence["test_metric"]]
    assert sorted(text for text in shown if re.fullmatch(r"\d+\.\d", text)) == sorted(means)
    assert set(ACTIVATIONS) | set(OPTIMIZERS) <= set(shown)
    assert drawn["metric"].svg.count("stroke-width: 2.4") == 1


def test_a_missed_target_is_a_dash_and_never_a_number(run: SyntheticRun, drawn: Mapping[str, Figure]) -> None:
    missed = int(np.isinf(run.convergence["steps_to_target"]).sum())
    assert 0 < missed == texts(drawn["steps"]).count("–")
    assert "500" not in texts(drawn["steps"])


def test_cells_without_data_say_so() -> None:
    shown = draw(make_run(["relu"], ["sgd", "adam"], keep_evaluated=0.5, status="interrupted"))
    assert texts(shown["metric"]).count("no data") == 1
    assert texts(shown["steps"]).count("no data") == 1


def test_cells_that_lost_a_network_are_hatched() -> None:
    run = make_run(["relu"], ["sgd", "adam"], evaluations=4)
    assert "hatch" not in draw(run)["metric"].reading.lower()
    run.lanes.loc[run.lanes["phase"] == "evaluate", "status"] = ["diverged"] + ["ok"] * 9
    lost = SyntheticRun("x", run.lanes, run.curves, run.throughput, run.times, run.manifest)
    assert "<pattern" in draw(lost)["metric"].svg
    assert "Hatched" in draw(lost)["metric"].reading


def test_the_shares_that_diverged_are_left_out_where_none_did() -> None:
    run = make_run(["relu"], ["sgd"])
    run.lanes["status"] = "ok"
    assert "diverged" not in draw(run)


def test_trials_that_differ_in_more_than_their_rate_are_points_without_a_line() -> None:
    shape: dict[str, Any] = {"activations": ["relu"], "optimizers": ["sgd", "adam"]}
    joined = draw(make_run(**shape))["rates"]
    some = draw(searched(make_run(**shape), "adam"))["rates"]
    every = draw(searched(make_run(**shape), "adam", "sgd"))["rates"]
    assert "one step of the grid off" in joined.finding and "Markers without a line" not in joined.reading
    assert "at the next one tried" in some.finding and "Markers without a line" in some.reading
    assert every.finding == "Every cell searched more than its learning rate."
    joining = "stroke-width: 1.2; stroke-linecap"
    assert [figure.svg.count(joining) for figure in (joined, some, every)] == [2, 1, 0]


def test_each_optimizer_keeps_its_colour_marker_and_line() -> None:
    run = make_run(["relu"], [f"o{i}" for i in range(60)], evaluations=2)
    styles = figures.styles(run.convergence)
    assert len({(s.color, s.marker, str(s.dash)) for s in styles.values()}) == 60
    best = run.convergence.sort_values("rank")["optimizer"].iloc[:8]
    assert [styles[label].color for label in best] == style.PALETTE


def test_more_optimizers_than_colours_leave_the_rest_in_grey() -> None:
    run = make_run(["relu"], [f"o{i}" for i in range(12)], evaluations=4)
    shown = texts(draw(run)["curves"])
    assert "4 others" in shown
    assert sum(label in shown for label in run.manifest["optimizers"]) == 8


def test_panels_share_an_axis_that_shows_the_target_and_all_but_the_worst() -> None:
    run = make_run(["relu"], ["adam"])
    text = texts(draw(run)["curves"])
    ticks = [float(label) for label in text if re.fullmatch(r"\d+(\.\d+)?", label)]
    assert "target, 95 %" in text
    assert max(ticks) <= 500


def test_the_bar_of_times_adds_up(drawn: Mapping[str, Figure], run: SyntheticRun) -> None:
    seconds = [float(found) for text in texts(drawn["times"]) for found in re.findall(r" (\d+\.\d) s", text)]
    assert sum(seconds) == pytest.approx(run.times["seconds"].sum(), abs=0.5)
    assert "Of 84.0 worker-seconds (2 × 42.0 s)" in drawn["times"].finding


def test_hostile_names_are_text() -> None:
    hostile = ["</script><b>", "_hidden", "$x^2$ & 50 %", 'a"b', "tab\tnull\0", "漢字"]
    drawn = draw(make_run(["relu", "]]>"], hostile))
    for figure in drawn.values():
        assert "<b>" not in figure.svg
        ElementTree.fromstring(figure.file)
    shown = texts(drawn["metric"])
    assert {"</script><b>", "$x^2$ & 50 %", 'a"b', "漢字", "]]>"} <= set(shown)
    assert any(text.endswith("_hidden") for text in texts(drawn["curves"]))


def contrast(color: str, other: str) -> float:
    """WCAG's ratio of two colours."""

    def luminance(value: str) -> float:
        channels = np.array([int(value[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    high, low = sorted((luminance(color), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("color", style.PALETTE)
def test_lines_can_be_seen_on_white(color: str) -> None:
    assert contrast(color, "#ffffff") > 2.7


def test_a_curve_that_never_ends_inside_the_axis_is_counted() -> None:
    run = make_run(["relu"], [f"o{i}" for i in range(6)])
    table = run.convergence
    bands = figures.stats.curve_bands(run.curves, run.lanes, run.manifest["tasks"])
    bands.loc[bands["optimizer"] == "o0", ["low", "middle", "high"]] = -np.inf
    figure = curves("t", bands, table, task_entry(), figures.styles(table))
    assert "1 of 6 cells end outside it" in figure.reading


@pytest.mark.slow
def test_nineteen_activations_can_be_drawn() -> None:
    assert set(draw(make_run([f"activation_{i}" for i in range(19)], ["sgd", "momentum", "adam"]))) == KINDS


def test_cells_of_one_mean_are_told_together() -> None:
    run = make_run(["relu"], ["sgd", "momentum", "adam", "lion"], evaluations=4)
    run.convergence["steps_to_target"] = 25.0
    means, ranks = [0.9, 0.9, 0.8, 0.8], [1.5, 1.5, 3.5, 3.5]
    run.convergence = run.convergence.assign(test_metric=means, rank=ranks)
    drawn = draw(run)
    told = drawn["metric"].finding
    assert told == "From 90.0 % with relu + sgd and 1 more to 80.0 % with relu + adam and 1 more."
    assert "on validation data: relu + sgd and 3 more, after 25 training steps." in drawn["steps"].finding
    run.convergence = run.convergence.assign(test_metric=0.9, rank=2.5)
    assert draw(run)["metric"].finding == "90.0 % with each of the 4 cells."
