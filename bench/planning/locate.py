"""Where the suites are that come with the project."""

from pathlib import Path


def suite_folder() -> Path:
    """In an installed package they lie inside it, in a checkout beside it."""
    package = Path(__file__).parents[1]
    return package / "suites" if (package / "suites").is_dir() else package.parent / "suites"


def suite_files() -> list[Path]:
    """Every suite, by name."""
    return sorted(suite_folder().glob("*.toml"))


def locate(path: str | Path) -> Path:
    """The path itself or, for a bare name such as `quick`, the suite of that name."""
    path = Path(path)
    if path.suffix or path.is_file() or len(path.parts) > 1:
        return path
    return next((file for file in suite_files() if file.stem == path.name), path)
