"""A certificate with its key, as it is on a disk or on the wire."""

import hashlib
import socket
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key


@dataclass(frozen=True)
class Pair:
    """The texts in PEM."""

    chain: str
    key: str

    @property
    def leaf(self) -> x509.Certificate:
        return x509.load_pem_x509_certificates(self.chain.encode())[0]

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.leaf.public_bytes(Encoding.DER))

    @property
    def ends(self) -> datetime:
        return self.leaf.not_valid_after_utc

    @property
    def belongs(self) -> bool:
        """Whether the key is the certificate's own."""

        def of(key: object) -> bytes:
            return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]

        return of(load_pem_private_key(self.key.encode(), None).public_key()) == of(self.leaf.public_key())


def fingerprint(der: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(der).hexdigest()


def read_pair(folder: Path) -> Pair | None:
    """None where there is none, or a part of one."""
    try:
        return Pair((folder / "fullchain.pem").read_text("ascii"), (folder / "privkey.pem").read_text("ascii"))
    except (OSError, UnicodeDecodeError):
        return None


def shown_by(edge: tuple[str, int], host: str, seconds: float = 5) -> str | None:
    """The fingerprint of what the edge shows to a client of a host. Who signed it does not matter here. None where it cannot
    be asked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection(edge, seconds) as plain, context.wrap_socket(plain, server_hostname=host) as secure:
            shown = secure.getpeercert(binary_form=True)
            return fingerprint(shown) if shown else None
    except OSError:
        return None
