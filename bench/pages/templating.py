"""Templates of three languages; each escapes whatever it is given unless told otherwise."""

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

FOLDER = Path(__file__).parent / "templates"
MARKDOWN = str.maketrans({c: f"\\{c}" for c in "\\`*_[]#|~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"})
SYMBOLS = {"±": r"$\pm$", "×": r"$\times$", "∞": r"$\infty$", "–": "--", "−": "$-$", "²": "$^2$", "‡": r"$\ddagger$"}
SYMBOLS |= {"⁻": "$^{-}$", "³": "$^{3}$", "µ": r"$\mu$", "·": r"$\cdot$"}
LATEX = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}"}
    | SYMBOLS
)
LATEX_MARKS = {
    "variable_start_string": "<<",
    "variable_end_string": ">>",
    "block_start_string": "<%",
    "block_end_string": "%>",
    "comment_start_string": "<#",
    "comment_end_string": "#>",
}


def html(name: str, **values: Any) -> str:
    """A page from the template `name`; the filter `breakable` is for names in narrow places."""
    environment = _environment(autoescape=True, finalize=_held_together)
    environment.filters["breakable"] = _breakable
    return environment.get_template(name).render(**values)


def page(name: str, **values: Any) -> str:
    """A whole page: `html` with the style sheet and the script of all pages, and the script's digest for its policy."""
    style, script = (Markup((FOLDER / part).read_text("utf-8")) for part in ("style.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return html(name, style=style, script=script, digest=digest, **values)


def markdown(name: str, **values: Any) -> str:
    """Markdown from the template `name`; the filter `code` is for what stands in a block of code."""
    environment = _environment(finalize=lambda value: _escaped(value, MARKDOWN))
    environment.filters["code"] = lambda value: Markup(_one_line(value))
    return environment.get_template(name).render(**values)


def latex(name: str, **values: Any) -> str:
    """LaTeX from the template `name`."""
    environment = _environment(finalize=lambda value: _escaped(value, LATEX), **LATEX_MARKS)
    return environment.get_template(name).render(**values)


def _environment(**settings: Any) -> Environment:
    spacing: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    return Environment(loader=FileSystemLoader(FOLDER), undefined=StrictUndefined, **spacing, **settings)


def _held_together(value: object) -> object:
    """A number and its unit stay on one line."""
    held = isinstance(value, str) and not isinstance(value, Markup)
    return str(value).replace(" %", "\u00a0%").replace("± ", "±\u00a0").replace(" ×10", "\u00a0×10") if held else value


def _breakable(value: object) -> Markup:
    """A name that may go on in another line after each of its parts."""
    return Markup(re.sub(r"([_(]|,(?! ))", r"\1<wbr>", str(escape(_held_together(value)))))


def _escaped(value: object, table: Mapping[int, str]) -> str:
    return value if isinstance(value, Markup) else _one_line(value).translate(table)


def _one_line(value: object) -> str:
    """On one line, with spaces at either end kept: a template joins texts with them."""
    return "".join(c if c.isprintable() else " " for c in str(value))
