"""Attribute-relation files (Witten and Frank 2005), as far as OpenML's dense data sets use them."""

import csv
import re
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bench.errors import DataError

if TYPE_CHECKING:
    import numpy as np

ATTRIBUTE = re.compile(r"@attribute\s+('(?:[^'\\]|\\.)*'|\"[^\"]*\"|\S+)\s+(.+)", re.IGNORECASE)
NUMBERS = ("numeric", "real", "integer")
LONGEST = 10_000_000  # bytes of a header that is none
BLOCK = 2**24  # bytes that are parsed at a time: thousands of columns make small blocks slow


def read(file: Path, target: str) -> "tuple[np.ndarray, np.ndarray]":
    """(x [samples, features] float32, y), in the order of the file; classes are numbered as they are declared.

    Raises `DataError` where it is no such file, has no such target, values that are missing or no numbers.
    """
    import numpy as np
    import pyarrow as pa
    from pyarrow import csv as arrow

    with file.open("rb") as raw:
        kinds = _header(raw, file)
        if target not in kinds:
            raise DataError(f"{file.name}: got no attribute {target}; expected it, the target")
        classes = _classes(kinds[target])
        words = [name for name, kind in kinds.items() if kind.lower() not in NUMBERS]
        if set(words) - {target} or (target in words and not classes):
            raise DataError(
                f"{file.name}: got attributes that are no numbers ({', '.join(words[:3])}); expected numbers"
            )
        types = {name: pa.string() if name in words else pa.float32() for name in kinds}
        xs, ys = [], []
        try:
            reader = arrow.open_csv(
                raw,
                read_options=arrow.ReadOptions(column_names=list(kinds), block_size=BLOCK),
                parse_options=arrow.ParseOptions(quote_char="'"),
                convert_options=arrow.ConvertOptions(column_types=types, null_values=["?"], strings_can_be_null=True),
            )
            for batch in reader:
                if any(column.null_count for column in batch.columns):
                    raise DataError(f"{file.name}: got missing values; expected none")
                y = batch.column(target)
                ys.append(_numbered(y.to_pylist(), classes, file) if classes else y.to_numpy())
                x = [batch.column(name).to_numpy() for name in kinds if name != target]
                xs.append(_narrow(np.stack(x, axis=1)))
        except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
            raise DataError(f"{file.name}: got data that are not ARFF ({str(error)[:120]}); expected rows") from None
    return np.concatenate(xs), np.concatenate(ys)


def _narrow(x: "np.ndarray") -> "np.ndarray":
    """Bytes where all values are, a quarter of the memory."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        small = x.astype(np.uint8)
    return small if (small == x).all() else x


def _header(raw: IO[bytes], file: Path) -> dict[str, str]:
    """The attributes and their types; afterwards the file stands at the first row."""
    kinds: dict[str, str] = {}
    for line in iter(raw.readline, b""):
        text = line.decode("utf-8", "replace").strip()
        if text.lower().startswith("@data"):
            return kinds
        if found := ATTRIBUTE.match(text):
            kinds[found[1].strip("'\"")] = found[2].strip()
        if raw.tell() > LONGEST:
            break
    raise DataError(f"{file.name}: got no line @data; expected an ARFF file")


def _classes(kind: str) -> list[str]:
    """The classes of a nominal attribute; none of another."""
    if not kind.startswith("{"):
        return []
    quote = '"' if '"' in kind else "'"
    return next(csv.reader([kind.strip("{} ")], quotechar=quote, skipinitialspace=True))


def _numbered(names: list[str], classes: list[str], file: Path) -> "np.ndarray":
    import numpy as np

    number = {name.strip(): index for index, name in enumerate(classes)}
    try:
        return np.array([number[name.strip(' "')] for name in names], np.int32)
    except KeyError as error:
        raise DataError(f"{file.name}: got the class {error}; expected one of {', '.join(classes[:12])}") from None
