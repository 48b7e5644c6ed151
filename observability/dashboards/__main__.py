"""Write the dashboards as Grafana reads them: `python -m observability.dashboards`."""

import json
from pathlib import Path

from observability.dashboards.broker import broker
from observability.dashboards.events import events
from observability.dashboards.keys import keys
from observability.dashboards.messages import messages
from observability.dashboards.overview import overview

DASHBOARDS = (overview, messages, broker, events, keys)
FOLDER = Path(__file__).resolve().parent.parent / "grafana" / "dashboards"


def rendered() -> dict[str, str]:
    """The text of each file, by its name."""
    made = [dashboard() for dashboard in DASHBOARDS]
    return {f"{each['uid']}.json": json.dumps(each, indent=2) + "\n" for each in made}


if __name__ == "__main__":
    for name, text in rendered().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
