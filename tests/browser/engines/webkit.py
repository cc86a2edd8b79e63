"""WebKit as GNOME ships it, driven by WebDriver; of what runs on Linux it is nearest to Safari."""

import os
import shutil
from glob import glob
from typing import Any

from tests import requirements

from .display import Display

BROWSERS = "/usr/lib/*/webkit2gtk-*/MiniBrowser"
PATIENCE_SECONDS = 60
KEYS = {"Enter": "\ue007", "Tab": "\ue004", "Escape": "\ue00c"}


class WebKit:
    def __init__(self) -> None:
        driver, browsers = shutil.which("WebKitWebDriver"), sorted(glob(BROWSERS))
        if not driver or not browsers:
            requirements.missing("no WebKit", "Install Debian's webkit2gtk-driver.")
        from selenium.webdriver import WebKitGTK
        from selenium.webdriver.webkitgtk.options import Options
        from selenium.webdriver.webkitgtk.service import Service

        self._display = Display()
        options = Options()
        options.binary_location = browsers[-1]
        options.add_argument("--automation")
        options.set_capability("acceptInsecureCerts", True)
        environment = {**os.environ, "DISPLAY": self._display.name}
        environment |= {"WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1", "NO_AT_BRIDGE": "1"}
        self._driver = WebKitGTK(options=options, service=Service(executable_path=driver, env=environment))
        self._driver.set_page_load_timeout(PATIENCE_SECONDS)
        # A driver that no longer answers ends the test, not the patience of whoever waits for it.
        self._driver.command_executor.set_timeout(2 * PATIENCE_SECONDS)

    def open(self, url: str) -> None:
        self._driver.switch_to.default_content()
        self._driver.get(url)

    def js(self, expression: str) -> Any:
        return self._driver.execute_script(f"return ({expression})")

    def click(self, selector: str) -> None:
        self._driver.find_element("css selector", selector).click()

    def press(self, key: str) -> None:
        from selenium.webdriver import ActionChains

        ActionChains(self._driver).send_keys(KEYS.get(key, key)).perform()

    def resize(self, width: int, height: int) -> None:
        wider, higher = self.js("[outerWidth - innerWidth, outerHeight - innerHeight]")
        self._driver.set_window_size(width + wider, height + higher)

    def into_frame(self) -> None:
        self._driver.switch_to.default_content()
        self._driver.switch_to.frame(self._driver.find_element("css selector", "iframe"))

    def picture(self) -> bytes:
        return self._driver.get_screenshot_as_png()

    def close(self) -> None:
        self._driver.quit()
        self._display.close()
