"""A server that speaks the protocol of OpenAI-compatible models over real HTTP, and misbehaves when told to.

It answers with the words of the last message, backwards. What it is to do wrong stands in ``trouble``, one for each
request; ``requests`` has what it was asked.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-c4n4ry-0123456789"
USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


class ModelServer(ThreadingHTTPServer):
    """Listens on a free port until ``close``."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.trouble: deque[Any] = deque()
        self.requests: list[dict[str, Any]] = []
        self.released = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the client has gone away, as some tests want it to."""

    def close(self) -> None:
        self.released.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ModelServer

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append({"path": self.path, "headers": dict(self.headers), "body": body})
        trouble = self.server.trouble.popleft() if self.server.trouble else None
        if isinstance(trouble, tuple):
            self._refuse(*trouble)
        elif self.headers.get("Authorization") != f"Bearer {KEY}":
            message = f"Incorrect API key provided: {self.headers.get('Authorization', '')}"
            self._refuse(401, {}, json.dumps({"error": {"message": message, "code": "invalid_api_key"}}))
        elif self.path != "/v1/chat/completions":
            self._refuse(404, {}, json.dumps({"error": {"message": f"no route {self.path}"}}))
        elif trouble == "hang":
            self.server.released.wait(30)
        elif trouble == "plain" or not body.get("stream"):
            self._whole(body)
        else:
            self._stream(body, trouble)

    def _refuse(self, status: int, headers: dict[str, str], body: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def _words(self, body: dict[str, Any]) -> list[str]:
        return [f"{word} " for word in reversed(str(body["messages"][-1]["content"]).split())]

    def _whole(self, body: dict[str, Any]) -> None:
        message = {"role": "assistant", "content": "".join(self._words(body)).strip()}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        text = json.dumps({"id": "c1", "model": "tiny-1", "choices": [choice], "usage": USAGE})
        self._refuse(200, {"Content-Type": "application/json"}, text)

    def _chunk(self, data: str) -> None:
        raw = data.encode()
        self.wfile.write(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")
        self.wfile.flush()

    def _event(self, *, delta: dict[str, Any] | None = None, finish: str | None = None, **extra: Any) -> str:
        choices = [{"index": 0, "delta": delta or {}, "finish_reason": finish}]
        event = {"id": "c1", "object": "chat.completion.chunk", "model": "tiny-1", "choices": choices, "usage": None}
        return f"data: {json.dumps({**event, **extra})}\n\n"

    def _stream(self, body: dict[str, Any], trouble: Any) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._chunk(": keep-alive\n\n" + self._event(delta={"role": "assistant", "content": ""}))
        for number, word in enumerate(self._words(body)):
            event = self._event(delta={"content": word})
            # an event may arrive in parts, cut anywhere, and with either end of line
            self._chunk(event[:30])
            self._chunk(event[30:].replace("\n", "\r\n") if number % 2 else event[30:])
            if trouble == "pause" and number == 0:
                self.server.released.wait(30)
            elif trouble == "break":
                self.close_connection = True
                return self.wfile.flush()
            elif trouble is not None and trouble not in ("pause", "end"):
                self._chunk(trouble)
        if trouble != "end":
            self._chunk(self._event(finish="stop"))
            if body.get("stream_options", {}).get("include_usage"):
                self._chunk(self._event(choices=[], usage=USAGE))
            self._chunk("data: [DONE]\n\n")
        self._chunk("")
        return None
