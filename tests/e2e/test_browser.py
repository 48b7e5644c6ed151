"""A browser listens to a live feed, by what every browser has: EventSource, and a WebSocket."""

import contextlib
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateways import command, free_port, wait_ready
from samples import generic

BEFORE, AFTER = 3, 3

PAGE = """<!doctype html>
<script>
const url = "%s", count = %d, seen = [], heard = [];
const source = new EventSource(url + "/streams/sample-stream/topics/events/tail?partition_id=0&from=earliest");
const socket = new WebSocket(source.url.replace("http", "ws"));
socket.onmessage = frame => heard.push(JSON.parse(frame.data).id);
source.onmessage = event => {
  seen.push(JSON.parse(event.data).id);
  if (seen.length < count) return;
  source.close();
  const told = {event: {event_type: "told", payload: {type: "Generic", data: {seen, heard}}}, partition_id: 1};
  fetch(url + "/messages", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(told)});
};
</script>
"""


@pytest.fixture
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None and os.environ.get("REQUIRE_CHROMIUM") == "1":
        pytest.fail("REQUIRE_CHROMIUM=1, but there is none", pytrace=False)
    if found is None:
        pytest.skip("BROWSER TESTS ARE LEFT OUT: there is no chromium")
    return found


@contextlib.contextmanager
def gateway(folder: Path, port: int) -> Iterator[str]:
    process = command(folder, "serve", "--endpoint", f"127.0.0.1:{port}")
    try:
        wait_ready(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate(timeout=30)


@contextlib.contextmanager
def browsing(chromium: str, folder: Path, page: Path) -> Iterator[None]:
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0")
    with (folder / "chromium.log").open("wb") as log:
        process = subprocess.Popen(
            [chromium, *flags, f"--user-data-dir={folder}/profile", page.as_uri()], stdout=log, stderr=log
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def post(url: str, n: int) -> str:
    body = json.dumps({"event": generic(n), "partition_id": 0}).encode()
    request = urllib.request.Request(f"{url}/messages", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["event_id"]


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=40) as answer:
        return answer.read()


def test_a_browser_reads_the_feed_and_goes_on_by_itself_at_a_gateway_that_starts_again(tmp_path, chromium):
    port = free_port()
    page = tmp_path / "page.html"
    page.write_text(PAGE % (f"http://127.0.0.1:{port}", BEFORE + AFTER), encoding="utf-8")
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(contextlib.ExitStack())
        url = first.enter_context(gateway(tmp_path, port))
        sent = [post(url, n) for n in range(BEFORE)]
        stack.enter_context(browsing(chromium, tmp_path, page))
        listening = f'sluice_messages_tailed_total{{stream="sample-stream",topic="events"}} {2 * BEFORE}.0'
        until = time.monotonic() + 60
        while listening not in get(f"{url}/metrics").decode():
            assert time.monotonic() < until, "the browser did not come"
            time.sleep(0.2)
        first.close()
        stack.enter_context(gateway(tmp_path, port))
        sent += [post(url, n) for n in range(AFTER)]
        told = json.loads(get(f"{url}/messages?partition_id=1&offset=0&wait_ms=30000"))["messages"][0]["event"]
    assert told["payload"]["data"] == {"seen": sent, "heard": sent[:BEFORE]}
