"""The page in a real browser: every link, filter and figure, on a phone, in the dark, with hostile names.

Needs playwright (the extra `browser`) and a Chromium of the system, named by $CHROMIUM or found on the path.
"""

import os
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from synthetic import REGRESSION, make_run, searched, task_entry

from bench.findings.compare import compare
from bench.pages.comparison import render as render_comparison
from bench.pages.folder import write
from bench.pages.report import report

pytestmark = pytest.mark.slow
playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install optact[browser]")
CHROMIUM = os.environ.get("CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
if CHROMIUM is None:
    pytest.skip("no Chromium: install one, or name it in $CHROMIUM", allow_module_level=True)
HOSTILE = '</script><img src=x onerror=alert(1)> "q" | =1+1 \' <!--'
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of two tasks, one of them with a metric to be minimized."""
    run = make_run(["relu", "tanh", "elu"], ["sgd", "adam"], {"digits_mlp": task_entry(), "diabetes": REGRESSION})
    return report([run], tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of four tasks of 250 cells, with names as long as they come."""
    tasks = {name: task_entry() for name in ("a", "b", "photo_superresolution(width=12)", "digits_segmentation")}
    optimizers = ["schedule_free_adamw", *(f"adam(b1=0.{i})" for i in range(9))]
    run = make_run([f"leaky_relu{i}" for i in range(25)], optimizers, tasks, rates=1, tune=1, evaluate=2, evaluations=3)
    return report([run], tmp_path_factory.mktemp("many"))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = make_run([HOSTILE, "relu"], ["adam", HOSTILE], {HOSTILE: task_entry(summary=HOSTILE)}, name=HOSTILE)
    run.manifest["command"] = run.manifest["suite"]["description"] = run.manifest["environment"]["machine"] = HOSTILE
    return report([run], tmp_path_factory.mktemp("hostile"))


@pytest.fixture
def visit(browser: Any) -> Iterator[Any]:
    """Opens a page and, at the end, holds it to having said nothing to the console and asked nobody for anything."""
    contexts, said = [], []

    def go(path: Path, view: str = "", **settings: Any) -> Any:
        context = browser.new_context(**{"viewport": DESK, "reduced_motion": "reduce"} | settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: (said.append("dialog"), dialog.dismiss()))
        page.on("request", lambda request: said.append(request.url) if not allowed(request.url, path) else None)
        page.goto(path.as_uri() + view)
        return page

    yield go
    for context in contexts:
        context.close()
    assert said == []


def allowed(url: str, path: Path) -> bool:
    return url.startswith("data:") or url.partition("#")[0] in {path.as_uri(), (path.parent / "report.md").as_uri()}


def rows(page: Any, section: str = "digits-mlp") -> list[str]:
    """The names of the cells listed and not filtered away."""
    found: list[str] = page.eval_on_selector_all(
        f"#section-{section} table.cells tbody tr:not([hidden])", "rows => rows.map(row => row.dataset.name)"
    )
    return found


def test_filters_narrow_tables_and_dim_the_rest_and_stand_in_the_address(visit: Any, written: Path) -> None:
    page = visit(written)
    assert len(rows(page)) == 6
    page.select_option("select[name=activation]", "tanh")
    page.select_option("select[name=optimizer]", "adam")
    assert rows(page) == ["tanh + adam"]
    assert page.locator("[data-section='digits-mlp'] table.heat td[data-o]:not(.out)").count() == 1
    assert (
        page.locator("#section-digits-mlp g[data-a]:not(.out) g[data-o]:not(.out)").count() == 0
        or page.locator("#section-digits-mlp figure [data-o]:not(.out)").count() >= 1
    )
    assert page.inner_text(".shown") == "2 of 12 cells"
    page.select_option("select[name=task]", "diabetes")
    assert not page.is_visible("#section-digits-mlp")
    assert page.inner_text(".shown") == "1 of 12 cells"
    again = visit(written, page.evaluate("location.hash"))
    assert not again.is_visible("#section-digits-mlp")
    assert rows(again, "diabetes") == ["tanh + adam"]
    again.click(".view button")
    assert len(rows(again)) == 6
    assert again.evaluate("location.hash") in ("", "#")


def test_the_heatmap_shows_what_is_chosen(visit: Any, written: Path) -> None:
    page = visit(written)
    heat = "[data-section='digits-mlp'] table.heat tbody td"
    options = page.eval_on_selector_all("select[name=by] option", "found => found.map(one => one.value)")
    assert options == ["test metric", "steps to target", "time to target", "lane-steps/s"]
    before = page.locator(heat).all_inner_texts()
    for option in options:
        page.select_option("select[name=by]", option)
        shown = "[data-section='digits-mlp'] [data-by]:not([hidden])"  # the other's target is out of reach: no steps
        told = page.eval_on_selector_all(shown, "found => found.map(one => one.dataset.by)")
        assert set(told) <= {option}
        shown = page.locator(heat).all_inner_texts()
        header = f"#section-digits-mlp table.cells th[data-title='{option}']"
        if page.locator(header).count():
            column = page.eval_on_selector(header, "one => one.cellIndex")
            listed = page.locator(f"#section-digits-mlp table.cells tbody td:nth-child({column + 1})").all_inner_texts()
            assert sorted(shown) == sorted(listed)
        assert all("." in value for value in page.eval_on_selector_all(heat, "c => c.map(x => x.style.cssText)"))
    page.click(".view button")
    assert page.locator(heat).all_inner_texts() == before


def test_a_column_s_title_sorts_and_sorts_back_by_keyboard(visit: Any, written: Path) -> None:
    page = visit(written)
    first = rows(page)
    button = page.locator("#section-digits-mlp table.cells th[data-title='rank'] button")
    button.focus()
    page.keyboard.press("Enter")
    assert rows(page)[0] == first[-1]
    page.keyboard.press("Enter")
    assert rows(page) == first


def test_trials_of_a_search_are_points_and_no_line(visit: Any, tmp_path: Path) -> None:
    run = searched(make_run(["relu"], ["sgd", "adam"]), "adam")
    page = visit(report([run], tmp_path / "report"))
    for name, lines in (("relu + sgd", 1), ("relu + adam", 0)):
        page.click(f"tr[data-name='{name}'] .opens >> nth=0")
        chart = page.locator(".charts section", has_text="Learning rates tried")
        assert chart.locator("path.line").count() == lines
        assert chart.locator("circle, path.lost").count() == 5
        assert chart.locator("circle.chosen").count() == 1
    assert ", b1=" in page.inner_text("tr[data-name='relu + adam']")


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_a_heatmap_of_one_column_leaves_its_words_room(visit: Any, tmp_path: Path, viewport: Any) -> None:
    page = visit(report([make_run(["relu"], ["sgd", "adam"])], tmp_path / "report"), viewport=viewport)
    assert page.locator(".beside > figure").bounding_box()["width"] >= 320
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]


