"""Who the brokers are to us and who we are to them: TLS and SASL, and what is refused before anything is sent."""

import shlex
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from app.brokers.kafka.tokens import TokenCommand
from app.errors import ConfigError, Disconnected

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"]


@dataclass(frozen=True, slots=True)
class Security:
    """How to be safe with a cluster. Raises ConfigError for what can't work, or would let others read a password."""

    protocol: SecurityProtocol = "PLAINTEXT"
    mechanism: SaslMechanism = "PLAIN"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token_command: str | None = field(default=None, repr=False)
    allow_plaintext_passwords: bool = False
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    ssl_password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise ConfigError(problem)
        self.ssl_context()

    @property
    def readable_login(self) -> bool:
        """Whether others on the way can read the login, and all that follows."""
        return self.protocol == "SASL_PLAINTEXT"

    def for_client(self, patience: float) -> dict[str, Any]:
        """Arguments of aiokafka, files read anew; a token may take `patience` seconds.

        Raises Disconnected for a file that was good at the start: one that is being replaced will be so again.
        """
        try:
            context = self.ssl_context()
        except ConfigError as error:
            raise Disconnected(str(error)) from None
        tokens = TokenCommand(shlex.split(self.token_command), patience) if self.token_command else None
        return {
            "security_protocol": self.protocol,
            "ssl_context": context,
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
            "sasl_oauth_token_provider": tokens,
        }

    def ssl_context(self) -> ssl.SSLContext | None:
        """Checks chain and host name, always; None where nothing is encrypted. Raises ConfigError."""
        if self.protocol not in ("SSL", "SASL_SSL"):
            return None
        with _usable("KAFKA_SSL_CAFILE", self.ssl_cafile):
            context = ssl.create_default_context(cafile=self.ssl_cafile)
        if self.ssl_certfile:
            with _usable("KAFKA_SSL_CERTFILE", self.ssl_certfile):
                # A function, even of nothing: without one OpenSSL asks the terminal for the password.
                context.load_cert_chain(self.ssl_certfile, self.ssl_keyfile, lambda: self.ssl_password or "")
        return context

    def _problems(self) -> Iterator[str]:
        if self.ssl_keyfile and not self.ssl_certfile:
            yield f"KAFKA_SSL_KEYFILE: '{self.ssl_keyfile}' is alone, expected its certificate in KAFKA_SSL_CERTFILE"
        if self.protocol in ("SASL_PLAINTEXT", "SASL_SSL"):
            yield from self._login_problems()
        elif self.username or self.token_command:
            yield (
                f"KAFKA_SECURITY_PROTOCOL: '{self.protocol}' logs nobody in, "
                "expected SASL_SSL with a user or a token command"
            )

    def _login_problems(self) -> Iterator[str]:
        if self.mechanism == "OAUTHBEARER":
            if not _is_command(self.token_command):
                given = "the value given (not shown) is no command line" if self.token_command else "unset"
                yield f"KAFKA_SASL_TOKEN_COMMAND: {given}, expected a command that prints a token, for OAUTHBEARER"
        else:
            wanted = f"for KAFKA_SASL_MECHANISM={self.mechanism}"
            if not self.username:
                yield f"KAFKA_SASL_USERNAME: unset, expected a user there or in BROKER_URL {wanted}"
            if not self.password:
                yield f"KAFKA_SASL_PASSWORD: unset, expected a password there or in BROKER_URL {wanted}"
        if self.readable_login and not self.mechanism.startswith("SCRAM") and not self.allow_plaintext_passwords:
            yield (
                f"KAFKA_SECURITY_PROTOCOL: 'SASL_PLAINTEXT' lets others read what {self.mechanism} sends, "
                "expected SASL_SSL, or KAFKA_ALLOW_PLAINTEXT_PASSWORDS=true"
            )


def _is_command(text: str | None) -> bool:
    try:
        return bool(shlex.split(text or ""))
    except ValueError:
        return False


@contextmanager
def _usable(variable: str, path: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # ssl's errors are such too
        reason = error.strerror or str(error)
        raise ConfigError(f"{variable}: '{path}' can't be used, expected PEM: {reason}") from None
