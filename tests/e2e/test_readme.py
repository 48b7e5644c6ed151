"""The README's tour, run as it stands: each command answers what the page shows, times, sizes and new ids aside."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from gateways import serving

README = Path(__file__).resolve().parents[2] / "README.md"
CHANGING = [
    (r'"timestamp":"[^"]+"', '"timestamp":"…"'),
    (r'"created_at":"[^"]+"', '"created_at":"…"'),
    (r'"request_id":"[^"]+"', '"request_id":"…"'),
    (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "…"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", "…"),
]


def steps() -> list[tuple[str, str]]:
    blocks = re.findall(r"```console\n\$ (.*)\n((?:.*\n)*?)```", README.read_text(encoding="utf-8"))
    assert len(blocks) > 10
    return blocks


def steady(text: str) -> str:
    for pattern, stand_in in CHANGING:
        text = re.sub(pattern, stand_in, text)
    return re.sub(r"[ \t]+", " ", text).strip()


@pytest.mark.parametrize("broker", ["sqlite:///data/log.db", "memory://"])
def test_the_tour_answers_what_the_page_shows(tmp_path, broker):
    with serving(tmp_path, BROKER_URL=broker) as (url, _):
        for command, shown in steps():
            answered = subprocess.run(
                ["bash", "-c", command],
                env={"S": url, "SLUICE_URL": url, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
                capture_output=True,
                text=True,
                check=True,
            )
            expected = shown.replace('"broker":"sqlite"', f'"broker":"{broker.partition(":")[0]}"')
            assert steady(answered.stdout) == steady(expected), command
