"""Who may import whom: no circle, no jax in the half that plans and reports, no pandas in the half that trains."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "bench"
JAX = {"jax", "jaxlib", "flax", "optax"}
PLANNING = [
    "cli", "suite", "plan", "launch", "runner", "worker", "store", "results", "stats", "verdicts", "audit", "tables",
    "page", "reporting", "figures", "progress", "estimate", "register", "machine", "datasets", "tasks", "activations",
    "optimizers",
]  # fmt: skip
TRAINING = ["execute", "train", "switch", "layers", "models", "worker", "compile", "losses", "tasks", "datasets"]


def name_of(file: Path) -> str:
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for file in PACKAGE.rglob("*.py")}


def executed(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when the module is imported: not those in functions or under `if TYPE_CHECKING`."""
    for node in body:
        yield node
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield from executed(node.orelse)
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for inner in ("body", "orelse", "finalbody"):
                yield from executed(getattr(node, inner, []))


def imported(module: str) -> set[str]:
    """The modules of bench that a module imports when it is itself imported."""
    found = set()
    for node in executed(ast.parse(MODULES[module].read_text("utf-8")).body):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else str(node.module) for name in inner}
    return (found & MODULES.keys()) - {module}


def test_imports_run_one_way() -> None:
    TopologicalSorter({module: imported(module) for module in MODULES}).prepare()  # raises CycleError


def loaded_by(code: str) -> set[str]:
    """The top-level packages that are loaded once a fresh interpreter has run the code."""
    code += "\nimport sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_the_half_that_plans_and_reports_does_not_import_jax() -> None:
    assert not loaded_by("\n".join(f"import bench.{name}" for name in PLANNING)) & JAX


def test_the_half_that_trains_imports_neither_pandas_nor_matplotlib() -> None:
    loaded = loaded_by("\n".join(f"import bench.{name}" for name in TRAINING))
    assert loaded >= {"jax", "flax"} and not loaded & {"pandas", "matplotlib", "seaborn", "pyarrow", "typer"}


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list"], ["list", "suites", "--json"], ["plan", "quick"]], ids=" ".join
)
def test_quick_answers_import_nothing_heavy(arguments: list[str]) -> None:
    code = f"from bench.cli import app\napp({arguments}, standalone_mode=False)"
    assert not loaded_by(code) & (JAX | {"sklearn", "pandas", "matplotlib", "scipy", "numpy", "pyarrow"})


def test_importing_bench_costs_nothing() -> None:
    assert not loaded_by("import bench") & (JAX | {"pydantic", "numpy", "pandas"})


def test_public_names_are_there() -> None:
    import bench

    assert all(getattr(bench, name) is not None for name in bench.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        bench.nonsense  # noqa: B018
