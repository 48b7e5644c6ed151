"""TLS at our own port: a certificate and its key, which can be exchanged while connections live."""

import ssl
from pathlib import Path

from app.errors import ConfigError


class Certificate:
    """TLS 1.2 or later with the certificate chain in one PEM file and the key in another. Raises ConfigError."""

    def __init__(self, chain: Path, key: Path) -> None:
        self._chain = chain
        self._key = key
        self.context = _context()
        self._load(self.context)

    def reload(self) -> None:
        """Use what the files hold now, for connections from now on. Raises ConfigError, and then goes on as before."""
        self._load(_context())  # a bad pair must not be half taken over
        self._load(self.context)

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            context.load_cert_chain(self._chain, self._key, password="")
        except (OSError, ssl.SSLError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigError(f"TLS_CERT, TLS_KEY: {self._chain} with {self._key} can't be used: {reason}") from None


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
