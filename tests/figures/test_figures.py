"""The figures: what they show, that anybody can read them, and that they are always the same."""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from synthetic import ACTIVATIONS, OPTIMIZERS, REGRESSION, SyntheticRun, make_run, searched, task_entry

from bench import figures
from bench.figures import Figure, bars, panels, speed, speedup, style, svg
from bench.figures.bars import PARTS, times, workers_of
from bench.figures.heatmaps import BRIGHT_IS_GOOD, diverged_heatmap, least_difference, limits, metric_heatmap
from bench.figures.panels import curves
from bench.figures.profiles import profiles
from bench.figures.speed import rates
from bench.findings import effects
from bench.findings.verdicts import Verdict, verdict
from bench.pages.heat import heat
from bench.pages.page import parts_of
from bench.planning.reference import Reference
from bench.stats import Metric
from bench.storage.results import BUCKETS
from bench.throughput.results import BUCKETS as TIMED_BUCKETS

KINDS = {"against", "metric", "steps", "diverged", "curves", "rates", "throughput", "times"}
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
    (activation, optimizer), *_ = run.convergence[["activation", "optimizer"]].itertuples(index=False, name=None)
    sides = {"optimizer": optimizer, "activation": activation}
    by = next((side for side in sides if run.convergence[side].nunique() > 1), "cell")
    reference = Reference(by, sides.get(by, ""))
    held = effects.against(run.lanes, run.manifest["tasks"], task, reference)
    told = effects.against_sentence(held, reference, found.metric)
    against = figures.against("t", held, reference, found.metric, told)
    return (
        against | figures.of_task(run, task, found, figures.styles(run.convergence), "t") | figures.of_run(run, "run")
    )


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
    assert not Counter(means) - Counter(shown)
    assert "test accuracy in %, mean of 5 seeds" in shown
    assert set(ACTIVATIONS) | set(OPTIMIZERS) <= set(shown)
    assert drawn["metric"].svg.count("stroke-width: 2.4") == 1


def test_a_missed_target_is_a_dash_and_never_a_number(run: SyntheticRun, drawn: Mapping[str, Figure]) -> None:
    missed = int(np.isinf(run.convergence["steps_to_target"]).sum())
    assert 0 < missed == texts(drawn["steps"]).count("–")
    assert "500" not in texts(drawn["steps"])


def test_steps_that_are_a_median_of_two_are_shown_whole_everywhere() -> None:
    run = make_run(["relu"], ["sgd", "adam"], evaluate=2, evaluations=2)
    run.lanes.loc[run.lanes["phase"] == "evaluate", "steps_to_target"] = [20.0, 25.0, 35.0, 40.0]
    run = SyntheticRun("x", run.lanes, run.curves, run.throughput, run.times, run.manifest)
    steps = draw(run)["steps"]
    assert {"22.5", "37.5"} <= set(texts(steps)) and "after 22.5 training steps" in steps.finding
    section = parts_of([run])[0].sections[0]
    for table in (section.cells, section.paper):
        assert {"22.5", "37.5"} <= {entry.text for row in table.rows for entry in row.entries}


def test_cells_without_data_say_so() -> None:
    run = make_run(["relu"], ["sgd", "adam"], keep_evaluated=0.5, status="interrupted")
    run.lanes.loc[run.lanes["phase"] == "evaluate", "steps_to_target"] = 10.0
    shown = draw(SyntheticRun("x", run.lanes, run.curves, run.throughput, run.times, run.manifest))
    assert texts(shown["metric"]).count("no data") == 1
    assert texts(shown["steps"]).count("no data") == 1


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (0.98, "dotted: the target."),
        (0.999999, "dotted: the target."),
        (9.0, "the target, 900 %, lies beyond the axis."),
    ],
)
def test_a_target_far_off_does_not_squeeze_the_curves(target: float, words: str) -> None:
    run = make_run(["relu"], ["sgd", "adam"], {"digits_mlp": task_entry(target=target)})
    assert words in draw(run)["curves"].reading


def test_a_target_that_no_cell_reaches_has_no_figure_of_steps() -> None:
    run = make_run(["relu", "tanh"], ["sgd", "adam"])
    run.lanes["steps_to_target"] = np.inf
    assert "steps" not in draw(SyntheticRun("x", run.lanes, run.curves, run.throughput, run.times, run.manifest))


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


