"""The browsers that are named are those the code can do with: its features, MDN's facts and the page say the same."""

import importlib.util
import json
from pathlib import Path

import pytest

from studies.lib.client_browser import OLDEST

ROOT = Path(__file__).parents[3]
spec = importlib.util.spec_from_file_location("browser_features", ROOT / "docs" / "browser_features.py")
features = importlib.util.module_from_spec(spec)
spec.loader.exec_module(features)

USED = features.of_code()
SUPPORT = json.loads(features.SUPPORT.read_text(encoding="utf-8"))


def test_whatever_participants_pages_use_is_looked_up():
    assert set(USED) == set(SUPPORT), "python docs/browser_features.py --data, with a checkout of browser-compat-data"
    assert sum(versions is not None for versions in SUPPORT.values()) > 400


def test_what_the_oldest_browsers_lack_is_done_without():
    newer = {feature for feature, versions in SUPPORT.items() if features.newer_than(versions, OLDEST)}
    assert newer == set(features.FINERY)


def test_the_page_has_the_table_and_names_the_versions():
    text = features.PAGE.read_text(encoding="utf-8")
    assert features.page(text, features.table(USED, SUPPORT)) == text
    assert f"Safari {OLDEST['Safari']}, Chrome or Edge {OLDEST['Chrome']}, Firefox {OLDEST['Firefox']}" in text


@pytest.mark.parametrize(
    ("name", "text", "feature"),
    [
        (".js", "fetch('/', { signal: AbortSignal.timeout(1) })", "name AbortSignal.timeout"),
        (".js", "addEventListener('resize', fit, { signal })", "option addEventListener signal"),
        (".js", "const pressed = event.submitter", "name submitter"),
        (".js", "since ??= now", "syntax operators.nullish_coalescing_assignment"),
        (".js", "const most = 15_000", "syntax grammar.numeric_separators"),
        (".css", "body:has(.round) { gap: 1rem }", "selector has"),
        (".css", "body { gap: 1rem }", "property gap"),
        (".css", "@media (hover: hover) { img { aspect-ratio: 1 } }", "property aspect-ratio"),
        (".css", ":is(header, main) { width: clamp(1rem, 2svh, 3rem) }", "unit svh"),
        (
            ".html",
            '<picture>{% for one in all %}<source width="{{ one }}">{% endfor %}</picture>',
            "attribute source width",
        ),
    ],
)
def test_features_are_read_off_the_code(name, text, feature):
    read = {".js": features._of_script, ".css": features._of_style, ".html": features._of_markup}[name]
    assert feature in set(read(text))


def test_a_feature_is_as_old_as_the_oldest_interface_that_has_it_and_as_its_youngest_browser():
    since = {
        "safari": {"version_added": "15.4"},
        "chrome": [{"version_added": "≤81"}],
        "firefox": {"version_added": False},
    }
    data = {"api": {"A": {"call": {"__compat": {"support": since}}}}, "javascript": {"builtins": {}}}
    assert features.look_up("name call", data) == [15.4, 81, features.NEVER]
    data["api"]["B"] = {"call": {"__compat": {"support": {family: {"version_added": "1"} for family in since}}}}
    assert features.look_up("name call", data) == [1, 1, 1]
    assert features.look_up("name A.call", data) == [15.4, 81, features.NEVER]
    assert features.look_up("name nothing", data) is None
