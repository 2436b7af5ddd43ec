"""Rows as Parquet: equal bytes of equal rows, and damage that does not pass."""

import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_store import flipped, row, rows_of, same

from bench.errors import DataError
from bench.storage import parquet

FILE = Path("shards/a.parquet")


def encoded(rows: list[dict[str, Any]]) -> bytes:
    return parquet.encode(parquet.table_of(rows))


def test_rows_are_read_as_they_were_written() -> None:
    rows = [row("a", "s", exhibit=[0.5] * 6, exhibit_shape=[2, 3]), row("b", "s", hyperparameters={}, curve_step=[])]
    assert same(parquet.rows_of(parquet.decode(encoded(rows), FILE)), rows)


def test_equal_rows_are_equal_bytes() -> None:
    shuffled = [dict(reversed(r.items())) for r in rows_of(0)]
    assert encoded(shuffled) == encoded(rows_of(0))
    assert encoded(rows_of(1)) != encoded(rows_of(0))


def test_how_a_table_is_cut_in_memory_changes_no_byte() -> None:
    whole = parquet.table_of(rows_of(0) + rows_of(1))
    cut = pa.concat_tables([whole.slice(0, 3), whole.slice(3, 1), whole.slice(4)])
    assert parquet.encode(cut) == parquet.encode(whole)


def test_every_column_has_an_encoding() -> None:
    columns = parquet.OPTIONS["use_byte_stream_split"] + parquet.OPTIONS["use_dictionary"]
    file = pq.ParquetFile(pa.BufferReader(encoded(rows_of(0))))
    assert sorted(columns) == sorted(file.metadata.schema.column(i).path for i in range(file.metadata.num_columns))
    assert len(set(columns)) == len(columns)


def test_what_is_no_parquet_or_has_other_columns_is_told() -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"other": [1]}), sink)
    for content in (b"PAR1, or so it says", b"", sink.getvalue().to_pybytes()):
        with pytest.raises(DataError, match=r"shards/a\.parquet: got damaged Parquet"):
            parquet.decode(content, FILE)


def test_pages_carry_checksums() -> None:
    """Some flipped bits still decode, to other values: only the page's checksum tells."""
    content = encoded(rows_of(1))
    rows = pq.read_table(pa.BufferReader(content)).to_pylist()

    def told_by_its_checksum_alone(at: int) -> bool:
        hurt = flipped(content, at)
        try:
            silent = not same(pq.read_table(pa.BufferReader(hurt)).to_pylist(), rows)
            parquet.decode(hurt, FILE)
        except DataError:
            return silent
        except Exception:
            return False
        return False

    told = (at for at in range(4, len(content) // 2, 3) if told_by_its_checksum_alone(at))
    assert len(list(islice(told, 3))) == 3


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux lists them")
def test_reading_a_run_starts_no_threads_of_arrow(smoke_run: Path) -> None:
    code = (
        "import os, sys, bench.storage.results\n"
        "import numpy, pandas, pyarrow.parquet\n"
        "def threads(): return len(os.listdir('/proc/self/task'))\n"
        "before = threads()\n"
        "run = bench.storage.results.Run(sys.argv[1])\n"
        "run.lanes, run.curves, run.exhibits\n"
        "print(threads() - before)\n"
    )
    told = subprocess.run([sys.executable, "-c", code, str(smoke_run)], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "0", "they now and then abort a process that ends right after it has read"
