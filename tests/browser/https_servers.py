"""Sites over https, each with a certificate of its own making: the tests' server, and one that frames others."""

import datetime
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.core.servers.basehttp import ThreadedWSGIServer
from django.test.testcases import LiveServerThread
from pytest_django.live_server_helper import LiveServer


def certificate(folder: Path) -> ssl.SSLContext:
    """Self-signed; the browser is told to take it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


class _OverTls:
    """A server whose connections are wrapped; a bad handshake ends its own thread only."""

    tls: ssl.SSLContext

    def get_request(self):
        connection, address = super().get_request()
        return self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request, client_address) -> None:
        """A browser that first looks at the certificate hangs up and comes again."""
        if not isinstance(sys.exc_info()[1], ssl.SSLError):
            super().handle_error(request, client_address)


@contextmanager
def this_site(tls: ssl.SSLContext) -> Iterator[str]:
    """The application on the tests' database, as behind a proxy that speaks https: its address."""

    class Behind(_OverTls, ThreadedWSGIServer):
        def setup_environ(self) -> None:
            super().setup_environ()
            self.base_environ["HTTP_X_FORWARDED_PROTO"] = "https"

    Behind.tls = tls
    ordinary, LiveServerThread.server_class = LiveServerThread.server_class, Behind
    try:
        site = LiveServer("127.0.0.1")
    finally:
        LiveServerThread.server_class = ordinary
    try:
        yield site.url.replace("http://", "https://")
    finally:
        site.stop()


class _Framing(BaseHTTPRequestHandler):
    """Its one page frames the address in the query."""

    def do_GET(self) -> None:
        framed = escape(unquote(urlsplit(self.path).query))
        page = f'<!doctype html><title>Tasks</title><iframe src="{framed}" width="900" height="700"></iframe>'
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def framing_site(tls: ssl.SSLContext) -> Iterator[int]:
    """A site of somebody else's, under any name below localhost: its port."""

    class Server(_OverTls, ThreadingHTTPServer):
        daemon_threads = True

    Server.tls = tls
    server = Server(("127.0.0.1", 0), _Framing)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