def test_cells_that_share_the_largest_share_or_the_best_median_are_told_together() -> None:
    run = make_run(["relu"], ["sgd", "adam", "lion"], evaluations=4)
    run.lanes["status"] = ["diverged" if seed == 0 else "ok" for seed in run.lanes.groupby("optimizer").cumcount()]
    run.curves["validation_metric"] = 0.9
    shown = draw(run)
    assert "the largest share with relu + sgd and 2 more: 7 %;" in shown["diverged"].finding
    assert shown["curves"].finding == "After 500 steps the median is 90.0 % (relu + adam and 2 more)."
    lion = run.lanes.loc[run.lanes["optimizer"] == "lion", "lane"]
    run.curves.loc[run.curves["lane"].isin(lion), "validation_metric"] = 0.8
    assert draw(run)["curves"].finding == (
        "After 500 steps the medians of the cells lie between 90.0 % (relu + adam and relu + sgd) and "
        "80.0 % (relu + lion)."
    )


def test_trials_that_differ_in_more_than_their_rate_are_points_without_a_line() -> None:
    shape: dict[str, Any] = {"activations": ["relu"], "optimizers": ["sgd", "adam"]}
    joined = draw(make_run(**shape))["rates"]
    some = draw(searched(make_run(**shape), "adam"))["rates"]
    every = draw(searched(make_run(**shape), "adam", "sgd"))["rates"]
    assert "; the next one tried reaches " in joined.finding and "Markers without a line" not in joined.reading
    assert "; the next one tried reaches " in some.finding and "Markers without a line" in some.reading
    assert every.finding == "Every cell searched more than its learning rate."
    joining = "stroke-width: 1.2; stroke-linecap"
    assert [figure.svg.count(joining) for figure in (joined, some, every)] == [2, 1, 0]


def test_both_sides_of_the_best_learning_rate_are_told_and_what_all_but_diverged_in_words() -> None:
    run = make_run(["relu"], ["sgd"], rates=3)
    tune = run.lanes["phase"] == "tune"
    rates = sorted(run.lanes.loc[tune, "learning_rate"].unique())
    run.lanes.loc[tune, "status"] = "ok"
    for low, told in ((0.464, "46.4 %"), (0.05, "no better than the baseline")):
        seen = dict(zip(rates, (low, 0.947, 0.909), strict=True))
        run.lanes.loc[tune, "validation_metric"] = run.lanes.loc[tune, "learning_rate"].map(seen)
        assert draw(run)["rates"].finding == (
            f"The middle cell reaches 94.7 % at its best learning rate; the next one tried reaches 90.9 % on its "
            f"better side, {told} on its worse."
        )


def test_each_optimizer_keeps_its_colour_marker_and_line() -> None:
    run = make_run(["relu"], [f"o{i}" for i in range(60)], evaluations=2)
    styles = figures.styles(run.convergence)
    assert len({(s.color, s.marker, str(s.dash)) for s in styles.values()}) == 60
    best = run.convergence.sort_values("rank")["optimizer"].iloc[: len(style.PALETTE)]
    assert [styles[label].color for label in best] == style.PALETTE


def test_more_optimizers_than_colours_leave_the_rest_in_grey() -> None:
    run = make_run(["relu"], [f"o{i}" for i in range(12)], evaluations=4)
    shown = texts(draw(run)["curves"])
    assert "2 others" in shown
    assert sum(label in shown for label in run.manifest["optimizers"]) == 10


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


@pytest.mark.parametrize("color", style.PALETTE)
def test_lines_can_be_seen_on_white(color: str) -> None:
    assert style.contrast(color, "#ffffff") >= 3


def test_contrast_is_that_of_wcag() -> None:
    assert style.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert style.contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=1e-3)


# Machado, Oliveira and Fernandes, A Physiologically-based Model for Simulation of Color Vision Deficiency, 2009
SEEN = {
    "all": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
# Ottosson, A perceptual color space for image processing, 2020
CONES = np.array([[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]])
OKLAB = np.array([[0.21045, 0.79362, -0.00407], [1.97800, -2.42859, 0.45059], [0.02590, 0.78277, -0.80868]])


@pytest.mark.parametrize("eyes", SEEN)
def test_lines_can_be_told_apart_with_any_eyes(eyes: str) -> None:
    channels = np.array([[int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)] for color in style.PALETTE])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(SEEN[eyes]).T, 0, 1)
    places = np.cbrt(seen @ CONES.T) @ OKLAB.T
    assert min(np.linalg.norm(a - b) for a, b in combinations(places, 2)) > 0.075  # 0.02 is just noticeable


