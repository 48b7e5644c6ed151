"""What a process that has its logs configured says on standard output: one JSON object a line, the libraries' too."""

import json
import re
import subprocess
import sys

SCRIPT = """
import logging
import sys
from types import MappingProxyType

from app.telemetry.logs import bind, bound, configure_logs, get_logger, serve_request, speak_for

configure_logs("warning,app.loud=info,app.loud.not=error,lib=info", sys.argv[1])
loud, other = get_logger("app.loud.here"), get_logger("app.other")
loud.info("told", n=1, headers=MappingProxyType({"X-API-Key": "canary"}))
loud.debug("left out")
other.info("left out")
get_logger("app.loud.not").warning("left out")
serve_request("r-1")
bind(trace_id="t-1")
first = bound()
other.warning("of a request", exc_info=None)
serve_request("r-2")
try:
    raise ValueError("a mistake")
except ValueError:
    loud.bind(work="w").exception("it failed")
logging.getLogger("lib.part").info("from a %s", "library")
logging.getLogger("unknown").info("left out")
speak_for(first)
loud.bind(token="canary").info("told later")
"""


def told(form: str) -> list[str]:
    ran = subprocess.run([sys.executable, "-c", SCRIPT, form], capture_output=True, text=True, check=True, timeout=60)
    return ran.stdout.splitlines()


def test_lines_are_json_with_module_level_time_and_request():
    lines = [json.loads(line) for line in told("json")]
    assert [line.pop("timestamp")[-1] for line in lines] == ["Z"] * 5
    of_first = {"request_id": "r-1", "trace_id": "t-1"}
    assert "ValueError: a mistake" in lines[2].pop("exception")
    assert lines == [
        {"module": "app.loud.here", "n": 1, "headers": {"X-API-Key": "[redacted]"}, "event": "told", "level": "info"},
        {"module": "app.other", "event": "of a request", "level": "warning"} | of_first,
        {"module": "app.loud.here", "work": "w", "event": "it failed", "level": "error", "request_id": "r-2"},
        {"module": "lib.part", "event": "from a library", "level": "info", "request_id": "r-2"},
        {"module": "app.loud.here", "token": "[redacted]", "event": "told later", "level": "info"} | of_first,
    ]


def test_on_a_terminal_they_are_for_people():
    lines = re.sub(r"\x1b\[\d+m", "", "\n".join(told("console")))
    for wanted in ("told", "headers={'X-API-Key': '[redacted]'}", "request_id=r-1", "a mistake", "from a library"):
        assert wanted in lines
    assert "left out" not in lines
