"""The report: one page that needs nothing else, safe with any name, the same each time."""

import base64
import csv
import hashlib
import io
import re
import subprocess
import sys
from copy import copy
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from synthetic import REGRESSION, SyntheticRun, make_run, task_entry

from bench.errors import InputError
from bench.findings.summary import verdicts
from bench.pages.page import parts_of
from bench.pages.report import render, report

HOSTILE = '</script><img src=x onerror=alert(1)> | $x_1$ & 5 % "q" {y} ~^\\ `c` [l](http://x)'


class Page(HTMLParser):
    """The elements of a page, with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.inside: list[str] = []
        self.keys: list[tuple[dict[str, str | None], str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "td":
            self.keys.append((dict(attrs), ""))
        self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.inside):
            self.text += data
        if self.inside and self.inside[-1] == "td":
            self.keys[-1] = (self.keys[-1][0], self.keys[-1][1] + data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of a kind."""
        return [attributes for found, attributes in self.elements if found == tag]


def listed(page: Page) -> list[str]:
    """What each entry of the table of cells is sorted by: its key or, without one, its text."""
    shown = [(attributes, text) for attributes, text in page.keys if "style" not in attributes]
    return [attributes.get("data-key", text) or "" for attributes, text in shown][1:]  # less the heatmap's corner


@pytest.fixture(scope="module")
def run() -> SyntheticRun:
    return make_run(["relu", "tanh"], ["sgd", "adam"])


@pytest.fixture(scope="module")
def files(run: SyntheticRun) -> dict[str, bytes]:
    return render([run])


@pytest.fixture(scope="module")
def page(files: dict[str, bytes]) -> Page:
    return Page(files["index.html"].decode())


@pytest.fixture(scope="module")
def hostile() -> dict[str, bytes]:
    run = make_run([HOSTILE, "relu"], ["adam", HOSTILE], {HOSTILE: task_entry(summary=HOSTILE)}, name=HOSTILE)
    run.manifest["command"] = run.manifest["suite"]["description"] = HOSTILE
    run.manifest["environment"]["machine"] = HOSTILE
    return render([run])


def test_the_page_opens_with_the_verdict(run: SyntheticRun, files: dict[str, bytes], page: Page) -> None:
    (sentence,) = verdicts([run])
    sentence = sentence.removeprefix("digits_mlp: ")
    assert re.search(r"(leads at|has the best mean,) \d\d\.\d % ± \d\.\d test accuracy[;,] .* told from it\.", sentence)
    text = page.text.replace("\u00a0", " ")
    assert text.index(sentence) < text.index("What was asked") < text.index("What to keep in mind")
    assert sentence in files["report.md"].decode()


def test_the_page_needs_nothing_from_anywhere(files: dict[str, bytes]) -> None:
    text = files["index.html"].decode()
    assert "http:" not in text.replace("http://www.w3.org/2000/svg", "")  # a name, not an address
    assert "https:" not in text
    page = Page(text)
    links = {a["href"] for kind in ("a", "link") for a in page.all(kind)}
    assert links == {"data:,", "report.md"}
    assert not [attributes for _, attributes in page.elements if "src" in attributes]