def test_letters_on_a_colour_are_those_that_are_easier_to_read() -> None:
    assert style.ink_on((104 / 255, 175 / 255, 144 / 255)) == style.DARK
    assert style.ink_on("#2c2f72") == style.LIGHT
    colors = sns.color_palette(BRIGHT_IS_GOOD, as_cmap=True)(np.linspace(0, 1, 101))
    assert min(style.contrast(style.ink_on(color[:3]), color[:3]) for color in colors) > 4


def test_the_letters_of_a_heatmap_are_readable(drawn: Mapping[str, Figure]) -> None:
    fills = set(re.findall(r"<text[^>]*fill: (#\w+)", drawn["metric"].file)) - {svg.INK}
    classes = dict(re.findall(r"\.([\w-]+)\{([^}]*)\}", drawn["metric"].file))
    used = {classes[name] for name in re.findall(r'<text[^>]*class="([\w-]+)"', drawn["metric"].file)}
    inks = fills | {found for rule in used for found in re.findall(r"fill: (#\w+)", rule)}
    assert inks and inks <= {style.DARK, style.LIGHT}


@pytest.mark.parametrize("optimizers", [6, 14], ids=["in colour", "in grey"])
def test_a_curve_that_never_ends_inside_the_axis_is_counted(optimizers: int) -> None:
    run = make_run(["relu"], [f"o{i}" for i in range(optimizers)])
    table = run.convergence.assign(rank=range(optimizers, 0, -1))  # the first are the worst
    bands = figures.stats.curve_bands(run.curves, run.lanes, run.manifest["tasks"])
    bands.loc[bands["optimizer"] == "o0", ["low", "middle", "high"]] = -np.inf
    figure = curves("t", bands, table, task_entry(), figures.styles(table))
    assert f"1 of {optimizers} cells ends outside the axis: a triangle at its edge." in figure.reading
    assert "ends off the axis" in texts(figure)
    bands.loc[bands["optimizer"] == "o1", ["low", "middle", "high"]] = -np.inf
    more = curves("t", bands, table, task_entry(), figures.styles(table))
    assert f"2 of {optimizers} cells end outside the axis: triangles at its edge." in more.reading
    before, after = (one.svg.count('data-o="1"') for one in (figure, more))
    assert after == before + 1  # its triangle


def ticks(figure: Figure) -> list[float]:
    """The numbers that stand in a figure alone."""
    plain = (text.replace("−", "-") for text in texts(figure))
    return [float(text) for text in plain if re.fullmatch(r"-?\d+(\.\d+)?", text)]


def test_a_few_bad_cells_do_not_rule_the_axis_of_curves() -> None:
    run = make_run(["relu"], [f"o{i}" for i in range(6)])
    bands = figures.stats.curve_bands(run.curves, run.lanes, run.manifest["tasks"])
    bands.loc[bands["optimizer"] == "o0", ["low", "middle", "high"]] = -50.0
    figure = curves("t", bands, run.convergence, task_entry(), figures.styles(run.convergence))
    assert min(ticks(figure)) >= -25
    assert "baseline, 10.1 %" in texts(figure)


def test_that_early_steps_are_left_out_is_said_where_it_is_so() -> None:
    run = make_run(["relu"], ["sgd", "adam"])
    bands = figures.stats.curve_bands(run.curves, run.lanes, run.manifest["tasks"])
    look = figures.styles(run.convergence)
    flat = bands.assign(low=0.9, middle=0.9, high=0.9)
    early = flat.assign(middle=flat["middle"].where(flat["step"] > 0, -9.0))
    some, none = (curves("t", b, run.convergence, task_entry(), look).reading for b in (early, flat))
    assert "The axis leaves out the worst of the first steps." in some and "outside" not in some
    assert "leaves out" not in none and "median over 5 evaluation seeds" in none


def sensitivity_of(values: list[float], **task: Any) -> Figure:
    """The figure of one cell's learning rates, with these scores."""
    run = make_run(["relu"], ["adam"])
    found = figures.stats.learning_rate_sensitivity(run.lanes, run.manifest["tasks"])
    found = found.assign(validation_metric=values, diverged_share=0.0)
    return figures.sensitivity("t", found, run.convergence, task_entry(**task), figures.styles(run.convergence))


