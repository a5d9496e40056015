"""A hub on this machine: the few endpoints that putting a model file there and getting it back need, over HTTP."""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Hub:
    """repos: OWNER/NAME -> its commits in order, each (name, {path: bytes}). large: files held by their SHA-256.

    altered: what is sent in a file's place, headers unchanged. refuse: paths below which this status is answered.
    headed: whether answers name their commit. asked: method, path, headers.
    """

    repos: dict[str, list[tuple[str, dict[str, bytes]]]] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    altered: bytes | None = None
    refuse: dict[str, int] = field(default_factory=dict)
    headed: bool = True
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def commit(self, repo: str, files: dict[str, bytes]) -> str:
        """Puts files there, as whoever owns the repository would."""
        commits = self.repos.setdefault(repo, [])
        name = hashlib.sha1(f"{repo} {len(commits)}".encode(), usedforsecurity=False).hexdigest()
        commits.append((name, (commits[-1][1] if commits else {}) | files))
        return name

    def at(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        commits = self.repos.get(repo) or []
        if revision == "main" and commits:
            return commits[-1]
        return next((one for one in commits if one[0] == revision), None)

    def paths(self) -> list[str]:
        return [f"{method} {path}" for method, path, _ in self.asked]


@contextmanager
def hub_here() -> Iterator[Hub]:
    """The hub while it is up."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("_Bound", (_Answer,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Answer(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def handle(self) -> None:
        with suppress(OSError):  # who asked is gone
            super().handle()

    def do_HEAD(self) -> None:
        self.file()

    def do_GET(self) -> None:
        self.file()

    def do_PUT(self) -> None:
        content = self.body()
        self.hub.large[self.path.removeprefix("/large/")] = content
        self.answer(200, b"")

    def do_POST(self) -> None:
        content = self.body()
        if any(self.path.startswith(below) for below in self.hub.refuse):
            self.answer(404, b"")
        elif self.path == "/api/repos/create":
            told = json.loads(content)
            repo = f"{told['organization']}/{told['name']}"
            self.hub.repos.setdefault(repo, [])
            self.hub.private[repo] = told.get("visibility") == "private" or told.get("private") is True
            self.told({"url": f"{self.hub.url}/{repo}", "name": repo})
        elif self.path == "/api/validate-yaml":
            self.told({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            modes = {True: "lfs", False: "regular"}
            files = [file["path"] for file in json.loads(content)["files"]]
            self.told(
                {
                    "files": [
                        {"path": path, "uploadMode": modes[path.endswith(".safetensors")], "shouldIgnore": False}
                        for path in files
                    ]
                }
            )
        elif self.path.endswith("/info/lfs/objects/batch"):
            objects = json.loads(content)["objects"]
            actions = [{"upload": {"href": f"{self.hub.url}/large/{one['oid']}"}} for one in objects]
            self.told(
                {"transfer": "basic", "objects": [o | {"actions": a} for o, a in zip(objects, actions, strict=True)]}
            )
        elif match := re.fullmatch("/api/models/(.+)/commit/main", self.path):
            self.committed(match[1], [json.loads(line) for line in content.splitlines()])
        else:
            self.answer(404, b"")

    def committed(self, repo: str, lines: list[dict]) -> None:
        files: dict[str, bytes] = {}
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
        name = self.hub.commit(repo, files)
        url = f"{self.hub.url}/{repo}/commit/{name}"
        self.told({"commitUrl": url, "commitOid": name, "pullRequestUrl": None})

    def file(self) -> None:
        self.body()
        match = re.fullmatch("/(.+/.+)/resolve/([^/]+)/([^/]+)", self.path)
        held = self.hub.at(match[1], match[2]) if match else None
        if match is None or held is None:
            self.answer(404, b"", ("X-Error-Code", "RepoNotFound"))
        elif match[3] not in held[1]:
            self.answer(404, b"", ("X-Error-Code", "EntryNotFound"))
        else:
            content = held[1][match[3]]
            commit = [("X-Repo-Commit", held[0])] if self.hub.headed else []
            etag = ("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.answer(200, self.hub.altered or content, etag, *commit)

    def body(self) -> bytes:
        self.hub.asked.append((self.command, self.path, dict(self.headers.items())))
        if self.headers.get("Transfer-Encoding") == "chunked":
            content = b""
            while size := int(self.rfile.readline(), 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return content
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def told(self, answer: dict) -> None:
        self.answer(200, json.dumps(answer).encode(), ("Content-Type", "application/json"))

    def answer(self, code: int, content: bytes, *headers: tuple[str, str]) -> None:
        code = next((status for below, status in self.hub.refuse.items() if self.path.startswith(below)), code)
        self.send_response(code)
        for name, value in (*headers, ("Content-Length", str(len(content))), ("Connection", "close")):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        self.close_connection = True
