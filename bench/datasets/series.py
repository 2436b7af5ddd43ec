"""Time series that come with statsmodels, as windows of the past and the value that follows.

Parts follow one another in time: what is predicted in validation lies after all that is predicted in training, and
what is predicted in test after that. Windows may reach back into the part before, as a forecaster's would.
"""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from bench.datasets.base import Array, Dataset, Parts, Samples, cached
from bench.datasets.prepare import by_channel
from bench.errors import ResourceError

if TYPE_CHECKING:
    import numpy as np

GROWING = ("realgdp", "realcons", "realinv")


def columns(name: str) -> "dict[str, np.ndarray]":
    """The columns of a file of statsmodels, read without importing the package, which takes seconds."""
    import numpy as np

    found = find_spec("statsmodels")
    if found is None or found.origin is None:
        raise ResourceError(f"data set {name}: got no statsmodels; expected it installed", "pip install statsmodels")
    table = np.genfromtxt(
        Path(found.origin).parent / "datasets" / name / f"{name}.csv", delimiter=",", names=True, deletechars=""
    )
    return {str(column).strip('"'): table[column] for column in table.dtype.names or ()}


def sunspots() -> Array:
    """The yearly number, [year, 1]."""
    return columns("sunspots")["SUNACTIVITY"][:, None]


def macrodata() -> Array:
    """Change of the rate of unemployment, growth of product, consumption and investment in per cent: [quarter, 4].

    Unemployment, the first, is what is predicted. It follows production by some quarters; the growth of production
    itself is hardly foretold by these series: a ridge regression on 8 quarters explains 4 % of it on the test part,
    and 50 % of the change in unemployment.
    """
    import numpy as np

    table = columns("macrodata")
    growth = [100 * np.diff(np.log(table[name])) for name in GROWING]
    return np.stack([np.diff(table["unemp"]), *growth], axis=1)


def split(series: Callable[[], Array], dataset: Dataset) -> Parts:
    """x[i] is `shape[0]` steps of all series; y[i] is the first series at the step after them."""
    import numpy as np

    values = np.asarray(series(), np.float32)
    length = dataset.shape[0]
    x = np.lib.stride_tricks.sliding_window_view(values, length, axis=0)[:-1].transpose(0, 2, 1)
    x, y = np.ascontiguousarray(x), np.ascontiguousarray(values[length:, 0])
    edges = np.cumsum((0, *dataset.samples))
    return {part: (x[a:b], y[a:b]) for part, a, b in zip(dataset.samples._fields, edges[:-1], edges[1:], strict=True)}


DATASETS = (
    Dataset(
        "sunspots",
        "Sunspots of 309 years from 1700 on: 16 years, then the next (Royal Observatory of Belgium; NOAA)",
        source="statsmodels, sunspots",
        licence="public domain",
        samples=Samples(177, 58, 58),
        shape=(16, 1),
        classes=0,
        parts=partial(cached, partial(split, sunspots)),
        scales=by_channel,
        sha256="44b2a6785820f6ee0412508cad32ede9ec4e44556d92ae531a2226ea4e5791e0",
    ),
    Dataset(
        "macrodata",
        "US economy from 1959 to 2009: 8 quarters of 4 series, then the change of unemployment (FRED, BLS)",
        source="statsmodels, macrodata",
        licence="public domain",
        samples=Samples(116, 39, 39),
        shape=(8, 4),
        classes=0,
        parts=partial(cached, partial(split, macrodata)),
        scales=by_channel,
        sha256="329e0a1f13aeecae861216fbfe31b7d4902fc3fa5403e5c414fe0b6555213531",
    ),
)
