"""Run one target under atheris: `python -m fuzz TARGET SECONDS`."""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["app"]):
    from app.telemetry.logs import configure_logs
    from fuzz.targets import TARGETS

HERE = Path(__file__).parent


def main(name: str, seconds: str) -> None:
    """New inputs are kept in `.fuzz`, beside what made the target fail; the committed corpus is only read."""
    found = HERE.parent / ".fuzz" / name
    found.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        "-max_len=2048",
        "-timeout=20",
        f"-artifact_prefix={found}-",
        f"-dict={HERE}/dictionary",
    ]
    configure_logs("critical", "json")
    atheris.Setup([name, *options, "-print_final_stats=1", str(found), str(HERE / "corpus" / name)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
