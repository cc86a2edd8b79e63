"""docker-compose.yml is what Compose understands, and brings no password of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
COMPOSE = ROOT / "docker-compose.yml"
WANTED = {"web", "worker", "worker-gpu", "beat", "postgres", "redis", "storage"}


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load(COMPOSE.read_text())


def check(path: Path) -> subprocess.CompletedProcess:
    schema = ["--builtin-schema", "vendor.compose-spec"]
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, str(path)], capture_output=True, text=True
    )


def test_it_follows_the_compose_specification(tmp_path):
    done = check(COMPOSE)
    assert done.returncode == 0, done.stdout
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(COMPOSE.read_text().replace("healthcheck:", "health-check:"))
    assert check(wrong).returncode != 0


def test_every_service_is_there_and_says_whether_it_is_well(compose):
    assert set(compose["services"]) == WANTED | {"setup"}
    assert all("healthcheck" in compose["services"][name] for name in WANTED)


def test_no_secret_has_a_default(compose):
    text = COMPOSE.read_text()
    asked = re.findall(r"\$\{(\w*(?:SECRET|PASSWORD|KEY)\w*)(:\?|[^}]*)", text)
    assert {name for name, _ in asked} == {"SECRET_KEY", "POSTGRES_PASSWORD", "STORAGE_KEY", "STORAGE_SECRET"}
    assert {how for _, how in asked} == {":?"}


def test_every_variable_that_reaches_the_program_is_one_of_its_settings(compose):
    documented = set(re.findall(r"^\| `(\w+)", (ROOT / "docs/reference/settings.md").read_text(), re.MULTILINE))
    for name in ("web", "worker", "worker-gpu", "beat", "setup"):
        assert set(compose["services"][name]["environment"]) <= documented
