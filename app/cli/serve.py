"""`sluice serve`: run a gateway."""

import sys
from pathlib import Path
from typing import Any

import click

from app.errors import ConfigError, ResourceUnavailable
from app.exits import EX_CONFIG, EX_UNAVAILABLE


@click.command()
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
    # Imported here: the other commands start without a whole gateway.
    from app.serving import run  # noqa: PLC0415
    from app.settings import load_settings  # noqa: PLC0415
    from app.telemetry.logs import configure_logs  # noqa: PLC0415
    from app.workers import supervise  # noqa: PLC0415

    try:
        settings = load_settings(flags=flags, dotenv=Path(".env"), config=config)
        configure_logs(settings.log_level, settings.log_format)
        return supervise(settings) if settings.workers > 1 else run(settings)
    except (ConfigError, ResourceUnavailable) as error:
        click.echo(f"sluice: {error}", err=True)
        return EX_CONFIG if isinstance(error, ConfigError) else EX_UNAVAILABLE
