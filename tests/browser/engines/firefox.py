"""Firefox, driven by Marionette, which is built into it."""

import base64
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests import requirements

PATIENCE_SECONDS = 60
KEYS = {"Enter": "\ue007", "Tab": "\ue004", "Escape": "\ue00c"}
PREFERENCES = {
    "marionette.port": 0,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "security.sandbox.content.level": 0,
}


class Firefox:
    def __init__(self) -> None:
        path = os.environ.get("TEST_FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")
        if not path:
            requirements.missing("no Firefox", "Install Debian's firefox-esr, or set TEST_FIREFOX.")
        from marionette_driver.marionette import Marionette

        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._profile = Path(tempfile.mkdtemp(prefix="quorum-firefox-"))
        lines = [
            f'user_pref("{name}", {str(value).lower()});'
            for name, value in {**PREFERENCES, "marionette.port": port}.items()
        ]
        (self._profile / "user.js").write_text("\n".join(lines))
        command = [path, "--headless", "--marionette", "--remote-allow-system-access", "--no-remote"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen([*command, "--profile", str(self._profile)], **quiet)
        self._marionette = Marionette(host="127.0.0.1", port=port, socket_timeout=2 * PATIENCE_SECONDS)
        for _ in range(300):
            try:
                self._marionette.start_session({"acceptInsecureCerts": True})
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise TimeoutError("Firefox does not answer")
        self._marionette.timeout.page_load = PATIENCE_SECONDS

    def open(self, url: str) -> None:
        self._marionette.switch_to_frame()
        self._marionette.navigate(url)

    def js(self, expression: str) -> Any:
        return self._marionette.execute_script(f"return ({expression})", sandbox=None)

    def click(self, selector: str) -> None:
        self._marionette.find_element("css selector", selector).click()

    def press(self, key: str) -> None:
        keys = self._marionette.actions.sequence("key", "keyboard")
        keys.key_down(KEYS.get(key, key)).key_up(KEYS.get(key, key)).perform()

    def resize(self, width: int, height: int) -> None:
        wider, higher = self.js("[outerWidth - innerWidth, outerHeight - innerHeight]")
        self._marionette.set_window_rect(width=width + wider, height=height + higher)

    def into_frame(self) -> None:
        self._marionette.switch_to_frame()
        self._marionette.switch_to_frame(self._marionette.find_element("css selector", "iframe"))

    def picture(self) -> bytes:
        return base64.b64decode(self._marionette.screenshot(full=False))

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._profile, ignore_errors=True)