def test_what_is_worse_than_the_axis_of_rates_is_told_and_not_drawn_as_the_baseline() -> None:
    figure = sensitivity_of([-40.0, 0.1, 0.5, 0.9, -3.0], baseline=0.0)
    assert {"off the axis", "baseline, 0.0 %"} <= set(texts(figure))
    assert "2 of 5 points are worse than the axis shows" in figure.reading
    near = sensitivity_of([-0.1, 0.1, 0.5, 0.9, 0.9], baseline=0.0)
    assert "off the axis" not in texts(near) and "worse than the axis" not in near.reading


def test_points_that_diverged_are_counted_where_they_stand_at_the_edge_and_not_at_their_score() -> None:
    run = make_run(["relu"], ["adam"])
    found = figures.stats.learning_rate_sensitivity(run.lanes, run.manifest["tasks"])
    look, entry = figures.styles(run.convergence), task_entry(baseline=0.6)

    def reading(values: list[float], diverged: list[float]) -> str:
        seen = found.assign(validation_metric=values, diverged_share=diverged)
        return figures.sensitivity("t", seen, run.convergence, entry, look).reading

    both = reading([0.7, 0.8, 0.9, 0.3, 0.0], [0, 0, 0, 0, 1.0])
    assert "2 of 5 points are worse than the axis shows. They stand at its edge and not at their score: " in both
    assert "their score: triangles and crosses." in both
    lost = reading([0.7, 0.8, 0.9, 0.7, 0.0], [0, 0, 0, 0, 1.0])
    assert "1 of 5 points is worse than the axis shows. It stands at its edge and not at its score: crosses." in lost
    assert "worse than the axis" not in reading([0.7, 0.8, 0.9, 0.7, 0.65], [0, 0, 0, 0, 0.5])


LONG = "signmix(decay=0.5..0.99 one_minus,mix=0.01..1 linear)"


def test_long_names_stand_on_several_lines_and_leave_bars_their_room() -> None:
    assert svg.name(LONG) == "signmix(\ndecay=0.5..0.99 one_minus,\nmix=0.01..1 linear)"
    assert svg.name("adam(b1=0.5,b2=0.9)") == "adam(b1=0.5,b2=0.9)" and svg.name("_x") == "\u200b_x"
    drawn = draw(make_run(["relu", "tanh"], ["sgd", LONG], evaluations=2))
    for kind in ("throughput", "metric", "curves", "rates", "against"):
        assert "mix=0.01..1 linear)" in texts(drawn[kind]) and LONG not in texts(drawn[kind])
    spread = pd.DataFrame({"min": 1.0, "median": 2.0, "max": 3.0}, index=pd.Index(["sgd", LONG]))
    sides = {"activation": spread, "optimizer": spread}
    canvas = bars._draw_speeds(sides, {name: style.styled(0) for name in spread.index})
    assert min(ax.get_position().width for ax in canvas.axes) * canvas.get_figwidth() > 1.5


@pytest.mark.parametrize("activations", [1, 2, 3, 4, 7, 9])
@pytest.mark.parametrize("name", ["a", "softbump(width=0.5,height=2.25,shift=-1)"], ids=["short", "long"])
def test_a_legend_stands_clear_above_the_titles_of_the_panels(activations: int, name: str) -> None:
    canvas, axes = panels._panels([name + str(i) for i in range(activations)], "accuracy", "step")
    run = make_run(["relu"], OPTIMIZERS, rates=1, tune=1, evaluate=1, evaluations=2)
    panels._legend(canvas, figures.styles(run.convergence), 0, [])
    draws = FigureCanvasAgg(canvas).get_renderer()
    titles = [ax._left_title.get_window_extent(draws).y1 for ax in axes.values()]  # type: ignore[attr-defined]
    gap = (canvas.legends[0].get_window_extent(draws).y0 - max(titles)) / canvas.dpi
    assert 0.04 < gap < 0.2


def test_where_nothing_beats_the_baseline_the_rates_are_not_one_flat_line() -> None:
    figure = sensitivity_of([0.2, 0.25, 0.3, 0.35, 0.4], baseline=0.5)
    assert min(ticks(figure)) <= 25 and max(ticks(figure)) >= 35
    assert "baseline, 50.0 %" not in texts(figure) and "off the axis" not in texts(figure)


