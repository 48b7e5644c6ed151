"""Where spans go: `OTEL_EXPORTER_OTLP_ENDPOINT` and `OTEL_EXPORTER_OTLP_HEADERS`, as OpenTelemetry writes them.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

import re
from urllib.parse import unquote

_URL = re.compile(r"https?://[^@/?#\s]+(/[^@?#\s]*)?")


def parse_collector(text: str) -> str:
    """The URL as it is. Raises ValueError."""
    if not _URL.fullmatch(text):
        raise ValueError("must be a URL such as http://localhost:4318, without user and password")
    return text


def parse_headers(text: str) -> dict[str, str]:
    """By their names in lower case. Raises ValueError, whose text holds nothing of them."""
    return dict(_header(part) for part in text.split(",") if part.strip())


def _header(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name.strip() or not equals:
        raise ValueError("must be name=value, several with commas between them")
    return name.strip().lower(), unquote(value.strip())
