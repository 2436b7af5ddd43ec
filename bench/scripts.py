"""Python files of a user's that a suite names: each is run, and workers are sent what it defines."""

import importlib.util
import sys
from contextlib import redirect_stdout, suppress
from pathlib import Path
from types import ModuleType

from bench.errors import BenchError, InputError, in_words


def run(path: Path, what: str) -> ModuleType:
    """Run a file and return it as a module. Raises `InputError` where there is none, or whatever it raises, in words.

    `what` was expected: "a Python file with a TASK".
    """
    try:
        return _module(path)
    except FileNotFoundError as error:
        if Path(str(error.filename)) != path:  # one that the file wanted to read
            raise _failed(path, error) from None
        raise InputError(f"{path}: got no such file; expected {what}") from None
    except (Exception, SystemExit) as error:  # whatever the file raises
        raise _failed(path, error) from None


def _failed(path: Path, error: BaseException) -> InputError:
    if isinstance(error, BenchError):  # of a call of ours, which says what it expected
        return InputError([f"{path}: {problem}" for problem in error.problems], error.hint)
    told = " ".join(in_words(error).split())
    return InputError(f"{path}: got {told}; expected a Python file that runs")


def _module(path: Path) -> ModuleType:
    import cloudpickle

    name = f"bench_own_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: got a file that is no Python; expected one whose name ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    before, folder = set(sys.modules), str(path.parent.resolve())
    sys.path.insert(0, folder)  # as Python does for a script, for the modules beside it
    try:
        with redirect_stdout(sys.stderr):  # what it prints is not what we were asked for, such as JSON
            spec.loader.exec_module(module)
    finally:
        with suppress(ValueError):  # the file may have set the path anew
            sys.path.remove(folder)
        for one in [name for name in set(sys.modules) - before if _lies_in(folder, name)]:
            del sys.modules[one]  # forgotten: workers are sent what it defines, and other folders have theirs
    cloudpickle.register_pickle_by_value(module)  # workers cannot import it by its name
    return module


def _lies_in(folder: str, name: str) -> bool:
    """Whether an imported module, or the package that it is of, lies right in the folder."""
    file = getattr(sys.modules.get(name.partition(".")[0]), "__file__", None)
    if file is None:
        return False
    place = Path(file).resolve()
    return (place.parent if place.name == "__init__.py" else place).parent == Path(folder)