def test_the_policy_lets_only_the_page_s_own_script_run(files: dict[str, bytes], page: Page) -> None:
    script = re.findall(r"<script>(.*?)</script>", files["index.html"].decode(), re.S)[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [m["content"] or "" for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert f"script-src 'sha256-{digest}'" in policy
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]


def test_every_figure_has_words(page: Page) -> None:
    pictures = page.all("svg")
    assert len(pictures) == 4  # heatmaps are tables
    assert all(picture["role"] == "img" and picture["aria-label"] for picture in pictures)


def test_the_table_can_be_sorted_by_keyboard(page: Page) -> None:
    headers, buttons = page.all("th"), page.all("button")
    headers = [header for header in headers if "data-kind" in header]
    assert len(headers) == 10 == len(buttons) - 1  # and one of the view
    assert all(header["scope"] == "col" and header["data-kind"] in ("number", "text") for header in headers)
    assert [header.get("aria-sort") for header in headers] == ["ascending"] + [None] * 9
    assert len(listed(page)) == 4 * 10


def test_what_a_number_is_sorted_by_is_a_number(page: Page, run: SyntheticRun) -> None:
    kinds = [header["data-kind"] for header in page.all("th") if "data-kind" in header] * 4
    keys = [key for kind, key in zip(kinds, listed(page), strict=True) if kind == "number"]
    assert all(key == "" or not np.isnan(float(key)) for key in keys)
    steps = run.convergence.sort_values(["rank", "steps_to_target"])["steps_to_target"]
    assert [float(key or "nan") for key in listed(page)[5::10]] == list(steps)


def test_each_cell_s_difference_from_the_leader_stands_with_its_p_value(
    files: dict[str, bytes], run: SyntheticRun
) -> None:
    rows = list(csv.DictReader(io.StringIO(files["tables/cells.csv"].decode())))
    (leader,) = [row for row in rows if row["verdict"] == "leader"]
    assert leader["difference"] == leader["p_value"] == ""
    for row in (row for row in rows if row is not leader):
        gap = float(row["test_metric"]) - float(leader["test_metric"])
        assert float(row["difference"]) == pytest.approx(gap, abs=1e-9)
        assert (float(row["p_value"]) >= 0.05) == (row["verdict"] == "level")


def test_the_heatmap_of_an_only_task_stands_beside_its_verdict(files: dict[str, bytes]) -> None:
    top, _, rest = files["index.html"].decode().partition("</header>")
    assert top.count('<table class="heat"') == 1 and '<table class="heat"' not in rest
    head, _, body = files["report.md"].decode().partition("## What was asked")
    assert "(figures/digits-mlp-metric.svg)" in head and "(figures/digits-mlp-metric.svg)" not in body


def test_several_tasks_have_a_section_each_and_links_to_them() -> None:
    run = make_run(["relu"], ["sgd"], {"a": task_entry(), "b": REGRESSION}, evaluations=4)
    files = render([run])
    page = Page(files["index.html"].decode())
    assert page.text.count("All cells") == 2
    top, _, rest = files["index.html"].decode().partition("</header>")
    assert top.count('<table class="heat"') == 2 and '<table class="heat"' not in rest  # each beside its verdict
    assert {"figures/a-metric.svg", "figures/b-metric.svg", "tables/a-cells.tex"} <= set(files)
    assert [line.split(":")[0] for line in verdicts([run])] == ["a", "b"]
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    inner = {link["href"] for link in page.all("a") if (link["href"] or "").startswith("#")}
    assert inner == {"#task-a", "#task-b"}
    assert {link[1:] for link in inner if link} <= set(ids)


def test_a_run_of_many_tasks_opens_with_what_they_say_together() -> None:
    names = ["a", "b", "c", "d", "e"]
    tasks = {name: task_entry(data_sha256=name) for name in names}
    files = render([make_run(["relu", "tanh"], ["sgd", "adam"], tasks, evaluate=4)])
    page, markdown = files["index.html"].decode(), files["report.md"].decode()
    top, _, rest = page.partition("</header>")
    assert "has the best mean rank" in top and top.count('<table class="heat"') == 1
    assert markdown.index("](figures/run-ranks.svg)") < markdown.index("## What was asked")
    assert {"figures/run-ranks.svg", "figures/run-ranks.pdf", "figures/run-profiles.svg"} <= set(files)
    assert all(f'<a href="#task-{name}">{name}</a>' in top and f'id="task-{name}"' in rest for name in names)
    assert page.partition("<body>")[2].count("has the best mean rank") == 1
    assert re.search(r"^\*\*.*has the best mean rank.*\*\*$", markdown, re.M)
    assert markdown.count("has the best mean rank") == 1
    assert page.count('<p class="sentence">') == 1 + len(names)


def test_what_is_held_against_a_reference_is_told_drawn_and_listed() -> None:
    run = make_run(["relu", "tanh", "elu"], ["sgd", "adam"], {"a": task_entry(), "b": REGRESSION})
    files = render([run], "relu")
    page, markdown = Page(files["index.html"].decode()), files["report.md"].decode()
    text = page.text.replace("\u00a0", " ")
    sentences = [line for line in verdicts([run], "relu") if ": Against relu, each over 2 optimizers: " in line]
    assert [sentence[:2] for sentence in sentences] == ["a:", "b:"]
    assert all(sentence[3:] in text and sentence[3:] in markdown for sentence in sentences)
    assert {"figures/a-against.svg", "figures/b-against.pdf", "tables/against.csv"} <= set(files)
    assert text.index("What was asked") < text.index("On how many tasks each is better or worse than relu")
    assert "### How far ahead of relu" in markdown and "### Against relu" in markdown
    rows = list(csv.DictReader(io.StringIO(files["tables/against.csv"].decode())))
    assert [(row["task"], row["cells"]) for row in rows] == [("a", "2")] * 2 + [("b", "2")] * 2
    assert {row["told"] for row in rows} <= {"better", "level", "kept", "lost", "worse"}
    assert text.rstrip().count("bench report results/synthetic --reference relu") == 1
    assert "ahead of relu" in text
    assert markdown.index("### Against relu") < markdown.index("### Leaderboard") < markdown.index("| mean rank |")
    assert {row["reference"] for row in rows} == {"relu"}
    assert verdicts([run, run], "relu")[0].startswith("synthetic: a: ")
    named = copy(run)
    named.manifest = run.manifest | {"suite": run.manifest["suite"] | {"reference": "relu"}}
    by_suite = render([named])
    assert by_suite["tables/against.csv"] == files["tables/against.csv"]
    assert "--reference" not in by_suite["report.md"].decode()
    assert "tables/against.csv" not in render([run])


def test_each_cell_is_held_against_the_one_beside_the_reference() -> None:
    run = make_run(["relu", "tanh"], ["sgd", "adam"], {"b": REGRESSION})
    for reference, beside in (("relu", ("relu", None)), ("adam", (None, "adam")), ("relu + adam", ("relu", "adam"))):
        (section,) = parts_of([run], reference)[0].sections
        titles = [column.title for column in section.cells.columns]
        at = titles.index(f"ahead of {reference}")
        means = run.convergence.set_index(["activation", "optimizer"])["test_metric"]
        for row in section.cells.rows:
            pair = row.name.split(" + ")
            of = tuple(named or own for named, own in zip(beside, pair, strict=True))
            assert float(row.entries[at].key) == pytest.approx(
                means[of] - means[tuple(pair)], abs=1e-6
            )  # less is better


def test_a_run_that_lacks_the_reference_is_refused(run: SyntheticRun) -> None:
    other = make_run(["tanh"], ["sgd"], name="other")
    with pytest.raises(InputError, match=r"--reference: got 'relu'; expected an activation, .* cell of other"):
        render([run, other], "relu")


def test_hostile_text_stays_text_in_the_page(hostile: dict[str, bytes]) -> None:
    page = Page(hostile["index.html"].decode())
    assert not page.all("img")
    assert [script.get("type") for script in page.all("script")] == ["application/json", None]
    assert page.text.replace("\u00a0", " ").count(HOSTILE) > 10


def test_hostile_text_stays_text_in_markdown(hostile: dict[str, bytes]) -> None:
    text = hostile["report.md"].decode()
    outside = "\n".join(line for line in text.splitlines() if not line.startswith("    "))  # all but blocks of code
    assert "<img" not in outside
    assert not re.search(r"(?<!\\)[`$|]", re.sub(r"^\|.*\|$", "", outside, flags=re.M))
    rows = [line for line in outside.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
    assert f"    {HOSTILE}" in text.splitlines()


def test_hostile_text_stays_text_in_latex(hostile: dict[str, bytes]) -> None:
    tables = [content.decode() for name, content in hostile.items() if name.endswith(".tex")]
    assert len(tables) == 2
    for table in tables:
        rows = [line for line in table.splitlines() if line.endswith(r"\\")]
        assert len(rows) in (3, 7)  # of cells with a caption and the head twice
        rows = [row for row in rows if row[0] != "}" and "over the baseline" not in row]
        assert len({len(re.findall(r"(?<!\\)&", row)) for row in rows}) == 1
        assert not re.search(r"(?<!\\)[_#%]", "\n".join(rows))
        assert r"\$x\_1\$ \& 5 \%" in table
        assert r"\{y\} \textasciitilde{}\textasciicircum{}\textbackslash{}" in table


def test_latex_marks_the_best_and_those_level_with_it() -> None:
    run = make_run(["relu"], ["sgd", "momentum", "adam"])
    table = render([run])["tables/digits-mlp-matrix.tex"].decode()
    assert table.count(r"\textbf{") == 1
    best = run.convergence.sort_values("rank")["test_metric"].iloc[0]
    assert rf"\textbf{{{best * 100:.1f} $\pm$ " in table
    assert r"\toprule" in table


def test_csv_tables_hold_the_numbers_as_they_are(run: SyntheticRun, files: dict[str, bytes]) -> None:
    rows = list(csv.DictReader(io.StringIO(files["tables/cells.csv"].decode())))
    assert [float(row["test_metric"]) for row in rows] == list(run.convergence["test_metric"])
    assert [row["verdict"] for row in rows].count("leader") == 1
    assert {row["verdict"] for row in rows} <= {"leader", "level", "lost", "behind"}
    tuned = {"learning_rates", "good_regions", "best_so_far"}
    names = {"cells", *tuned, "curves", "leaderboard", "activations", "optimizers", "variance", "throughput", "times"}
    assert {name for name in files if name.endswith(".csv")} == {f"tables/{name}.csv" for name in names}


def test_markdown_shows_every_figure_that_is_written(files: dict[str, bytes]) -> None:
    shown = set(re.findall(r"!\[[^\]]*\]\(([^)]+)\)", files["report.md"].decode()))
    assert shown == {name for name in files if name.endswith(".svg")}


def test_no_word_of_a_template_is_left_over(files: dict[str, bytes]) -> None:
    for name, content in files.items():
        if not name.endswith((".svg", ".pdf", ".json")):
            assert not re.search(r"\{[{%]|[}%]\}|<<|<%|\bNone\b|\bnan\b", content.decode()), name


@pytest.mark.parametrize("options", [{"keep_evaluated": 0.6}, {"keep_evaluated": 0}, {"all_diverge": True}])
def test_runs_that_went_wrong_are_reported_in_words(options: dict[str, float]) -> None:
    status = "complete" if "all_diverge" in options else "interrupted"
    run = make_run(["relu"], ["sgd", "adam"], status=status, evaluations=4, **options)  # type: ignore[arg-type]
    page = Page(render([run])["index.html"].decode())
    assert "Fault" in page.text or "Warning" in page.text
    assert not re.search(r"\bnan\b", page.text)


def test_what_a_run_lacks_stands_beside_its_verdict() -> None:
    run = make_run(["relu"], ["sgd", "adam"], status="interrupted", evaluations=4, keep_evaluated=0.6)
    fault = "This run is interrupted; 4 of its 30 networks were not trained."
    files = render([run])
    assert fault in files["index.html"].decode().partition("</header>")[0]
    assert fault in files["report.md"].decode().partition("± is half")[0]
    assert verdicts([run])[-1] == f"synthetic: {fault}"
    whole = make_run(["relu"], ["sgd", "adam"], evaluations=4)
    assert "Fault" not in render([whole])["index.html"].decode().partition("</header>")[0]
    assert len(verdicts([whole])) == 1


def test_several_runs_stand_side_by_side_even_with_one_name() -> None:
    runs = [make_run(["relu"], ["adam"], evaluations=4, seed=seed, name="same") for seed in (0, 1)]
    files = render(runs)
    assert len([name for name in files if name.endswith("-metric.svg")]) == 2
    assert len(list(csv.DictReader(io.StringIO(files["tables/cells.csv"].decode())))) == 2
    ids = [attributes["id"] for _, attributes in Page(files["index.html"].decode()).elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_a_report_is_written_whole_and_again_with_the_same_bytes(
    tmp_path: Path, run: SyntheticRun, files: dict[str, bytes]
) -> None:
    out = tmp_path / "deep" / "report"
    for place in (out, str(out)):
        assert report([run], place) == out / "index.html"
        found = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
        assert found == files
        assert list(out.parent.iterdir()) == [out]  # nothing temporary stays


def test_no_run_is_refused() -> None:
    with pytest.raises(InputError, match="got no run"):
        render([])


def test_reporting_never_imports_jax() -> None:
    code = "import sys, bench.pages.report; print({'jax', 'flax', 'optax'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


def test_the_style_sheet_knows_each_colour_of_the_palette(files: dict[str, bytes]) -> None:
    text = files["index.html"].decode()
    used = set(re.findall(r"var\((--\w+)", text))
    defined = set(re.findall(r"(--\w+):", text))
    assert used <= defined


@pytest.mark.slow
def test_a_large_report_stays_small_enough_to_send() -> None:
    run = make_run([f"a{i}" for i in range(19)], [f"o{i}" for i in range(60)], evaluate=3, tune=1)
    assert len(render([run])["index.html"]) < 8e6
