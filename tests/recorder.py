"""A TLS port between a client and a host that keeps each HTTP request and its reply as they were sent."""

import http.client
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ipecs_mw.simulator.wire.certificate import Certificate, make_certificate

_FORWARDED = ("Authorization", "Content-Type")


@dataclass(frozen=True)
class Exchange:
    """One request and its reply, bodies read as JSON."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    authorization: str
    status: int
    reply: Any

    def as_case(self) -> dict[str, Any]:
        """Return it as it stands in a case: what is empty left out, a token replaced."""
        sent = {"method": self.method, "path": self.path, "query": self.query, "body": self.body}
        request = {name: value for name, value in sent.items() if value not in (None, {})}
        reply = self.reply
        if isinstance(reply, dict) and "token" in reply:
            reply = {**reply, "token": "<token>"}
        return {
            "request": request,
            "reply": {"status": self.status, **({} if reply is None else {"body": reply})},
        }


@dataclass
class Recorder:
    """Where to connect to, the certificate that is shown there, and what went through."""

    port: int
    certificate: Certificate
    exchanges: list[Exchange] = field(default_factory=list)


@contextmanager
def recording(host_port: int) -> Iterator[Recorder]:
    """Record all requests to a host on the loopback; the host's own certificate is not looked at."""
    certificate = make_certificate(["127.0.0.1"], datetime.now(UTC))
    to_host = ssl.create_default_context()
    to_host.check_hostname = False
    to_host.verify_mode = ssl.CERT_NONE

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {
                name: self.headers[name] for name in ("Authorization", "Content-Type") if name in self.headers
            }
            connection = http.client.HTTPSConnection("127.0.0.1", host_port, timeout=10, context=to_host)
            with closing(connection):
                connection.request(self.command, self.path, body or None, headers)
                answer = connection.getresponse()
                reply = answer.read()
            parts = urlsplit(self.path)
            recorder.exchanges.append(
                Exchange(
                    self.command,
                    parts.path,
                    dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))),
                    json.loads(body) if body else None,
                    self.headers["Authorization"],
                    answer.status,
                    _read_reply(reply),
                )
            )
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        do_GET = do_POST = do_PUT = do_DELETE = forward  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_args: Any) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.load_into(context)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        recorder = Recorder(server.server_port, certificate)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            thread.join(10)


def _read_reply(body: bytes) -> Any:
    """Return a reply as JSON, as text where it is none, None where it is empty."""
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode()
