"""From a matplotlib figure to SVG text and to PDF: the same bytes for the same figure; SVG on light paper or dark."""

import io
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from bench.figures.compact import compact, marked
from bench.figures.style import PALETTE

INK = "#010203"  # stands for the colour of the text around the figure, on screen `currentColor`
WIDTH = 7.0  # inches: two columns of a journal
LINE = 24  # letters of a name on one line, where it can be broken
LINE_HEIGHT = 0.15  # inches
PAPER = "#fdfcfb"  # stands for the colour behind the figure
# In a page these follow its style sheet, which knows whether it is dark
VARIABLES = {PAPER: "var(--paper, #ffffff)"} | {c: f"var(--c{i}, {c})" for i, c in enumerate(PALETTE)}
FONT = "system-ui, -apple-system, Roboto, Arial, sans-serif"
SETTINGS: dict[str, Any] = {
    "svg.hashsalt": "bench",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # what publishers ask for
    "text.parse_math": False,  # a label with a dollar sign is a label
    "font.family": ["DejaVu Sans"],  # comes with matplotlib and is wide: what fits with it fits with the reader's font
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 9,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.linewidth": 0.6,
    "grid.alpha": 0.15,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "hatch.linewidth": 0.6,
    "path.simplify_threshold": 0.25,  # points: nobody sees less
    **dict.fromkeys(["text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"], INK),
    **dict.fromkeys(["grid.color", "axes.titlecolor"], INK),
}
STANDALONE_STYLE = "svg{color:#1f2328}@media(prefers-color-scheme:dark){svg{color:#e6edf3}}"


@dataclass(frozen=True)
class Figure:
    """A figure: `svg` to stand in a page, `pdf` for a paper, `finding` what it shows, `reading` how to read it."""

    name: str
    title: str
    svg: str
    pdf: bytes
    finding: str
    reading: str

    @property
    def description(self) -> str:
        """The alternative text."""
        return f"{self.title}. {self.finding}"

    @property
    def file(self) -> str:
        """The content of an SVG file of its own."""
        return standalone(self.svg, self.title, self.finding)

    @property
    def files(self) -> dict[str, bytes]:
        """The figure as files of its own, by name."""
        return {f"figures/{self.name}.svg": self.file.encode(), f"figures/{self.name}.pdf": self.pdf}


def figure(name: str, title: str, draw: Callable[[], Canvas], finding: str, reading: str) -> Figure:
    """The figure that `draw` gives, drawn with the settings of the house."""
    title, finding = printable(title), printable(finding)
    with matplotlib.style.context(["default", SETTINGS]):
        return Figure(name, title, *saved(draw(), name, title, finding), finding, reading)


def printable(text: object) -> str:
    """A text without what XML cannot hold."""
    return "".join(c if c.isprintable() else " " for c in str(text))


def label(text: object) -> str:
    """A text as matplotlib's label: a legend would hide one that begins with an underscore."""
    shown = printable(text)
    return "\u200b" + shown if shown.startswith("_") else shown


def name(text: object) -> str:
    """The name of an entry as a label, a long one on several lines: broken after commas and opening parentheses."""
    lines = [""]
    for piece in re.findall(r"[^,(]*[,(]?", label(text)):
        if lines[-1] and len(lines[-1] + piece) > LINE:
            lines.append("")
        lines[-1] += piece
    return "\n".join(lines)


def longest(names: Iterable[str]) -> int:
    """The letters of the longest line of such labels."""
    return max((len(line) for text in names for line in text.split("\n")), default=0)


def most_lines(names: Iterable[str]) -> int:
    """The lines of the highest of such labels."""
    return max((text.count("\n") + 1 for text in names), default=1)


def saved(figure: Canvas, name: str, title: str, finding: str) -> tuple[str, bytes]:
    """The figure as an `<svg>` element to stand inside a page, where `name` makes its ids unique, and as a PDF."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # the reader's font may have it
        box = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer()).padded(0.06)  # "tight" would draw for each
        svg, pdf = io.StringIO(), io.BytesIO()
        undated = dict.fromkeys(["Date", "Creator", "Format", "Type"])
        figure.savefig(svg, format="svg", metadata=undated, bbox_inches=box)
        told = {"Title": title, "Subject": finding} | dict.fromkeys(["CreationDate", "Creator", "Producer"])
        figure.savefig(pdf, format="pdf", metadata=told, bbox_inches=box)
    text = svg.getvalue()
    return _inline(text[text.index("<svg") :].strip(), name, f"{title}. {finding}"), pdf.getvalue()


def standalone(svg: str, title: str, description: str) -> str:
    """An SVG file of its own from what `saved` gave."""
    words = f"<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>"
    head = f"{words}\n<style>{STANDALONE_STYLE}</style>"
    opening, rest = re.sub(r"var\(--\w+, (#\w+)\)", r"\1", svg).split(">", 1)  # not every reader of SVG has variables
    return f'{opening} xmlns="http://www.w3.org/2000/svg">\n{head}{rest}\n'


def _inline(svg: str, name: str, description: str) -> str:
    body = marked(svg.split(">", 1)[1])
    width, height = (float(v) for v in re.search(r'viewBox="0 0 (\S+) (\S+)"', svg).groups())  # type: ignore[union-attr]
    short = {long: f"m{i}" for i, long in enumerate(dict.fromkeys(re.findall(r"#([\w-]+)[\")]", body)))}
    body = re.sub(r' id="([^"]*)"', lambda m: f' id="{name}-{short[m[1]]}"' if m[1] in short else "", body)
    uses = re.compile(r'(?:xlink:)?(href="#|url\(#)([\w-]+)(?=[")])')
    body = uses.sub(lambda m: f"{m[1]}{name}-{short[m[2]]}", body)
    body = re.sub(r'xlink:href="(data:[^"]*)"', lambda m: f'href="{"".join(m[1].split())}"', body)
    body = re.sub("|".join(VARIABLES), lambda m: VARIABLES[m[0]], body.replace(INK, "currentColor"))
    body = re.sub(r"'DejaVu Sans'(?:, [^;\"]*)?", FONT, body)
    body = compact(re.sub(r"<!--.*?-->\s*", "", body, flags=re.S), name)
    words = escape(description, quote=True)
    wide, high = round(width * 4 / 3), round(height * 4 / 3)
    size = f'viewBox="0 0 {width:g} {height:g}" width="{wide}" height="{high}" style="--width: {wide}px"'
    return f'<svg {size} role="img" aria-label="{words}">{body}'