def test_rows_of_panels_share_one_label(drawn: Mapping[str, Figure]) -> None:
    for kind in ("curves", "rates"):
        assert texts(drawn[kind]).count("validation accuracy (%)") == 1


def test_figures_fit_a_page(drawn: Mapping[str, Figure]) -> None:
    many = draw(make_run(["relu"], [f"optimizer_{i}" for i in range(10)], evaluations=2))
    for figure in [*drawn.values(), *many.values()]:
        (wide,) = re.findall(r'viewBox="0 0 (\S+) ', figure.svg)
        assert float(wide) / 72 <= 7.6, figure.name


def test_a_difference_of_no_account_has_no_colours() -> None:
    metric = Metric.of({"metric": {"name": "return", "direction": "maximize", "unit": "steps", "scale": 1, "worst": 0}})
    found = Verdict("t", ("elu", "sgd"), 500.0, 0.0, (), 4, 10, metric)
    values = pd.DataFrame([[500.0, 500.0, 499.8, 499.9, 500.0, 13.0]])
    low, high = limits(values, least_difference(found, 21.6))
    assert high == 500 and (499.8 - low) / (high - low) > 0.95
    noisy = Verdict("t", ("elu", "sgd"), 500.0, 20.0, (), 4, 10, metric)
    assert least_difference(noisy, 21.6) == 80


def test_where_the_colours_end_is_told_and_good_cells_differ_in_theirs() -> None:
    run = make_run(["relu"], ["sgd", "adam", "lion", "rmsprop", "momentum"], evaluations=2)
    table = run.convergence.assign(test_metric=[0.908, 0.901, 0.895, 0.894, 0.0], rank=range(1, 6))
    metric = Metric.of(task_entry())
    found = Verdict("digits_mlp", ("relu", "sgd"), 0.908, 0.01, (), 5, 5, metric)
    drawn = metric_heatmap("t", table, found, 0.101)
    assert (
        "Brighter is better (higher). Colours end at 85.6 %; worse cells all look alike (1 of 5). Thick"
        in drawn.reading
    )
    shades = heat(table, found, 0.101)
    assert shades.ends == " Colours end at 85.6 %; worse cells all look alike (1 of 5)."
    shares = [shade.share or 0.0 for _, row in shades.rows for shade in row]
    assert shares[0] - shares[1] > 0.1 and shares[1] - shares[2] > 0.1 and shares[4] == 0
    near = table.assign(test_metric=[0.908, 0.901, 0.895, 0.894, 0.88])
    assert "Colours end" not in metric_heatmap("t", near, found, 0.101).reading
    assert heat(near, found, 0.101).ends == ""


def test_a_side_with_one_entry_has_no_panel_and_large_rates_have_short_ticks() -> None:
    run = make_run(["none"], ["sgd", "adam"])
    run.throughput["lane_steps_per_s"] = [2.1e7, 1.2e7]
    shown = texts(draw(run)["throughput"])
    assert "by optimizer" in shown and "by activation" not in shown and "20 M" in shown


def test_speeds_say_whose_they_are_and_who_is_as_fast() -> None:
    run = make_run(["relu", "tanh"], ["sgd", "adam"])
    ends = {"step_s_median": 1.0, "step_s_low": 1.0, "step_s_high": 1.0, "lane_steps_per_s": 5.0}
    run.throughput = run.throughput.assign(**ends)
    found = draw(run)["throughput"]
    assert found.finding.endswith("; 3 others share its measurement.")
    assert found.reading.startswith("Lane-steps a second of one worker while all were busy; ")
    run.throughput = run.throughput.assign(device="gpu")
    told = draw(run)["throughput"].reading
    assert told.startswith("Lane-steps a second of the whole GPU, on which workers take turns; ")
    run.throughput = run.throughput.assign(noisy="few", lane_steps_per_s=[4.0, 5.0, 6.0, 9.0])
    assert draw(run)["throughput"].finding == (
        "4 to 9 lane-steps a second, 6 in the middle, by few samples of each cell: which is faster, a throughput suite "
        "says."
    )


