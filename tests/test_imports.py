"""Imports run one way; what plans and reports starts without jax, what trains without pandas."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "bench"
SLOW_TO_IMPORT = {
    "jax",
    "jaxlib",
    "optax",
    "flax",
    "sklearn",
    "pandas",
    "matplotlib",
    "seaborn",
    "scipy",
    "numpy",
    "pyarrow",
}


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(file): file for file in PACKAGE.rglob("*.py")}


def package_of(module: str) -> str:
    """The package of bench/ that a module is of; "" for those of bench/ itself."""
    _, *inner = module.split(".")
    return inner[0] if len(inner) > 1 or (MODULES[module].stem == "__init__" and inner) else ""


TRAINING = {name for name in MODULES if package_of(name) in {"nn", "engine"}} | {"bench.throughput.measure"}
SENT = {"bench.running.calls", "bench.running.worker", "bench.throughput.calls"}  # what workers import
# From the bottom: a package imports those of lower layers, never one of its own or a higher one
LAYERS = (
    {"datasets", "nn"}, {"hardware"}, {"stats", "tasks"}, {"planning"}, {"engine", "findings"},
    {"figures", "own", "storage"}, {"pages", "running"}, {"network", "throughput"},
)  # fmt: skip


def statements(tree: ast.AST, inside_functions: bool) -> Iterator[ast.AST]:
    """The nodes of a module that run, those for a type checker aside."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for other in node.orelse:
                yield other
                yield from statements(other, inside_functions)
        elif inside_functions or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield node
            yield from statements(node, inside_functions)


@cache
def imports(module: str, inside_functions: bool) -> frozenset[str]:
    """What a module imports when it is imported or, `inside_functions`, ever: modules of ours and names of packages."""
    found: set[str] = set()
    for node in statements(ast.parse(MODULES[module].read_text("utf-8")), inside_functions):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            full = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else str(node.module) for name in full.values()}
        elif inside_functions and isinstance(node, ast.Call) and ast.unparse(node.func) == "Lazy":
            found.add(ast.literal_eval(node.args[0]))
    return frozenset(name if name in MODULES else name.partition(".")[0] for name in found)


def reached(module: str, inside_functions: bool) -> set[str]:
    """All that is imported with a module, by way of others too."""
    found, waiting = set[str](), [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += imports(name, inside_functions) if name in MODULES else []
    return found


def test_imports_run_one_way() -> None:
    graph = {module: imports(module, inside_functions=True) - {module} for module in MODULES}
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError where there is a circle
    assert set(MODULES) <= set(order)


def test_packages_lie_in_layers() -> None:
    height = {package: level for level, packages in enumerate(LAYERS) for package in packages}
    assert set(height) == {package_of(module) for module in MODULES} - {""}
    upward = {
        f"{module} imports {other}"
        for module in MODULES
        for other in imports(module, inside_functions=True) & set(MODULES)
        if package_of(module) != package_of(other) and "" not in {package_of(module), package_of(other)}
        if height[package_of(other)] >= height[package_of(module)]
    }
    assert not upward


def test_what_stands_over_all_packages_is_imported_by_none() -> None:
    over = {f"bench.{name}" for name in ("__main__", "catalogue", "cli", "data", "kinds", "validate")}
    assert not {(module, other) for module in MODULES if package_of(module) for other in imports(module, True) & over}


def test_the_graph_is_read_as_it_is() -> None:
    assert {"bench.planning.suite", "bench.planning.program"} <= imports("bench.planning.plan", inside_functions=False)
    assert "jax" in reached("bench.engine.train", inside_functions=False)
    assert "sklearn" in reached("bench.tasks", inside_functions=True)
    assert "sklearn" not in reached("bench.tasks", inside_functions=False)
    assert "flax" in reached("bench.planning.plan", inside_functions=True)  # by way of a lazy module


@pytest.mark.parametrize("module", sorted(set(MODULES) - TRAINING))
def test_what_plans_and_reports_starts_without_jax(module: str) -> None:
    assert not reached(module, inside_functions=False) & {"jax", "jaxlib", "flax", "optax", "sklearn"}


@pytest.mark.parametrize("module", sorted(TRAINING | SENT))
def test_what_trains_never_imports_pandas_or_matplotlib(module: str) -> None:
    assert not reached(module, inside_functions=True) & {"pandas", "matplotlib", "seaborn"}


def imported_by(code: str) -> set[str]:
    """The packages that a fresh interpreter has imported after running the code."""
    tell = "import sys; print('\\n' + ' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{tell}"], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["plan", "quick"]], ids=" ".join)
def test_what_needs_only_names_imports_little(arguments: list[str]) -> None:
    code = (
        f"from bench.cli import app\ntry:\n    app({arguments})\nexcept SystemExit as done:\n    assert done.code == 0"
    )
    assert not imported_by(code) & SLOW_TO_IMPORT


def test_a_report_needs_no_jax() -> None:
    assert not imported_by("import bench.pages.report, bench.storage.results, bench.running.launch") & {
        "jax",
        "jaxlib",
        "flax",
        "optax",
    }


@pytest.mark.slow
def test_a_run_leaves_jax_to_its_workers(tmp_path: Path) -> None:
    assert "jax" not in imported_by(f"import bench\nbench.run('smoke', out={str(tmp_path / 'run')!r})")


def test_the_package_itself_imports_nothing_but_names_all_its_parts() -> None:
    import bench

    assert not imported_by("import bench") & (SLOW_TO_IMPORT | {"pydantic", "typer"})
    assert all(callable(getattr(bench, name)) for name in bench.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        bench.nothing  # noqa: B018