def test_shares_that_diverged_neither_overlap_nor_leave_the_chart(visit: Any, tmp_path: Path) -> None:
    run = make_run(["relu"], ["sgd"], rates=15, evaluations=2)
    run.lanes.loc[(run.lanes["phase"] == "tune") & (run.lanes["learning_rate"] > 0.02), "status"] = "diverged"
    page = visit(report([run], tmp_path / "report"), "#cell=digits-mlp:relu%20%2B%20sgd")
    chart = page.locator(".charts section", has_text="cross: some diverged").locator("svg")
    assert chart.locator("path.lost").count() == 6
    edge = chart.bounding_box()["x"] + chart.bounding_box()["width"]
    boxes = [
        text.bounding_box() for text in chart.locator("text", has_text="%").all() if "(" not in text.text_content()
    ]
    ends = [(box["x"], box["x"] + box["width"]) for box in boxes]
    assert len(ends) > 1 and ends[-1][1] <= edge
    assert all(left[1] < right[0] for left, right in pairwise(ends))


@pytest.mark.parametrize("way", ["row", "heat", "curve", "address"])
def test_a_cell_opens_with_its_curve_rates_and_seeds(visit: Any, written: Path, way: str) -> None:
    page = visit(written, "#cell=digits-mlp:relu%20%2B%20adam" if way == "address" else "")
    if way == "row":
        page.click("tr[data-name='relu + adam'] .opens >> nth=0")
    elif way == "heat":
        page.click("[data-section='digits-mlp'] table.heat td[data-a='0'][data-o='1'] .opens")
    elif way == "curve":
        page.locator("#digits-mlp-curves g[data-a='0'] [data-o='1'] >> nth=-1").dispatch_event(
            "click", {"bubbles": True}
        )
    box = page.locator("#section-digits-mlp .cell")
    assert box.locator("h3").inner_text() == "relu + adam"
    assert box.locator("svg.chart").count() == 2
    assert box.locator("table.seeds tbody tr").count() == 5
    assert box.locator("svg .chosen").count() == 1
    assert "NaN" not in box.inner_html()
    assert "cell=digits-mlp" in page.evaluate("location.hash")
    page.keyboard.press("Escape")
    assert not box.is_visible()