@pytest.mark.parametrize("buckets", [BUCKETS, TIMED_BUCKETS], ids=["convergence", "throughput"])
def test_parts_of_the_time_look_different_and_are_explained(buckets: tuple[str, ...]) -> None:
    figure = times("t", pd.DataFrame({"bucket": buckets, "seconds": np.arange(1.0, 1 + len(buckets))}), [2])
    assert len(buckets) <= 10 or "<pattern" in figure.svg
    told = dict(part.split(": ") for part in figure.reading.rstrip(".").split(". ", 1)[1].split("; "))
    assert [name.lower().replace(" ", "_") for name in told] == list(buckets)
    assert set(buckets) <= set(PARTS)


def test_where_the_time_went_is_told_of_its_two_largest_parts() -> None:
    buckets = pd.DataFrame({"bucket": ["compile", "train", "wait"], "seconds": [1.8, 5.9, 2.3]})
    told = [times("t", part, [2]).finding for part in (buckets, buckets[1:2].reset_index(drop=True))]
    assert told[0] == "Of 10.0 worker-seconds (2 × 5.0 s) training took 59 %, waiting 23 %."
    assert told[1] == "Of 5.9 worker-seconds (2 × 3.0 s) training took 100 %."


def test_a_flat_rate_looks_flat_and_has_intervals() -> None:
    setting = {"task": "t", "activation": "relu", "optimizer": "sgd", "device": "cpu", "workers": 1}
    steps = {"step_s_median": 1.0, "step_s_low": 0.8, "step_s_high": 1.25}
    frame = pd.DataFrame([{**setting, **steps, "width": w, "lane_steps_per_s": r} for w, r in ((1, 34e3), (4, 34.5e3))])
    figure = rates("width", frame, "width")
    assert figure is not None and {"10 k", "100 k"} <= set(texts(figure))
    assert "95 % interval" in figure.reading
    found = figures.stats.throughput.scaling(frame, "width")
    assert found["rate_low"].tolist() == pytest.approx([27.2e3, 27.6e3])
    assert found["rate_high"].tolist() == pytest.approx([42.5e3, 43.125e3])


def speeds(**columns: list[Any]) -> pd.DataFrame:
    """Timings whose rates have these ratios, each from nine tenths to ten ninths of it; elsewhere all alike."""
    frame = pd.DataFrame({"task": "t", "activation": "relu", "optimizer": "sgd", **columns})
    return frame.assign(ratio_low=frame["ratio"] * 0.9, ratio_high=frame["ratio"] / 0.9)


def test_speeds_of_two_are_drawn_in_rows_with_their_means() -> None:
    figure = speedup.ratios("x", speeds(task=["u", "u", "t", "t"], ratio=[2.0, 8.0, 0.5, 0.5]), "B", "A")
    assert figure is not None and figure.finding == "On u B is 4.00 times as fast as A, on t 0.500 times."
    shown = texts(figure)
    assert shown.index("u") < shown.index("t") and {"4.00", "0.500", "rate of B / rate of A"} <= set(shown)
    assert "green: faster, by its interval; orange squares: slower. Upright" in figure.reading


@pytest.mark.parametrize(
    ("columns", "rows"),
    [
        ({"task": ["t", "u"]}, ["t", "u"]),
        ({"task": ["t", "u"], "batch_size": [1, 2], "precision": ["float32"] * 2}, ["t, batch 1", "u, batch 2"]),
        ({"precision": ["float32", "bfloat16"], "activation": ["relu", "tanh"]}, ["float32", "bfloat16"]),
        ({"activation": ["relu", "tanh"], "optimizer": ["sgd", "adam"]}, ["relu", "tanh"]),
        ({"optimizer": ["sgd", "adam"]}, ["sgd", "adam"]),
        ({}, ["t"]),
    ],
)
def test_rows_of_speeds_are_of_what_varies(columns: dict[str, list[Any]], rows: list[str]) -> None:
    frame = speeds(ratio=[1.0, 2.0], **columns)
    assert [label for label, _ in speedup._rows(frame, speedup._telling(frame))] == rows


def test_speeds_without_an_interval_are_not_called_level() -> None:
    frame = speeds(ratio=[2.0, 1.0, 1.0, np.inf])
    frame.loc[2, ["ratio_low", "ratio_high"]] = np.nan
    assert speedup._kinds(frame[:3]) == ["faster", "level", "unknown"]
    figure = speedup.ratios("x", frame, "B", "A")
    assert figure is not None and figure.finding == "On t B is 1.26 times as fast as A."
    assert "open: too few samples for an interval" in figure.reading
    assert speedup.ratios("x", frame[3:], "B", "A") is None


