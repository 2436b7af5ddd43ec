"""An OpenML of our own on loopback: descriptions as it gives them, ARFF files, and its bad days."""

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from bench.datasets import Samples
from bench.datasets.downloaded import DOWNLOADS, Download

PATH = "/api/v1/json/data"


@dataclass
class Server:
    """What it serves; each entry of `trouble` spoils one answer with the file."""

    files: dict[int, bytes] = field(default_factory=dict)
    described: dict[int, dict[str, Any]] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)  # path and range
    address: str = ""

    @property
    def api(self) -> str:
        return self.address + PATH

    def add(self, number: int, text: str, target: str = "class", **changed: Any) -> None:
        """A data set, described as OpenML does: every value a string."""
        self.files[number] = text.encode()
        self.described[number] = {
            "id": str(number),
            "name": "mnist_784",
            "version": "1",
            "format": "ARFF",
            "licence": "Public",
            "url": f"{self.address}/data/v1/download/{number}/file.arff",
            "default_target_attribute": target,
            "visibility": "public",
            "status": "active",
            "md5_checksum": hashlib.md5(text.encode()).hexdigest(),
            **changed,
        }


def arff(x: Any, y: Any, target: str = "{0,1}", name: str = "class") -> str:
    """A file in the form of OpenML's image data sets."""
    lines = ["% an explanation, with 'quotes' and, commas", "@RELATION mnist_784", ""]
    lines += [f"@ATTRIBUTE pixel{i + 1} {('REAL', 'numeric', 'INTEGER')[i % 3]}" for i in range(np.shape(x)[1])]
    lines += [f"@ATTRIBUTE {name} {target}", "", "@DATA"]
    lines += [",".join([*(f"{v:g}" for v in row), str(label)]) for row, label in zip(x, y, strict=True)]
    return "\n".join(lines) + "\n"


@contextmanager
def serving() -> Iterator[Server]:
    """The server, until the end of the block."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            asked_range = self.headers.get("Range", "")
            server.asked.append((self.path, asked_range))
            number = int(self.path.strip("/").split("/")[-1 if self.path.startswith(PATH) else -2])
            if number not in server.described:
                self.answer(b'{"error": {"code": "111", "message": "Unknown dataset"}}', 412)
            elif self.path.startswith(PATH):
                self.answer(json.dumps({"data_set_description": server.described[number]}).encode())
            else:
                self.file(server.files[number], asked_range, server.trouble.pop(0) if server.trouble else "")

        def file(self, content: bytes, asked_range: str, trouble: str) -> None:
            if trouble.isdecimal():
                self.answer(b"no", int(trouble))
            elif asked_range and trouble != "no ranges":
                start = int(asked_range.removeprefix("bytes=").removesuffix("-"))
                self.answer(content[start:], 206 if start < len(content) else 416, cut=trouble == "cut")
            elif "gzip" in self.headers.get("Accept-Encoding", "") and "plain" not in trouble:
                headers = {"Content-Encoding": "gzip"}
                self.answer(gzip.compress(content), headers=headers, cut="cut" in trouble, told="untold" not in trouble)
            else:
                self.answer(content, cut="cut" in trouble)

        def answer(
            self,
            content: bytes,
            status: int = 200,
            headers: dict[str, str] | None = None,
            cut: bool = False,
            told: bool = True,
        ) -> None:
            self.send_response(status)
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            if told:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if cut else content)

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.address = f"http://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()


ROWS = Samples(30, 10, 10)
COLOUR = (4, 5, 3)
GENERATOR = np.random.default_rng(7)
X = GENERATOR.integers(0, 256, (50, 60))
X[0, 0] = 255
Y = GENERATOR.permutation(np.arange(50) % 10)
TEXT = arff(X, Y, "{0,1,2,3,4,5,6,7,8,9}")


def small(name: str, **changed: Any) -> Download:
    """An entry of the table with data small enough for a test."""
    found = next(download for download in DOWNLOADS if download.dataset.name == name)
    return replace(found, md5="", dataset=replace(found.dataset, **{"samples": ROWS, "shape": COLOUR, **changed}))


CIFAR = small("cifar10")
CALIFORNIA = small("california", shape=(60,))