def test_values_show_on_hover_and_on_focus(visit: Any, written: Path) -> None:
    page = visit(written)
    page.hover("[data-section='digits-mlp'] table.heat td[data-a='0'][data-o='1'] button")
    assert page.inner_text(".tip").startswith("relu + adam\nrank: ")
    page.focus("[data-section='digits-mlp'] table.heat td[data-o] button")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    place = page.evaluate("(({a, o}) => [a, o])(document.activeElement.closest('td').dataset)")
    assert place == ["1", "1"]
    assert page.inner_text(".tip").startswith("tanh + adam")


def test_the_heatmap_beside_the_verdict_is_that_of_its_section(visit: Any, tmp_path: Path) -> None:
    page = visit(report([make_run(["relu", "tanh", "elu"], ["sgd", "adam"])], tmp_path / "report"))
    heat = page.locator(".top table.heat")
    assert heat.bounding_box()["y"] < page.locator(".top .sentence").bounding_box()["y"] + 200  # beside it
    assert heat.bounding_box()["y"] + heat.bounding_box()["height"] < DESK["height"]
    page.select_option("select[name=by]", "steps to target")
    assert page.inner_text(".heat-by") == "Steps to target"
    page.select_option("select[name=activation]", "tanh")
    assert heat.locator("td[data-o]:not(.out)").count() == 2
    page.hover(".top table.heat td[data-a='1'][data-o='1'] button")
    assert page.inner_text(".tip").startswith("tanh + adam\nrank: ")
    page.click(".top table.heat td[data-a='1'][data-o='1'] .opens")
    assert page.locator("#section-digits-mlp .cell h3").inner_text() == "tanh + adam"


def test_every_link_leads_somewhere(visit: Any, written: Path) -> None:
    page = visit(written)
    links = page.eval_on_selector_all("a", "found => found.map(one => one.getAttribute('href'))")
    assert links
    for link in links:
        if link.startswith("#"):
            page.click(f"a[href='{link}']")
            assert page.locator(f"[id='{link[1:]}']").count() == 1
            assert f"at={link[1:]}" in page.evaluate("location.hash")
        else:
            assert (written.parent / link).exists(), link


def test_every_figure_is_drawn(visit: Any, written: Path) -> None:
    page = visit(written)
    boxes = page.eval_on_selector_all("figure svg", "found => found.map(one => one.getBoundingClientRect().height)")
    assert len(boxes) == 8
    assert all(height > 50 for height in boxes)
    for file in sorted((written.parent / "figures").glob("*.svg")):
        assert visit_file(page, file) > 50, file


def visit_file(page: Any, file: Path) -> float:
    """The height of an SVG file shown as a picture."""
    script = "svg => new Promise((done, no) => { const i = new Image(); i.onload = () => done(i.height);"
    script += " i.onerror = no; i.src = 'data:image/svg+xml,' + encodeURIComponent(svg); })"
    return float(page.evaluate(script, file.read_text("utf-8")))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["desk", "phone"])