def test_an_axis_of_speeds_has_plain_numbers_whatever_its_length() -> None:
    for ends, marks in (((0.99, 1.01), {"0.95", "1", "1.05"}), ((0.01, 3000.0), {"0.01", "1", "1,000"})):
        figure = speedup.ratios("x", speeds(ratio=list(ends)), "B", "A")
        assert figure is not None and marks <= set(texts(figure)), texts(figure)


def test_the_roofline_s_legend_has_points_and_no_lines() -> None:
    canvas = Canvas()
    speed._legend(canvas, ["a", "b"], speed._points)
    assert [line.get_linestyle() for line in canvas.legends[0].get_lines()] == ["None", "None"]


def test_profiles_draw_every_cell_and_name_all_that_share_the_first_place() -> None:
    cells = [(f"a{i}", "adam") for i in range(90)]
    points = [{"activation": a, "optimizer": o, "ratio": r, "share": 0.5} for a, o in cells for r in (1.0, 2.0)]
    scores = pd.Series(np.r_[0.504, 0.501, np.linspace(0.4, 0.1, 88)], index=pd.MultiIndex.from_tuples(cells))
    figure = profiles("t", pd.DataFrame(points), scores, 3)
    assert figure is not None
    assert figure.finding == "a0 + adam and a1 + adam have the largest area under the curve, 0.50, of 90 cells."
    assert "84 others" in texts(figure) and "the other 84" in figure.reading
    few = profiles("t", pd.DataFrame(points), scores[:10], 3)
    assert few is not None and figure.svg.count("<path") - few.svg.count("<path") == 80
    one = profiles("t", pd.DataFrame(points[:2]), scores[:1], 3)
    assert one is not None and one.finding == "a0 + adam has the largest area under its curve, 0.50."


def test_cells_that_end_a_little_below_the_baseline_are_inside_the_axis_of_curves() -> None:
    run = make_run(["relu"], [f"o{i}" for i in range(6)])
    bands = figures.stats.curve_bands(run.curves, run.lanes, run.manifest["tasks"])
    bands.loc[bands["optimizer"] == "o0", ["low", "middle", "high"]] = 0.0
    figure = curves("t", bands, run.convergence, task_entry(baseline=0.1), figures.styles(run.convergence))
    assert "outside" not in figure.reading


def test_bars_of_one_panel_are_not_explained_by_another_side() -> None:
    both, alone = (draw(make_run(names, ["sgd", "adam"]))["throughput"] for names in (["relu", "tanh"], ["none"]))
    assert "the other side of the grid" in both.reading and "the other side" not in alone.reading


def test_outlines_of_a_heatmap_have_the_ink_of_the_letters_inside(drawn: Mapping[str, Figure]) -> None:
    outlines = re.findall(r"stroke: (\S+?); stroke-width: (?:2.4|0.8); stroke-linejoin: miter", drawn["metric"].file)
    assert outlines and set(outlines) <= {style.DARK, style.LIGHT}


def test_the_longer_side_of_a_heatmap_runs_down() -> None:
    tall, wide = (draw(make_run(*names)) for names in ((["relu", "tanh", "elu"], ["sgd"]), (["relu"], ["sgd", "adam"])))
    sizes = [re.findall(r'viewBox="0 0 (\S+) (\S+)"', found["metric"].svg)[0] for found in (tall, wide)]
    assert float(sizes[0][1]) > float(sizes[1][1])


def test_what_diverged_in_tuning_is_told_from_what_diverged_in_evaluation(run: SyntheticRun) -> None:
    lanes = run.lanes.assign(status=np.where(run.lanes["phase"] == "tune", "diverged", "ok"))
    figure = diverged_heatmap("t", lanes)
    assert figure is not None
    tuned, evaluated = (int((lanes["phase"] == phase).sum()) for phase in ("tune", "evaluate"))
    assert figure.finding.startswith(f"In tuning and evaluation {tuned} of {tuned + evaluated} networks diverged")
    assert figure.finding.endswith(f"in evaluation alone 0 of {evaluated}.")


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
    assert told == "From 90.0 % with relu + sgd and relu + momentum to 80.0 % with relu + adam and relu + lion."
    assert "on validation data: relu + sgd and 3 more, after 25 training steps." in drawn["steps"].finding
    run.convergence = run.convergence.assign(test_metric=0.9, rank=2.5)
    assert draw(run)["metric"].finding == "90.0 % with each of the 4 cells."


