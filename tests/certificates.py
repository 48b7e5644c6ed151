"""Certificates for tests, made by the openssl command: authorities, and what they sign."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

_NEW_KEY = ["-x509", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]


@dataclass(frozen=True)
class Certificate:
    """PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority(Certificate):
    """Signs certificates for who serves at 127.0.0.1, and for clients."""

    def sign(self, name: str, *, password: str = "") -> Certificate:
        made = _files(self.key.parent, name)
        _openssl(
            made, name, password, "-CA", self.certificate, "-CAkey", self.key, "-addext", "subjectAltName=IP:127.0.0.1"
        )
        return made


def authority(folder: Path, name: str) -> Authority:
    made = _files(folder, name)
    _openssl(made, name, "", "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign")
    return Authority(made.certificate, made.key)


def _files(folder: Path, name: str) -> Certificate:
    return Certificate(folder / f"{name}.pem", folder / f"{name}.key")


def _openssl(made: Certificate, name: str, password: str, *arguments: str | Path) -> None:
    guard = ["-passout", f"pass:{password}"] if password else ["-noenc"]
    files = ["-keyout", made.key, "-out", made.certificate]
    command = ["openssl", "req", *_NEW_KEY, *guard, *files, "-subj", f"/CN={name}", *arguments]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OPENSSL_CONF": os.devnull})
