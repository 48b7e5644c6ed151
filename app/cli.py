"""The command line: `sluice serve`. Exit codes are those of sysexits.h."""

import sys
from pathlib import Path
from typing import Any

import click

from app import __version__
from app.errors import ConfigError, ResourceUnavailable
from app.serving import EX_CONFIG, EX_UNAVAILABLE, run
from app.settings import load_settings
from app.telemetry.logs import configure_logs
from app.workers import supervise


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sluice")
def cli() -> None:
    """A gateway between HTTP and an event log."""


@cli.command()
@click.option("--endpoint", metavar="HOST:PORT", help="Where to listen; beats --host and --port.")
@click.option("--host", help="Address to listen at.")
@click.option("--port", type=int, help="Port to listen at.")
@click.option("--workers", type=int, metavar="N", help="Processes that share the port; more than one needs Kafka.")
@click.option("--broker-url", metavar="URL", help="sqlite:///file, memory:// or kafka://host:port.")
@click.option("--log-level", metavar="LEVEL", help="Such as info, or info,app.gateway=debug.")
@click.option("--log-format", type=click.Choice(["auto", "json", "console"]), help="auto: readable on a terminal.")
@click.option("--config", type=click.Path(path_type=Path), help="TOML file with settings; the environment beats it.")
def serve(config: Path | None, endpoint: str | None, **flags: Any) -> None:
    """Serve HTTP until SIGTERM or SIGINT. Every setting is an environment variable too: see .env.example."""
    if endpoint or flags["host"] or flags["port"] is not None:
        flags["bind_address"] = endpoint or ""
    sys.exit(_serve(config, flags))


def _serve(config: Path | None, flags: dict[str, Any]) -> int:
    try:
        settings = load_settings(flags=flags, dotenv=Path(".env"), config=config)
        configure_logs(settings.log_level, settings.log_format)
        return supervise(settings) if settings.workers > 1 else run(settings)
    except (ConfigError, ResourceUnavailable) as error:
        click.echo(f"sluice: {error}", err=True)
        return EX_CONFIG if isinstance(error, ConfigError) else EX_UNAVAILABLE


def main() -> None:
    """The `sluice` command."""
    cli(prog_name="sluice")
