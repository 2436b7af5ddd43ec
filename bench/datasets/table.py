"""A table of a user's own, as a text file with a header, as the arrays of a `.npz`: numbers in, split for a test."""

import csv
import io
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.checks import listed, nearest, repeated
from bench.datasets.own import LARGEST
from bench.errors import InputError
from bench.lazy import Lazy

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
else:
    np, pd = Lazy("numpy"), Lazy("pandas")

NAMES = ("features", "sources", "classes", "target")
TRUTHS = ("False", "True")  # what pandas makes of a column of those, however they are written
SEPARATORS = ",;\t"
MOST_KINDS = 50  # different texts of a column that become a feature each
MOST_CLASSES = 20  # different whole numbers of the target that are classes, and not numbers to predict
LEAST_OF_A_CLASS = 5  # samples: some for each of three parts


Source = tuple[str, str]  # of a feature: the column and, of one of texts, the text that it stands for


class Packed(NamedTuple):
    """Arrays by name, what stands in each column of x, the classes of y, none of a regression, and what y is called."""

    arrays: "dict[str, np.ndarray]"
    features: tuple[str, ...]
    sources: tuple[Source, ...]
    classes: tuple[str, ...]
    target: str

    @property
    def archive(self) -> bytes:
        """The arrays, and those names beside them, as the bytes of a `.npz`."""
        raw, names = io.BytesIO(), self._asdict()
        told = {key: np.array(names[key], dtype=str) for key in NAMES}
        np.savez_compressed(raw, **self.arrays, **told)  # type: ignore[arg-type]
        return raw.getvalue()


def packed(
    path: Path, target: str, leave_out: Sequence[str] = (), test: float = 0.2, seed: int = 0, regression: bool = False
) -> Packed:
    """The columns of a text file as x and its column `target` as y, split into train and test.

    Numbers stay as they are, True and False become 1 and 0, and a column of texts becomes a feature for each of its
    texts, 1 where it is that one. A target of texts, or of at most 20 different whole numbers, is one of classes, in
    their order; else, or for a `regression`, a number to predict. The share `test` is drawn with `seed`, with the same
    shares of classes. Raises `InputError` with all that is wrong.
    """
    table = _read(path)
    missing = [name for name in dict.fromkeys((target, *leave_out)) if name not in table]
    if missing:
        known = list(map(str, table.columns))
        raise InputError([f"{path}: got no column {n!r}; expected {nearest('a column', n, known)}" for n in missing])
    if target in leave_out:
        raise InputError(f"{path}: got {target} as what to predict and to leave out; expected one of them")
    y, classes, wrong = _target(table[target], regression)
    rest = table.drop(columns=[target, *leave_out])
    features, sources, found = _features(rest)
    wrong += _unfit(table[[target]])
    if problems := [*_unfit(rest), *found, *wrong]:
        hint = "--leave-out COLUMN does without a column" if len(problems) > len(wrong) else ""
        raise InputError([f"{path}: {problem}" for problem in problems], hint)
    x = features.to_numpy(np.float64)
    names = ("x_train", "x_test", "y_train", "y_test")
    arrays = dict(zip(names, _halves(x, y, test, seed, classes), strict=True))
    return Packed(arrays, tuple(features), sources, classes, target)


