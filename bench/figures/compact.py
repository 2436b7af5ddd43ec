"""SVG text as matplotlib writes it, made several times smaller without a visible change."""

import re
from collections import Counter

TAG = re.compile(r"<[^>]*>")  # matplotlib escapes `>` in texts and attributes alike
NUMBER = re.compile(r"-?\d+\.\d{2,}")
STRAIGHT = re.compile(r' d="[^CQ"]*"')
STYLE = re.compile(r' style="([^"]*)"')
GROUP = re.compile(r"<g(?: [^>]*[^/])?>|</g>")
OFTEN = 3  # a style used as often as this is worth a class


def compact(body: str, name: str) -> str:
    """The body of a figure: numbers to a tenth of a point, no bare groups, repeated styles as classes.

    `name` makes the classes the figure's own.
    """
    body = TAG.sub(lambda tag: NUMBER.sub(_rounded, " ".join(tag[0].split())), body)
    body = STRAIGHT.sub(lambda path: path[0].replace(" L ", " "), body)  # after a move, pairs are lines
    body = re.sub(r' transform="(?:rotate\(-?0 [^)]*\))?"', "", body)
    return _with_classes(re.sub(r"(?<=>)\s+(?=<)", "", _without_bare_groups(body)), name)


def marked(body: str) -> str:
    """The body with groups of the id `a:3` or `o:5` saying so as `data-a="3"`, `data-o="5"`, for a page's script."""
    return re.sub(r' id="([ao]):(\d+)"', r' data-\1="\2"', body)


def _rounded(number: re.Match[str]) -> str:
    value = float(number[0])
    return f"{value:.{1 if abs(value) >= 10 else 2}f}".rstrip("0").rstrip(".")


def _without_bare_groups(body: str) -> str:
    kept: list[bool] = []

    def group(tag: re.Match[str]) -> str:
        if tag[0] != "</g>":
            kept.append(tag[0] != "<g>")
            return tag[0] * kept[-1]
        return tag[0] * (kept.pop() if kept else True)  # the last one closes what stands before the body

    return GROUP.sub(group, body)


def _with_classes(body: str, name: str) -> str:
    """The body with each style that is used often as a class, defined once in front."""
    counts = Counter(STYLE.findall(body))
    classes = {style: f"{name}-{i}" for i, style in enumerate(s for s, n in counts.items() if n >= OFTEN)}
    body = STYLE.sub(lambda m: f' class="{classes[m[1]]}"' if m[1] in classes else m[0], body)
    rules = "".join(f".{mark}{{{style}}}" for style, mark in classes.items())
    return f"<style>{rules}</style>{body}" if rules else body
