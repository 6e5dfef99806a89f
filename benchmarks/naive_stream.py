"""The plain alternative to `ipecs-mw serve`: a thread and a change stream for each client. Prints its port."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from pymongo import MongoClient


class Answer(BaseHTTPRequestHandler):
    """One client."""

    def do_GET(self) -> None:
        """Write every event as it is stored."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        with database["events"].watch([{"$match": {"operationType": "insert"}}]) as stream:
            self.wfile.write(b": begun\n\n")
            for change in stream:
                data = json.dumps(change["fullDocument"], default=str, separators=(",", ":"))
                self.wfile.write(f"data: {data}\n\n".encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """The server."""

    daemon_threads = True
    request_queue_size = 1024


database = MongoClient(sys.argv[1], maxPoolSize=None).get_default_database()
server = Server(("127.0.0.1", 0), Answer)
print(server.server_address[1], flush=True)
server.serve_forever()
