"""schemathesis drives the whole API from the document that the gateway serves: nothing it makes up gets a 5xx, and
every answer is one that the document declares. Live feeds are left out: they have no end.

By hand for ten minutes: `docs/evidence/schemathesis.txt` has the command."""

import os
import subprocess
import sys

from gateways import serving

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "use_after_free",
    "ensure_resource_availability",
)
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "20")
SECONDS = int(os.environ.get("SCHEMATHESIS_SECONDS", "100"))


def test_whatever_the_document_allows_gets_an_answer_that_it_declares(tmp_path):
    with serving(tmp_path, BROKER_URL="memory://") as (url, process):
        run = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json"),
                *("--checks", ",".join(CHECKS), "--max-examples", EXAMPLES, "--no-color"),
                *("--generation-deterministic", "--exclude-path", "/streams/{stream}/topics/{topic}/tail"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=SECONDS + 15,
            check=False,
        )
        print(run.stdout[-3000:])
        assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2000:]
        assert process.poll() is None