def test_no_page_scrolls_sideways_and_dark_is_dark(visit: Any, written: Path, scheme: str, viewport: Any) -> None:
    page = visit(written, "#cell=digits-mlp:relu%20%2B%20adam", viewport=viewport, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_on_a_phone_a_wide_heatmap_scrolls_and_the_verdict_beside_it_does_not(visit: Any, tmp_path: Path) -> None:
    sides = [[f"{side}_{i}" for i in range(7)] for side in ("activation", "optimizer")]
    run = make_run(*sides, rates=1, tune=1, evaluate=2, evaluations=3)
    page = visit(report([run], tmp_path / "report"), viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for part in (".top .sentence", ".top figure"):
        box = page.locator(part).bounding_box()
        assert box["x"] + box["width"] <= PHONE["width"], part


def test_a_phone_shows_names_whole_and_the_leaders_without_scrolling(visit: Any, many: Path) -> None:
    page = visit(many, viewport=PHONE)
    heights = page.eval_on_selector_all(".view label:not([hidden])", "all => all.map(one => one.offsetHeight)")
    assert heights and max(heights) < 60  # two lines at most
    leaders = "[aria-label='The leader of each task']"
    assert page.eval_on_selector(leaders, "box => box.scrollWidth <= box.clientWidth")
    assert page.inner_text(".shown") == "1,000 of 1,000 cells"


def test_tasks_of_a_long_page_open_on_demand_and_print_whole(visit: Any, many: Path) -> None:
    page = visit(many)
    assert page.evaluate("document.documentElement.scrollHeight") < 12_000
    page.click("a[href='#task-b']")
    assert page.locator("#section-b .heat").is_visible() and not page.locator("#section-a .heat").is_visible()
    cell = visit(many, "#cell=a:leaky_relu0%20%2B%20schedule_free_adamw")
    assert cell.locator("#section-a .cell h3").is_visible()
    page.emulate_media(media="print")
    assert page.locator("#section-a .heat").evaluate("one => one.checkVisibility({ contentVisibilityAuto: true })")


def test_a_desk_shows_all_columns_of_a_table_of_cells(visit: Any, many: Path) -> None:
    page = visit(many)
    page.eval_on_selector_all("details.rest", "all => all.forEach(one => { one.open = true; })")
    boxes = page.eval_on_selector_all(
        "[aria-label^='All cells']", "all => all.map(one => one.scrollWidth - one.clientWidth)"
    )
    assert boxes == [0] * 4


def test_a_desk_shows_all_columns_beside_names_of_many_arguments(visit: Any, tmp_path: Path) -> None:
    names = ["signmix(decay=0.5..0.99 one_minus,mix=0.01..1 linear)", "sgd"]
    run = make_run(["relu", "softbump(width=0.5,height=2.25,shift=-1)"], names, evaluations=2)
    page = visit(report([run], tmp_path / "report"))
    assert page.eval_on_selector(".scroll:has(> table.cells)", "box => box.scrollWidth <= box.clientWidth")
    assert f"relu + {names[0]}" in rows(page)
    page.select_option("select[name=optimizer]", names[0])
    assert len(rows(page)) == 2


def test_it_is_whole_without_script(visit: Any, written: Path) -> None:
    page = visit(written, java_script_enabled=False)
    assert not page.locator(".view").is_visible()
    assert page.locator("[data-section='digits-mlp'] table.heat").is_visible()
    assert page.locator("#section-digits-mlp table.cells").is_visible()
    assert page.locator("figure svg").count() == 8


def test_hostile_names_are_shown_as_text(visit: Any, hostile: Path) -> None:
    page = visit(hostile)
    assert page.locator("img").count() == 0
    slug = page.evaluate("JSON.parse(document.getElementById('data').textContent)[0].slug")
    page.select_option("select[name=activation]", HOSTILE)
    assert rows(page, slug) and all(name.startswith(HOSTILE) for name in rows(page, slug))
    page.click(f"#section-{slug} tbody tr:not([hidden]) .opens >> nth=0")
    assert HOSTILE in page.inner_text(f"#section-{slug} .cell h3")
    page.hover(f"[data-section='{slug}'] table.heat td[data-o] button")
    assert HOSTILE in page.inner_text(".tip")
    again = visit(hostile, page.evaluate("location.hash"))
    assert HOSTILE in again.inner_text(f"#section-{slug} .cell h3")


@pytest.mark.parametrize("view", ["#task=nothing&activation=gone", "#cell=x", "#at=nowhere", "#%zz", "#by=no&=&&"])
def test_an_address_that_means_nothing_is_no_error(visit: Any, written: Path, view: str) -> None:
    page = visit(written, view)
    assert page.locator("h1").is_visible()


def test_a_page_prints(visit: Any, written: Path) -> None:
    page = visit(written)
    page.emulate_media(media="print")
    assert not page.locator(".view").is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")


def test_a_comparison_works_too(visit: Any, tmp_path: Path) -> None:
    runs = [
        make_run(["relu", HOSTILE], ["sgd", "adam"], seed=seed, name=name) for seed, name in ((0, "old"), (1, "new"))
    ]
    page = visit(write(render_comparison(compare(*runs), runs), tmp_path / "out"), viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.click("th[data-title='B - A'] button")
    keys = [float(key) for key in page.eval_on_selector_all("tbody td:nth-child(4)", "c => c.map(x => x.dataset.key)")]
    assert keys == sorted(keys)
    assert page.locator("figure svg").count() == 2


def test_names_stay_beside_numbers_that_scroll_on_a_phone(visit: Any, written: Path, many: Path) -> None:
    page = visit(written, viewport={"width": 320, "height": 844})
    left = """([box, at, name]) => {
        const outer = [...document.querySelectorAll(box)].find((one) => one.scrollWidth >= one.clientWidth + at);
        outer.scrollLeft = at;
        return outer.querySelector(name).getBoundingClientRect().left - outer.getBoundingClientRect().left;
    }"""
    cells = [".scroll:has(> table.cells)", 60]
    assert page.evaluate(left, [*cells, "tbody .kept"]) == pytest.approx(0, abs=1)
    assert page.evaluate(left, [*cells, "tbody .kept ~ .kept"]) > 20, "the optimizer beside the activation"
    page = visit(many, viewport=PHONE)
    assert page.evaluate(left, [".scroll:has(> table.heat)", 20, "tbody th"]) == pytest.approx(0, abs=3)