def packed_like(path: Path, like: Path) -> Packed:
    """The columns of a text file as the x that the archive `like` has, of `packed`; as y its target, where it is there.

    For predictions: rows of any number, none split off. Raises `InputError` with all that is wrong.
    """
    features, sources, classes, target = _names(like)
    texts = {column for column, text in sources if text}
    if classes and classes != TRUTHS:
        texts.add(target)
    table = _read(path, 1, texts)
    found, problems = {}, []
    kinds: dict[str, list[str]] = {}
    for name, (column, text) in zip(features, sources, strict=True):
        kinds.setdefault(column, []).extend([text] if text else [])
        if column not in table:
            continue
        if text:
            found[name] = (table[column] == text).astype(np.float64)
        elif pd.api.types.is_numeric_dtype(table[column]):
            found[name] = table[column].astype(np.float64)
        else:
            problems.append(f"{column}: got {listed(sorted(table[column].astype(str).unique())[:3])}; expected numbers")
    missing = [column for column in kinds if column not in table]
    problems += [f"got no column {name!r}; expected it, as {like} has" for name in missing]
    problems += _unfit(table[[column for column in kinds if column in table]])
    for column, known in kinds.items():
        if column in table and known:
            strange = sorted(set(table[column].dropna()) - set(known))
            problems += [f"{column}: got {listed(strange)}; expected one of {listed(known)}"] if strange else []
    y, wrong = _told_target(table, target, classes)
    if problems or wrong:
        raise InputError([f"{path}: {problem}" for problem in [*problems, *wrong]])
    return Packed({"x": pd.DataFrame(found).to_numpy(np.float64), **y}, features, sources, classes, target)


def _names(like: Path) -> tuple[tuple[str, ...], tuple[Source, ...], tuple[str, ...], str]:
    """What an archive that `packed` made says of its columns."""
    try:
        with like.open("rb") as raw, np.load(raw, allow_pickle=False) as held:
            features, sources, classes, target = (held[name].tolist() for name in NAMES)
    except FileNotFoundError:
        raise InputError(f"--like {like}: got no such file; expected a .npz of bench data pack") from None
    except Exception:  # a damaged archive raises whatever its decoder does
        raise InputError(f"--like {like}: got a file without the names of columns; expected a .npz of bench data pack",
                         "bench data pack made anew from the same table has them") from None  # fmt: skip
    return tuple(features), tuple((column, text) for column, text in sources), tuple(classes), target


def _told_target(table: "pd.DataFrame", target: str, classes: Sequence[str]) -> "tuple[dict[str, Any], list[str]]":
    """y, where the table has it, and what is wrong with it."""
    if target not in table:
        return {}, []
    column = table[target]
    if column.isna().any() or (not classes and not _are_numbers(column)):
        return {}, [f"{target}: got values that are missing or no numbers; expected all, or no such column"]
    if not classes:
        return {"y": column.to_numpy(np.float64)}, []
    told = column.astype(str).map(lambda text: text if text in classes else _as_number(text))
    strange = sorted(set(told) - set(classes))
    places = {name: place for place, name in enumerate(classes)}
    wrong = [f"{target}: got {listed(strange)}; expected one of {listed(classes)}"] if strange else []
    return {"y": told.map(places).fillna(-1).to_numpy(np.int64)}, wrong


def _as_number(text: str) -> str:
    """A number as classes are called, 1 of 1.0; another text as it is."""
    try:
        return f"{float(text):.15g}"
    except ValueError:
        return text


def _halves(x: "np.ndarray", y: "np.ndarray", test: float, seed: int, classes: Sequence[str]) -> "list[np.ndarray]":
    from sklearn.model_selection import train_test_split

    size = max(round(test * len(y)), len(classes), 2)
    found: list[np.ndarray] = train_test_split(x, y, test_size=size, random_state=seed, stratify=y if classes else None)
    return found


