"""One window of the Chromium inside PyQt 5 or 6: reads a line of JSON, does it, and writes a line of JSON.

Run by Debian's own Python, which has Debian's PyQt and nothing of ours: `python3 qt_window.py 5|6`.
"""

import json
import os
import sys

if sys.argv[1] == "5":
    from PyQt5.QtCore import QBuffer, QEventLoop, QIODevice, QPoint, Qt, QTimer, QUrl
    from PyQt5.QtTest import QTest
    from PyQt5.QtWebEngineWidgets import QWebEnginePage, QWebEngineProfile, QWebEngineView
    from PyQt5.QtWidgets import QApplication
else:
    from PyQt6.QtCore import QBuffer, QEventLoop, QIODevice, QPoint, Qt, QTimer, QUrl
    from PyQt6.QtTest import QTest
    from PyQt6.QtWebEngineCore import QWebEnginePage, QWebEngineProfile
    from PyQt6.QtWebEngineWidgets import QWebEngineView
    from PyQt6.QtWidgets import QApplication

PATIENCE_MS = 60_000
KEYS = {"Enter": Qt.Key.Key_Return, "Tab": Qt.Key.Key_Tab, "Escape": Qt.Key.Key_Escape}


class Page(QWebEnginePage):
    def javaScriptConsoleMessage(self, level, message, line, source):
        print(message, source, line, file=sys.stderr, flush=True)


class Window:
    def __init__(self):
        self.profile = QWebEngineProfile()
        self.page = Page(self.profile)
        self.view = QWebEngineView()
        self.view.setPage(self.page)
        self.view.resize(1200, 800)
        self.view.show()
        self.view.activateWindow()
        self.view.setFocus()

    def waited(self, begin):
        """What `begin(done)` hands to `done`."""
        loop, results = QEventLoop(), []

        def done(value=None):
            results.append(value)
            loop.quit()

        begin(done)
        if not results:
            QTimer.singleShot(PATIENCE_MS, loop.quit)
            loop.exec() if hasattr(loop, "exec") else loop.exec_()
        if not results:
            raise TimeoutError
        return results[0]

    def pause(self, milliseconds):
        self.waited(lambda done: QTimer.singleShot(milliseconds, done))

    def open(self, url):
        def begin(done):
            self.page.loadFinished.connect(done)
            self.view.load(QUrl(url))

        self.waited(begin)
        self.page.loadFinished.disconnect()

    def js(self, expression):
        # As text: what Qt makes of numbers and of nothing is not what JSON does.
        text = self.waited(lambda done: self.page.runJavaScript(f"JSON.stringify([{expression}])", done))
        if not text:
            raise ValueError(f"threw: {expression}")
        return json.loads(text)[0]

    def click(self, x, y):
        QTest.mouseClick(self.view.focusProxy(), Qt.MouseButton.LeftButton, pos=QPoint(round(x), round(y)))

    def press(self, key):
        QTest.keyClick(self.view.focusProxy(), KEYS.get(key) or key)

    def resize(self, width, height):
        self.view.resize(width, height)
        self.pause(100)

    def picture(self):
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        self.view.grab().save(buffer, "PNG")
        return bytes(buffer.data().toBase64()).decode()


def main():
    application = QApplication(sys.argv[:1])
    window = Window()
    for line in sys.stdin:
        what, *values = json.loads(line)
        try:
            reply = {"value": getattr(window, what)(*values)}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)
    del application
    os._exit(0)


main()
