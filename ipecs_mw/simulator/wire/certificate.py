"""The simulated PBX's self-signed certificate: made on the fly, kept where a folder is named."""

import datetime as dt
import hashlib
import ipaddress
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_FILE = "simulated-host.pem"


@dataclass(frozen=True)
class Certificate:
    """A certificate with its key: `pem` is the public half, `key_pem` the secret one."""

    pem: str
    key_pem: str

    @property
    def fingerprint_sha256(self) -> str:
        """SHA-256 of the DER form as lower-case hexadecimal digits, without colons."""
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.pem)).hexdigest()

    def load_into(self, context: ssl.SSLContext) -> None:
        """Have `context` present this certificate from its next handshake on."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / _FILE
            path.touch(0o600)
            path.write_text(self.key_pem + self.pem)
            context.load_cert_chain(path)


def make_certificate(names: Sequence[str], now: dt.datetime, *, days: int = 3650) -> Certificate:
    """Return a new certificate for host names and addresses; negative `days` makes one that has expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "iPECS simulated host")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=abs(days) + 1))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Certificate(
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
    )


def keep_certificate(folder: Path, names: Sequence[str], now: dt.datetime) -> Certificate:
    """Return the certificate kept in `folder`; make and keep one (mode 0600) where there is none."""
    path = folder / _FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = make_certificate(names, now)
        path.touch(0o600)
        path.write_text(made.key_pem + made.pem)
    key, begin, rest = path.read_text().partition("-----BEGIN CERTIFICATE-----")
    return Certificate(begin + rest, key)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
