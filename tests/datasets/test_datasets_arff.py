"""ARFF as OpenML has it; the oracle is scikit-learn's reader and its stored examples."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from openml_server import arff as written

from bench.datasets import arff
from bench.errors import DataError


def save(folder: Path, text: str) -> Path:
    file = folder / "file.arff"
    file.write_text(text, "utf-8")
    return file


def test_reads_bytes_and_classes(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).integers(0, 256, (50, 12)), np.arange(50) % 2
    found_x, found_y = arff.read(save(tmp_path, written(x, y)), "class")
    assert found_x.dtype == np.uint8 and np.array_equal(found_x, x)
    assert found_y.dtype == np.int32 and np.array_equal(found_y, y)


def test_reads_many_small_blocks_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arff, "BLOCK", 400)
    x = np.random.default_rng(0).normal(size=(300, 12)).astype("float32")
    x[:150] = np.arange(12)  # the first blocks are bytes, the others are not
    text = "\n".join(",".join(map(repr, map(float, [*row, i]))) for i, row in enumerate(x))
    header = "@relation r\n" + "".join(f"@attribute a{i} numeric\n" for i in range(12)) + "@attribute y real\n@data\n"
    found_x, found_y = arff.read(save(tmp_path, header + text), "y")
    assert np.array_equal(found_x, x)
    assert np.array_equal(found_y, np.arange(300))


def test_agrees_with_scikit_learn_on_a_file_of_openml(tmp_path: Path) -> None:
    import sklearn.datasets.tests.data.openml.id_40675 as folder
    from sklearn.datasets._arff_parser import load_arff_from_gzip_file

    packed = Path(next(iter(folder.__path__)), "data-v1-dl-4965250.arff.gz")
    file = save(tmp_path, gzip.decompress(packed.read_bytes()).decode())
    names = [line.split()[1] for line in file.read_text().splitlines() if line.startswith("@ATTRIBUTE")]
    columns = {name: {"name": name, "index": str(i), "data_type": "numeric"} for i, name in enumerate(names)}
    columns["class"]["data_type"] = "nominal"
    rows = sum(1 for line in file.read_text().split("@DATA\n")[1].splitlines() if line)
    with gzip.open(packed) as raw:
        expected, labels, _, _ = load_arff_from_gzip_file(
            raw, "liac-arff", "numpy", columns, names[:-1], ["class"], shape=(rows, len(names))
        )
    x, y = arff.read(file, "class")
    assert np.array_equal(x, expected.astype("float32"))
    assert np.array_equal(y, labels.astype("int32").ravel())


def test_numbers_classes_as_they_are_declared(tmp_path: Path) -> None:
    header = "@relation r\n@attribute 'a b' real\n@attribute class {'T-shirt/top', Bag, x}\n"
    text = header + "@data\n1,Bag\n2,'T-shirt/top'\n"
    with pytest.raises(DataError):
        arff.read(save(tmp_path, text.replace("Bag\n2", "Boot\n2")), "class")
    x, y = arff.read(save(tmp_path, text), "class")
    assert y.tolist() == [1, 0] and x.tolist() == [[1], [2]]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("@DATA", "@DITA"), "no line @data"),
        (("@ATTRIBUTE class", "@ATTRIBUTE klass"), "no attribute class"),
        (("pixel2 numeric", "pixel2 string"), "no numbers"),
        (("1,2,3,0", "1,?,3,0"), "missing values"),
        (("1,2,3,0", "1,2,0"), "not ARFF"),
        (("1,2,3,0", "{0 1, 3 1}"), "not ARFF"),
        (("1,2,3,0", "1,two,3,0"), "not ARFF"),
        (("1,2,3,0", "1,2,3,7"), "class '7'"),
    ],
)
def test_refuses_what_it_cannot_read(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    text = written([[1, 2, 3], [4, 5, 6]], [0, 1])
    assert change[0] in text
    with pytest.raises(DataError, match=told):
        arff.read(save(tmp_path, text.replace(*change)), "class")


@pytest.mark.parametrize("content", [b"", b"\x00\xff" * 100, b"<html>503</html>"], ids=["empty", "bytes", "page"])
def test_refuses_another_kind_of_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file.arff").write_bytes(content)
    with pytest.raises(DataError, match="no line @data"):
        arff.read(tmp_path / "file.arff", "class")


def test_refuses_a_file_without_rows(tmp_path: Path) -> None:
    empty: Any = written(np.empty((0, 3)), [])
    with pytest.raises(DataError):
        arff.read(save(tmp_path, empty), "class")
