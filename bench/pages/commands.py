"""How to reproduce a run: the lines to type."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.findings.run import Run
from bench.labels import joined
from bench.planning import toml
from bench.planning.reference import Reference

OUT = re.compile(r"""(?<=\s)--out(?:=|\s+)(?:'[^']*'|"[^"]*"|[^\s'"])+""")  # with its word, as a shell reads it


def commands(run: Run, reference: Reference | None = None) -> tuple[str, ...]:
    """Lines that make a run anew, check it and report it; of one from Python they write its suite first."""
    asked = reference and reference.label != run.manifest["suite"].get("reference")
    *lines, last = together([run], "report")
    return *lines, f"{last} --reference {shlex.quote(reference.label)}" if reference and asked else last


EMPTY: tuple[Any, ...] = ("", [], {})


def together(runs: Sequence[Run], verb: str) -> tuple[str, ...]:
    """Lines that make runs anew and check them, and one that reports or compares them, as `verb` says."""
    made = [line for lines in dict.fromkeys(_made(run) for run in runs) for line in lines]
    return "pip install -c constraints.txt -e .", *made, " ".join(["bench", verb, *(_place(run.path) for run in runs)])


def _made(run: Run) -> tuple[str, ...]:
    stored, command = _place(run.path), run.manifest["command"]
    as_typed = command and not run.manifest.get("rounds")  # the file that was given may name other seeds by now
    start = [_written_to(command, stored)] if as_typed else _from_suite(run.manifest, stored)
    return *_needed(run.manifest["suite"]), *start, f"bench verify {stored}"


def _written_to(command: str, stored: str) -> str:
    """The command with the directory that the lines after it name, wherever it wrote to at the time."""
    said, count = OUT.subn(lambda _: f"--out {stored}", command)
    return said if count or not command.startswith("bench run") else f"{command} --out {stored}"


def suite_text(manifest: Mapping[str, Any]) -> str:
    """The suite of a run as the text of a file, its name first."""
    return toml.text({"name": "", **{key: value for key, value in manifest["suite"].items() if value not in EMPTY}})


def registered(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """What a user registered in Python: each entry's summary, and the fingerprint of what it computes."""
    return tuple(
        f"the {kind} {name}: {entry['summary'].rstrip('.')}{_fingerprint(entry)}"
        for kind, name, entry in _own(manifest)
    )


def _fingerprint(entry: Mapping[str, Any]) -> str:
    return f", fingerprint {entry['code']}" if entry["code"] else ""


def _own(manifest: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """The kind, name and entry of whatever was registered."""
    for kind in ("activations", "optimizers", "tasks"):
        yield from ((kind[:-1], name, entry) for name, entry in manifest[kind].items() if "code" in entry)


def _needed(set_: Mapping[str, Any]) -> list[str]:
    """The user's own files that a suite names, in a comment; no line without any."""
    named = [*set_.get("python", ()), *(task["file"] for task in set_.get("tasks", ()) if task.get("file"))]
    files = list(dict.fromkeys(Path(file).name for file in named))
    return [f"# needs {joined(files)}, where the suite says"] if files else []


def _from_suite(manifest: Mapping[str, Any], stored: str) -> list[str]:
    """Lines that write a run's suite and run it, with its first seeds and then with each that were added."""
    file = f"{manifest['suite']['name']}.toml"
    first, *more = _rounds(manifest)
    lines = _file(first, file)
    own = [f"the {kind} {name}" for kind, name, _ in _own(manifest)]
    if own and not manifest["suite"].get("python"):
        path = json.dumps(shlex.split(stored)[0])
        return [
            *lines,
            f"# {joined(own)} must be registered in Python first, then there:",
            f"# bench.run({json.dumps(file)}, out={path})",
            *(f"# bench.run(resume={path}, evaluate={suite['seeds']['evaluate']})" for suite in more),
        ]
    lines += [f"bench run {file} --out {stored}"]
    for suite in more:
        if isinstance(seeds := suite["seeds"]["evaluate"], list):
            lines += [*_file(suite, file), f"bench run {file} --resume {stored}"]
        else:
            lines += [f"bench run --resume {stored} --evaluate {seeds}"]
    return lines


def _rounds(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the suite of a run was each time that evaluation seeds were added; the suite alone where none were."""
    suite = manifest["suite"]
    if not manifest.get("rounds"):
        return [suite]
    every = suite["seeds"]["evaluate"]
    seeds = [every[:count] if isinstance(every, list) else count for count in manifest["rounds"]]
    return [{**suite, "seeds": {**suite["seeds"], "evaluate": evaluate}} for evaluate in seeds]


def _file(suite: Mapping[str, Any], file: str) -> list[str]:
    """Lines that write a suite."""
    return [f"cat > {file} << 'END'", *suite_text({"suite": suite}).splitlines(), "END"]


def _place(path: Path) -> str:
    """A run's directory as a command names it: from here or, as in a checkout, under results; else as it was given."""
    whole, here = path.resolve(), Path.cwd()
    if whole.is_relative_to(here):
        path = whole.relative_to(here)
    elif whole.parent.name == "results":
        path = Path("results", whole.name)
    return shlex.quote(path.as_posix())