def _read(path: Path, least: int = 4 * LEAST_OF_A_CLASS, texts: Iterable[str] = ()) -> "pd.DataFrame":
    """The table of `least` rows or more, whatever of a comma, a semicolon or a tab its header has most of.

    Columns of these names are `texts`, even where all of them look like numbers.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline()
        separator = max(SEPARATORS, key=header.count)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # of rows with more fields than the header
            table = pd.read_csv(
                path, sep=separator, encoding="utf-8-sig", skipinitialspace=True, index_col=False,
                dtype=dict.fromkeys(texts, str),
            )  # fmt: skip
    except FileNotFoundError:
        raise InputError(f"{path}: got no such file; expected a table as text, with a header") from None
    except OSError as error:
        raise InputError(f"{path}: got {error.strerror}; expected a readable file") from None
    except pd.errors.ParserWarning:
        raise InputError(f"{path}: got rows with more fields than the header has; expected as many") from None
    except (ValueError, pd.errors.ParserError) as error:  # not UTF-8, no columns, lines of other lengths
        reason = str(error).strip().splitlines()[0][:100] if str(error).strip() else type(error).__name__
        raise InputError(f"{path}: got what is no table ({reason}); expected text in UTF-8, with a header") from None
    names = [name for name in next(csv.reader([header], delimiter=separator, skipinitialspace=True)) if name]
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise InputError(f"{path}: got several columns of the name {listed(twice)}; expected another name for each")
    if len(table) < least:
        raise InputError(f"{path}: got {len(table)} rows; expected at least {least}, and a header")
    return table.rename(columns=str)


def _unfit(table: "pd.DataFrame") -> list[str]:
    """Which columns lack values, and how many, or have numbers that are too large to compute with."""
    lacking = table.isna().sum()
    large = (table.select_dtypes("number").abs() > LARGEST).sum()
    return [
        f"{name}: got {count:,} of {len(table):,} values that are {what}; expected {expected}"
        for counts, what, expected in (
            (lacking, "missing", "all"),
            (large, f"infinite, or more than {LARGEST:g}", "smaller numbers"),
        )
        for name, count in counts[counts > 0].items()
    ]


def _features(table: "pd.DataFrame") -> "tuple[pd.DataFrame, tuple[Source, ...], list[str]]":
    """The columns as numbers, where each of them comes from, and which cannot be."""
    found: dict[Source, pd.Series[float]] = {}
    problems = []
    for name, column in table.items():
        if pd.api.types.is_numeric_dtype(column):
            found[str(name), ""] = column.astype(np.float64)
            continue
        kinds = sorted(column.dropna().astype(str).unique())
        if len(kinds) > MOST_KINDS:
            shown = f"{len(kinds):,} different texts ({listed(kinds[:3])}, ...)"
            problems.append(f"{name}: got {shown}; expected numbers, or at most {MOST_KINDS} of them")
        else:
            found |= {(str(name), kind): (column.astype(str) == kind).astype(np.float64) for kind in kinds}
    if not found and not problems:
        problems.append("got the target alone; expected a column to predict it from")
    names = [f"{column}={text}" if text else column for column, text in found]
    problems += [
        f"{name}: got two features of this name; expected another name of a column" for name in repeated(names)
    ]
    return pd.DataFrame(dict(zip(names, found.values(), strict=True))), tuple(found), problems


def _are_numbers(column: "pd.Series[Any]") -> bool:
    """Whether a target's values are numbers, and not yes and no."""
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _target(column: "pd.Series[object]", regression: bool) -> "tuple[np.ndarray, tuple[str, ...], list[str]]":
    """y, its classes, and what is wrong with it."""
    known = column.dropna()
    numeric = _are_numbers(column)
    if regression and not numeric:
        return np.zeros(0), (), [f"{column.name}: got {listed(list(known.unique()[:3]))}; expected numbers to predict"]
    whole = numeric and bool((known.astype(np.float64) % 1 == 0).all()) and known.nunique() <= MOST_CLASSES
    if regression or (numeric and not whole):
        alike = known.unique() if known.nunique() == 1 else []
        wrong = [f"{column.name}: got {value:g} throughout; expected numbers that differ" for value in alike]
        return column.to_numpy(np.float64), (), wrong
    kinds = sorted(known.unique(), key=None if numeric else str)
    counts = known.value_counts()
    few = [f"{kind} ({counts[kind]})" for kind in kinds if counts[kind] < LEAST_OF_A_CLASS]
    labels = tuple(f"{kind:.15g}" if numeric else str(kind) for kind in kinds)
    wrong = [f"{column.name}: got one class, {labels[0]}; expected two or more"] if len(kinds) == 1 else []
    if few:
        wrong.append(
            f"{column.name}: got the classes {listed(few)}; expected at least {LEAST_OF_A_CLASS} samples of each"
            + ", or --regression where it is a number" * numeric
        )
    places = column.map({kind: place for place, kind in enumerate(kinds)}).fillna(-1)  # -1 is told as missing
    return places.to_numpy(np.int64), labels, wrong
