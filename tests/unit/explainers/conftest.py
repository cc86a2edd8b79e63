import urllib.request

import pytest


@pytest.fixture
def without_network(monkeypatch):
    """Whatever is asked for over HTTP is refused at once."""
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    # urlopen keeps the proxies that there were when it was called first: neither earlier ones here, nor these later on.
    urllib.request.install_opener(None)
    yield
    urllib.request.install_opener(None)
