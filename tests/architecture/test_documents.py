"""Documents say what the code says: settings, routes, metrics, layers, folders."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from app.api.routes import Handlers, rights, routes
from app.door.scopes import Right
from app.settings import Settings
from app.telemetry.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]


class Anything:
    """Has every handler; none is called."""

    def __getattr__(self, name):
        async def handler(request):
            raise AssertionError(name)

        return handler


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_env_example_has_every_setting_with_its_default():
    written = dict(re.findall(r"^#([A-Z_]+)=(.*)$", text(".env.example"), re.MULTILINE))
    assert set(written) == {name.upper() for name in Settings.model_fields}
    defaults = Settings()
    for name, value in written.items():
        default = getattr(defaults, name.lower())
        default = default.get_secret_value() if hasattr(default, "get_secret_value") else default
        shown = "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
        assert value == shown, name


def test_the_readme_lists_every_route_and_no_other():
    table = {(route.method, route.path) for route in routes(Handlers(*[Anything()] * 7))}
    written = set(re.findall(r"^\| `(GET|POST|PUT|DELETE|PATCH) (/\S*)` \|", text("README.md"), re.MULTILINE))
    assert written == table


def test_every_route_asks_something_of_a_key_and_what_changes_streams_asks_most():
    table = routes(Handlers(*[Anything()] * 7))
    asked = rights(table)
    assert {(route.method, route.path) for route in table} <= set(asked)
    for (method, path), right in asked.items():
        if path.endswith(("/messages", "/messages/batch")) or (method, path) == ("POST", "/events"):
            assert right is (Right.PRODUCE if method == "POST" else Right.CONSUME)
        elif path.endswith(("/offsets", "/tail")):
            assert right is Right.CONSUME
        elif method in ("POST", "PATCH", "DELETE", "PUT"):
            assert right is Right.ADMIN
        else:
            assert right is (Right.SEE if "{stream}" in path else Right.ANY)


def test_every_metric_is_documented_and_every_documented_one_exists():
    exposed = {family.name for family in Metrics().registry.collect()}
    written = {
        re.sub(r"_total$", "", name) for name in re.findall(r"^\| `([a-z_]+)", text("docs/metrics.md"), re.MULTILINE)
    }
    assert written == exposed


def test_every_dependency_has_its_reason():
    project = tomllib.loads(text("pyproject.toml"))
    groups = {**project["dependency-groups"], **project["project"]["optional-dependencies"]}
    wanted = [*project["project"]["dependencies"], *(d for group in groups.values() for d in group)]
    names = {re.match(r"[a-z0-9-]+", dependency, re.IGNORECASE)[0] for dependency in wanted}
    written = set(re.findall(r"^\| `([a-z0-9-]+)`", text("docs/dependencies.md"), re.MULTILINE))
    assert written == names


def test_the_map_names_every_room():
    rooms = {
        path.relative_to(ROOT / "app").as_posix()
        for path in (ROOT / "app").rglob("*.py")
        if path.name != "__init__.py" and path.parent.name in ("app", "gateway", "api")
    }
    written = text("docs/architecture.md")
    assert [room for room in sorted(rooms) if Path(room).stem not in written] == []


def test_the_layers_hold():
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_the_kafka_of_the_tests_is_the_kafka_of_compose():
    from kafka_server import IMAGE  # noqa: PLC0415  # only this test needs it

    assert f"image: {IMAGE}" in text("docker-compose.yaml")
