"""A relay between a program and a service, so that a test can take the service away without touching it."""

import socket
import threading
from contextlib import suppress


class Relay:
    """Listens on a port of its own and passes everything on, until it is cut."""

    def __init__(self, host: str, port: int):
        self._target = host, port
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._cut = False
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection, and every further one at once."""
        self._cut = True
        for pair in self._pairs:
            for end in pair:
                _close(end)
        self._pairs.clear()

    def mend(self) -> None:
        self._cut = False

    def close(self) -> None:
        self.cut()
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            if self._cut:
                _close(client)
                continue
            service = socket.create_connection(self._target)
            self._pairs.append((client, service))
            for source, target in ((client, service), (service, client)):
                threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    _close(source)
    _close(target)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
