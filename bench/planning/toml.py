"""Plain values as the text of a TOML file, which Python reads but does not write."""

import json
from collections.abc import Mapping
from typing import Any


def text(values: Mapping[str, Any]) -> str:
    """The file of these keys, a line each; tables within are written inline."""
    return "".join(f"{_key(key)} = {value(of)}\n" for key, of in values.items())


def value(of: Any) -> str:
    """A value as the file has it."""
    if isinstance(of, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {value(inner)}' for key, inner in of.items())} }}"
    if isinstance(of, list):
        return f"[{', '.join(map(value, of))}]"
    return _string(of) if isinstance(of, str) else json.dumps(of)


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "").replace("-", "").isalnum() else _string(key)


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", r"\u007f")
