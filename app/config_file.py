"""The TOML file that settings may come from, with values of the environment filled in."""

import re
import tomllib
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from app.errors import ConfigError

_PLACEHOLDER = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def read_config(path: Path, environ: Mapping[str, str], known: Container[str]) -> dict[str, Any]:
    """The file's values under their variables' names: `[kafka] ssl_cafile` is `KAFKA_SSL_CAFILE`."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"--config: {str(path)!r} can't be used, expected a TOML file: {error}") from None
    values: dict[str, Any] = {}
    for name, value in _flat(tree):
        if name.lower() not in known:
            raise ConfigError(f"{name}: {value!r} in {path} sets nothing, expected the name of a setting")
        values[name] = _filled(name, value, environ) if isinstance(value, str) else value
    return values


def _flat(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in tree.items():
        name = f"{prefix}{key}".upper()
        pairs += _flat(value, f"{name}_") if isinstance(value, dict) else [(name, value)]
    return pairs


def _filled(name: str, text: str, environ: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        found = environ.get(match[1]) or match[2]
        if found is None:
            raise ConfigError(f"{name}: '{match[0]}' is unset, expected {match[1]} in the environment")
        return found

    return _PLACEHOLDER.sub(value, text)
