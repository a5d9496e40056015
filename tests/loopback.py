"""A web server on this machine that serves real bytes, and fails as real ones do."""

import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Site:
    """files: path -> bytes. faults: what the next answers do instead, one each:

    ('drop', n): the connection ends after n bytes; ('stall', n): it falls silent after n bytes; ('status', code);
    ('to', address): a redirect; ('no range',): all of it, asked for or not; ('wrong range',): another piece;
    ('unsized',): no length is said; ('chunked',); ('more', content): this beyond the file, length not said.
    """

    files: dict[str, bytes]
    faults: list[tuple] = field(default_factory=list)
    pace: float = 0.0
    asked: list[tuple[str, str]] = field(default_factory=list)
    sent: int = 0
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def served(
    files: dict[str, bytes], *faults: tuple, pace: float = 0.0, certificate: Path | None = None
) -> Iterator[Site]:
    """The site while it is up. pace: seconds between pieces of 64 KiB. certificate: with its key, for https."""
    site = Site(files, list(faults), pace)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Bound", (_Answer,), {"site": site}))
    server.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    site.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield site
    finally:
        site.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Answer(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(OSError):  # who asked may not like the certificate, or be gone
            super().handle()

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.site.asked.append((self.path, asked))
        fault, *told = self.site.faults.pop(0) if self.site.faults else ("",)
        if fault == "to":
            self._head(302, 0, ("Location", str(told[0])))
        elif fault == "status" or self.path not in self.site.files:
            self._head(int(str(told[0])) if told else 404, 0)
        else:
            self._serve(fault, told, 0 if fault == "no range" else int(re.sub(r"\D", "", asked) or 0))

    def _serve(self, fault: str, told: list, start: int) -> None:
        content = self.site.files[self.path]
        if start > len(content) or (start and start == len(content)):
            self._head(416, 0, ("Content-Range", f"bytes */{len(content)}"))
            return
        claimed = max(0, start - 1) if fault == "wrong range" else start
        ranged = [("Content-Range", f"bytes {claimed}-{len(content) - 1}/{len(content)}")] if start else []
        unsized = fault in ("unsized", "more", "chunked")
        kind = [("Transfer-Encoding", "chunked")] if fault == "chunked" else []
        self._head(206 if start else 200, None if unsized else len(content) - start, *ranged, *kind)
        rest = content[start:] + (told[0] if fault == "more" else b"")
        until = told[0] if fault in ("drop", "stall") else len(rest)
        for at in range(0, until, 2**16):
            piece = rest[at : min(at + 2**16, until)]
            head, tail = (b"%x\r\n" % len(piece), b"\r\n") if fault == "chunked" else (b"", b"")
            try:
                self.wfile.write(head + piece + tail)
            except OSError:  # whoever asked is gone
                self.close_connection = True
                return
            self.site.sent += len(piece)
            time.sleep(self.site.pace)
        if fault == "chunked":
            self.wfile.write(b"0\r\n\r\n")
        if fault == "stall":
            self.site.over.wait(20)
        self.close_connection = True

    def _head(self, code: int, length: int | None, *headers: tuple[str, str]) -> None:
        self.send_response(code)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
