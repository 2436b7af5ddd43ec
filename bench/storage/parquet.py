"""The rows of shards as Parquet: their columns, and the bytes of a file of them."""

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench.errors import DataError

_curve = pa.list_(pa.float64())
SCHEMA = pa.schema(
    [
        ("lane", pa.string()),
        ("task", pa.string()),
        ("activation", pa.string()),
        ("optimizer", pa.string()),
        ("phase", pa.string()),
        ("learning_rate", pa.float64()),
        ("hyperparameters", pa.string()),
        ("seed", pa.int64()),
        ("steps", pa.int64()),
        ("batch_size", pa.int64()),
        ("status", pa.string()),
        ("stopped_at", pa.int64()),
        ("train_loss", pa.float64()),
        ("validation_loss", pa.float64()),
        ("validation_metric", pa.float64()),
        ("test_loss", pa.float64()),
        ("test_metric", pa.float64()),
        ("steps_to_target", pa.float64()),
        ("parameters", pa.int64()),
        ("shard", pa.string()),
        ("curve_step", pa.list_(pa.int64())),
        ("curve_train_loss", _curve),
        ("curve_validation_loss", _curve),
        ("curve_validation_metric", _curve),
        ("curve_trace", pa.list_(pa.list_(pa.float32()))),
        ("exhibit", pa.list_(pa.float32())),
        ("exhibit_shape", pa.list_(pa.int64())),
    ]
)
LANE_COLUMNS = [name for name in SCHEMA.names if not name.startswith(("curve_", "exhibit"))]


def _leaf(name: str, kind: pa.DataType) -> tuple[str, pa.DataType]:
    """The path and the type of a column's values, as Parquet names them inside lists."""
    return _leaf(f"{name}.list.element", kind.value_type) if pa.types.is_list(kind) else (name, kind)


_leaves = [_leaf(field.name, field.type) for field in SCHEMA]
# Floats compress best byte by byte: their exponents are alike, and doubles that were float32 end in zeros. Of a shard
# of some ten rows, statistics and a second schema would be the larger half
OPTIONS: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 9,
    "use_byte_stream_split": [name for name, kind in _leaves if pa.types.is_floating(kind)],
    "use_dictionary": [name for name, kind in _leaves if not pa.types.is_floating(kind)],
    "write_page_checksum": True,
    "write_statistics": False,
    "store_schema": False,
}


def table_of(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """The rows as a table."""
    plain = [{**row, "hyperparameters": json.dumps(row["hyperparameters"], sort_keys=True)} for row in rows]
    return pa.Table.from_pylist(plain, schema=SCHEMA)


def rows_of(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table, as they were before."""
    return [{**row, "hyperparameters": json.loads(row["hyperparameters"])} for row in table.to_pylist()]


def encode(table: pa.Table) -> bytes:
    """A file with a checksum on every page; of equal rows equal bytes, however the table is cut in memory."""
    sink = io.BytesIO()
    pq.write_table(table.combine_chunks(), sink, **OPTIONS)
    return sink.getvalue()


def decode(content: bytes, file: Path, columns: Iterable[str] = SCHEMA.names) -> pa.Table:
    """These columns of a file that is `file`. Raises `DataError` where it is damaged."""
    schema = pa.schema([SCHEMA.field(name) for name in columns])
    try:
        with pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True, pre_buffer=False) as opened:
            # without threads: those of Arrow now and then abort a process that ends soon afterwards
            return opened.read(schema.names, use_threads=False).select(schema.names).cast(schema)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:  # KeyError: other columns
        raise DataError(f"{file}: got damaged Parquet ({_first_line(error)}); expected rows of shards") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
