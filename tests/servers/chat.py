"""A real HTTP endpoint that speaks OpenAI's chat completions, answering from a script."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One scripted answer."""

    text: str = ""
    status: int = 200
    delay_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ChatEndpoint:
    """A running endpoint."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    script: list[Answer] = field(default_factory=list)  # what comes next; may be changed


@contextmanager
def running_chat_endpoint(answers: Sequence[Answer]) -> Iterator[ChatEndpoint]:
    """Answer on loopback.

    Args:
        answers: In order; the last one is given again and again.
    """
    script = list(answers)
    requests: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            requests.append(
                {"path": self.path, "key": self.headers.get("authorization"), **request}
            )
            answer = script.pop(0) if len(script) > 1 else script[0]
            time.sleep(answer.delay_s)
            if answer.status != 200:
                self._send(answer.status, "application/json", b'{"error": {"message": "no"}}')
                return
            half = len(answer.text) // 2
            events = [
                _chunk({"role": "assistant", "content": answer.text[:half]}, None),
                _chunk({"content": answer.text[half:]}, None),
                _chunk({}, "stop"),
                b"data: [DONE]\n\n",
            ]
            self._send(200, "text/event-stream", b"".join(events))

        def _send(self, status: int, kind: str, body: bytes) -> None:
            try:
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                pass  # who asked has given up waiting

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield ChatEndpoint(
            url=f"http://127.0.0.1:{server.server_port}/v1", requests=requests, script=script
        )
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _chunk(delta: dict[str, str], finish: str | None) -> bytes:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "scripted",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return f"data: {json.dumps(body)}\n\n".encode()
