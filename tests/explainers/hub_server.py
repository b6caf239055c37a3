"""A small hub of this process, on the loopback only: as much as the client needs to push and to fetch models."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

Files = dict[str, bytes]


@dataclass
class Hub:
    """What it holds, and how it misbehaves.

    commits: for each model its commits, oldest first: (hash, branch, files). tags: (model, tag) → hash. breaks: after
    how many bytes of a file's body each of the first answers ends. gated: models that it tells of, but does not give.
    token: what must be sent to push. requests: method, path and Range of each request that it got.
    """

    commits: dict[str, list[tuple[str, str, Files]]] = field(default_factory=dict)
    tags: dict[tuple[str, str], str] = field(default_factory=dict)
    breaks: dict[str, list[int]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    token: str | None = None
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)

    def commit(self, model: str, branch: str, changed: Files, deleted: set[str]) -> str:
        before = self.find(model, branch)
        files = {**(before[1] if before else {}), **changed}
        files = {name: content for name, content in files.items() if name not in deleted}
        number = f"{model} {branch} {len(self.commits[model])} {sorted(files)}"
        digest = hashlib.sha1(number.encode()).hexdigest()
        self.commits[model].append((digest, branch, files))
        return digest

    def find(self, model: str, revision: str) -> tuple[str, Files] | None:
        wanted = self.tags.get((model, revision), revision)
        for digest, branch, files in reversed(self.commits[model]):
            if wanted in (branch, digest):
                return digest, files
        return None

    def fetched(self, name: str) -> list[str | None]:
        """The Range of every request for the body of a file."""
        return [wanted for method, path, wanted in self.requests if method == "GET" and path.endswith(f"/{name}")]


def handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._get(body=False)

        def do_GET(self) -> None:
            self._get(body=True)

        def _get(self, body: bool) -> None:
            path = self._note()
            if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/([^/]+))?", path):
                found = self._found(match[1], match[2] or "main")
                if found:
                    self._json(
                        {"id": match[1], "sha": found[0], "siblings": [{"rfilename": name} for name in found[1]]}
                    )
            elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)/?", path):
                found = self._found(match[1], match[2])
                if found:
                    self._json([self._entry(*each) for each in found[1].items()])
            elif match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
                found = self._found(match[1], match[2], gate=True)
                if found and match[3] not in found[1]:
                    self._error(404, "EntryNotFound")
                elif found:
                    self._file(found[0], match[3], found[1][match[3]], body)
            else:
                self._error(404, "")

        def do_POST(self) -> None:
            path = self._note()
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if path == "/api/validate-yaml":
                self._json(self._validated(json.loads(sent)["content"]))
            elif hub.token is not None and self.headers.get("Authorization") != f"Bearer {hub.token}":
                self._error(401, "")
            elif path == "/api/repos/create":
                wanted = json.loads(sent)
                model = f"{wanted['organization']}/{wanted['name']}"
                known = model in hub.commits
                if not known:
                    hub.commits[model] = []
                    hub.commit(model, "main", {".gitattributes": b"*.safetensors filter=lfs\n"}, set())
                self._json({"url": f"http://{self.headers['Host']}/{model}", "id": model}, 409 if known else 200)
            elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/preupload/([^/]+)", path):
                files = [
                    {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for each in json.loads(sent)["files"]
                ]
                self._json({"files": files})
            elif match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/commit/([^/]+)", path):
                lines = [json.loads(line) for line in sent.splitlines()]
                changed = {
                    line["value"]["path"]: base64.b64decode(line["value"]["content"])
                    for line in lines
                    if line["key"] == "file"
                }
                deleted = {line["value"]["path"] for line in lines if line["key"] == "deletedFile"}
                digest = hub.commit(match[1], unquote(match[2]), changed, deleted)
                url = f"http://{self.headers['Host']}/{match[1]}/commit/{digest}"
                self._json({"commitUrl": url, "commitOid": digest, "hookOutput": ""})
            else:
                self._error(404, "")

        def _note(self) -> str:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((self.command, path, self.headers.get("Range")))
            return path

        def _found(self, model: str, revision: str, gate: bool = False) -> tuple[str, Files] | None:
            if model not in hub.commits:
                self._error(401, "RepoNotFound")
            elif gate and model in hub.gated:
                self._error(403, "GatedRepo")
            elif (found := hub.find(model, unquote(revision))) is None:
                self._error(404, "RevisionNotFound")
            else:
                return found
            return None

        def _entry(self, name: str, content: bytes) -> dict[str, Any]:
            return {"type": "file", "path": name, "size": len(content), "oid": _etag(content)}

        def _file(self, digest: str, name: str, content: bytes, body: bool) -> None:
            wanted = self.headers.get("Range")
            start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.send_header("ETag", f'"{_etag(content)}"')
            self.send_header("X-Repo-Commit", digest)
            self.end_headers()
            if body:
                end = len(content)
                if hub.breaks.get(name):
                    end = start + hub.breaks[name].pop(0)
                    self.close_connection = True
                self.wfile.write(content[start:end])

        def _validated(self, card: str) -> dict[str, list[Any]]:
            parts = card.split("---\n")
            good = card.startswith("---\n") and len(parts) > 2 and isinstance(yaml.safe_load(parts[1]), dict)
            return {"errors": [] if good else [{"message": "no metadata"}], "warnings": []}

        def _json(self, answer: Any, status: int = 200) -> None:
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def _error(self, status: int, code: str) -> None:
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Tests are quiet."""

    return Handler


@contextmanager
def serving(hub: Hub) -> Iterator[str]:
    """The hub's address, for as long as the block lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
    server.daemon_threads = True
    # Clients keep their connections; they are not waited for.
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _etag(content: bytes) -> str:
    # Git's own, because the client compares it with what it is about to push.
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
