"""A name server that a test has answer, refuse or be silent."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

CLUSTER = "cluster.example.test"
"""A cluster of one server on this machine."""
SERVER = "node.example.test"


class Names:
    """Knows the cluster and where its server is; `rcode` is what it answers instead, None says nothing at all."""

    def __init__(self, mongod_port: int) -> None:
        self.rcode: int | None = dns.rcode.NOERROR
        self.asked = 0
        self._mongod_port = mongod_port
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])

    def serve(self) -> None:
        while True:
            try:
                data, asker = self._socket.recvfrom(4096)
            except OSError:
                return
            self.asked += 1
            if self.rcode is not None and data:
                self._socket.sendto(self._answer(dns.message.from_wire(data)), asker)

    def close(self) -> None:
        self._socket.close()

    def _answer(self, question: dns.message.Message) -> bytes:
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        assert self.rcode is not None
        answer.set_rcode(dns.rcode.Rcode(self.rcode))
        asked = question.question[0]
        if self.rcode == dns.rcode.NOERROR and asked.rdtype == dns.rdatatype.SRV:
            found = f"0 0 {self._mongod_port} {SERVER}."
            answer.answer.append(dns.rrset.from_text(asked.name, 1, "IN", "SRV", found))
        return answer.to_wire()


@contextmanager
def name_server(mongod_port: int = 27017) -> Iterator[Names]:
    """Serve names until left."""
    names = Names(mongod_port)
    thread = threading.Thread(target=names.serve, daemon=True)
    thread.start()
    try:
        yield names
    finally:
        names.close()
