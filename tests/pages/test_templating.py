"""Tables in LaTeX: names are escaped, marks are explained, and what is printed lines up."""

import shutil
import subprocess
from pathlib import Path

import pytest

from bench.findings.verdicts import LEADER, TIED
from bench.pages import templating
from bench.pages.tables import Column, Entry, Row, Table


def table() -> Table:
    entries = [("leaky_relu", "97.1", LEADER), ("50 % & {x}", "96.9", TIED), ("#1 ~ \\ ^", "57.9", "")]
    rows = tuple(Row((Entry(name, name), Entry(score, score, mark)), mark, name) for name, score, mark in entries)
    return Table((Column("cell", number=False), Column("accuracy, %", number=True)), rows)


def test_the_best_is_bold_and_what_cannot_be_told_from_it_has_a_dagger() -> None:
    lines = templating.latex("matrix.tex", table=table()).splitlines()
    assert lines[3] == r"\begin{tabular}{lr}"
    assert lines[5] == r"cell & accuracy, \% \\"
    assert lines[7] == r"leaky\_relu & \textbf{97.1}\phantom{$^{\dagger}$} \\"
    assert lines[8] == r"50 \% \& \{x\} & 96.9$^{\dagger}$ \\"
    assert lines[9].endswith(r" & 57.9\phantom{$^{\dagger}$} \\")


def test_a_power_of_ten_prints_and_stays_beside_its_number() -> None:
    assert templating._held_together("159.2 ×10⁻³") == "159.2\u00a0×10⁻³"
    assert templating._escaped("−159.2 ×10⁻³", templating.LATEX) == r"$-$159.2 $\times$10$^{-}$$^{3}$"


def test_a_caption_names_a_task_of_one_of_several_runs_in_plain_latex() -> None:
    assert r"All cells of quick $\cdot$ digits," in templating.latex("cells.tex", table=table(), task="quick · digits")


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="needs pdflatex")
def test_latex_prints_it(tmp_path: Path) -> None:
    inner = "".join(
        templating.latex(name, table=table(), task="run · a_task")
        for name in ("matrix.tex", "cells.tex", "leaderboard.tex")
    )
    text = f"\\documentclass{{article}}\\usepackage{{booktabs,longtable}}\\begin{{document}}\n{inner}\\end{{document}}"
    (tmp_path / "t.tex").write_text(text)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "t.tex"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-1000:]