def test_the_time_of_a_run_gone_on_with_by_others_is_no_product_of_one_number() -> None:
    sessions = [{"workers": 2}, {"workers": 2}, {"workers": 1}, {"workers": 2}]
    workers = workers_of({"workers": 1, "sessions": sessions})
    found = times("t", pd.DataFrame({"bucket": ["train", "wait"], "seconds": [3.0, 1.0]}), workers)
    assert "Of 4.0 worker-seconds (of 2, then 1, then 2 workers) training took 75 %" in found.finding
    assert found.reading.startswith("Seconds of all workers by what they did. Train")
    assert workers_of({"workers": 3, "sessions": []}) == [3]


def test_a_forest_shows_the_best_entrants_and_says_how_many_there_are() -> None:
    run = make_run([f"a{i}" for i in range(9)], [f"o{i}" for i in range(6)])
    tasks, reference = run.manifest["tasks"], Reference("cell", "a0 + o0")
    held = effects.against(run.lanes, tasks, "digits_mlp", reference)
    metric = Metric.of(tasks["digits_mlp"])
    drawn = figures.against("t", held, reference, metric, "told")["against"]
    words = texts(drawn)
    assert [name for name in held["entrant"] if name in words] == list(held["entrant"][:40])
    assert drawn.reading.endswith(" The best 40 of 53; tables/against.csv has all.")
    assert "ahead of a0 + o0 by (points)" in words


def test_a_forest_s_legend_names_what_is_there_alone() -> None:
    found = pd.DataFrame(
        {
            "entrant": ["tanh", "elu"], "cells": 2, "mean": [0.9, 0.8], "difference": [0.1, 0.0], "low": [0.05, -0.1],
            "high": [0.15, 0.1], "p_value": [0.01, 1.0], "lost": 0, "told": ["better", "level"],
        }
    )  # fmt: skip
    reference, metric = Reference("activation", "relu"), Metric.of(task_entry())
    drawn = figures.against("t", found, reference, metric, "told")["against"]
    assert drawn.reading.endswith("Green: better; grey: cannot be told from it.")
    worse = figures.against("t", found.assign(told="worse"), reference, metric, "told")["against"]
    assert worse.reading.endswith("correction says, which may differ. Orange squares: worse.")
    assert figures.against("t", found.iloc[:0], reference, metric, "") == {}
    some = figures.against("t", found.assign(difference=[0.1, -np.inf]), reference, metric, "told")["against"]
    assert some.reading.endswith("Green: better. Not drawn for want of a finite difference: 1.")
    assert figures.against("t", found.assign(difference=-np.inf), reference, metric, "told") == {}


def test_a_forest_keeps_its_scale_where_one_entrant_collapsed() -> None:
    far = pd.DataFrame(
        {
            "entrant": ["tanh", "elu", "gelu", "sigmoid"], "cells": 2, "mean": [0.91, 0.9, 0.89, 0.1],
            "difference": [0.01, 0.0, -0.01, -0.8], "low": [0.0, -0.01, -0.02, -0.9], "high": [0.02, 0.01, 0.0, -0.7],
            "p_value": [0.01, 1.0, 0.01, 0.01], "lost": 0, "told": ["better", "level", "worse", "worse"],
        }
    )  # fmt: skip
    reference, metric = Reference("activation", "relu"), Metric.of(task_entry())
    drawn = figures.against("t", far, reference, metric, "told")["against"]
    words = texts(drawn)
    assert "80.0 points" in words and "−60" not in words  # a number at the edge, no axis to it
    assert "An arrow with a number: so far off that the axis ends before it." in drawn.reading
    near = figures.against("t", far[far["entrant"] != "sigmoid"], reference, metric, "told")["against"]
    assert "points" not in " ".join(texts(near)).replace("by (points)", "") and "arrow" not in near.reading
    level = far.assign(difference=[0.0, 0.0, 0.0, -0.8])
    assert "arrow" not in figures.against("t", level, reference, metric, "told")["against"].reading
