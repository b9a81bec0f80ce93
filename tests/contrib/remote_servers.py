"""A small internet for tests: names, addresses, and servers on loopback that count who comes."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from images_app.contrib.remote.network import Network

Behaviour = Callable[["Exchange"], None]
PUBLIC = "93.184.215.14"
PUBLIC_V6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"


@dataclass
class Exchange:
    """One request, and the socket on which to answer it."""

    sock: socket.socket
    raw: bytes
    server: Server

    @property
    def path(self) -> str:
        return self.raw.split(b" ", 2)[1].decode()

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.decode("latin-1").split("\r\n")[1:]
        return {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if line)
        }

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)
        self.server.sent += len(data)

    def answer(self, status: str = "200 OK", body: bytes = b"", **headers: str) -> None:
        """Answer; underscores in names are hyphens. A header that is None is left out."""
        given: dict[str, Any] = {"Content_Length": str(len(body)), **headers}
        head = "".join(f"{k.replace('_', '-')}: {v}\r\n" for k, v in given.items() if v is not None)
        self.send(f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body)

    def wait(self, seconds: float) -> None:
        self.server.stopped.wait(seconds)


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server: Server = self.server
        server.connections += 1
        with contextlib.suppress(OSError):
            self.request.settimeout(10)
            if server.context:
                self.request = server.context.wrap_socket(self.request, server_side=True)
            raw = b""
            while b"\r\n\r\n" not in raw and (piece := self.request.recv(65536)):
                raw += piece
            if raw:
                exchange = Exchange(self.request, raw, server)
                server.requests.append(exchange)
                server.behave(exchange)
            self.request.close()


class Server(socketserver.ThreadingTCPServer):
    """Counts connections; answers by the Host header, if it answers at all."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.context = context
        self.connections = self.sent = 0
        self.requests: list[Exchange] = []
        self.behaviours: dict[str, Behaviour] = {}
        self.stopped = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    def behave(self, exchange: Exchange) -> None:
        host = exchange.headers.get("host", "").partition(":")[0]
        behaviour = self.behaviours.get(host)
        if behaviour:
            behaviour(exchange)
        else:
            exchange.answer("200 OK", b"secret", Content_Type="image/png")


@contextlib.contextmanager
def running(context: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve on a free port of loopback."""
    with Server(context) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.004})
        thread.start()
        try:
            yield server
        finally:
            server.stopped.set()
            server.shutdown()
            thread.join()


@dataclass
class Internet:
    """Public addresses lead to one server; all others to another, which nobody may reach."""

    public: Server
    internal: Server
    names: dict[str, Any] = field(default_factory=dict)  # to addresses, or what answers with them
    looked_up: list[str] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)
    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context

    def resolve(self, host: str) -> list[str]:
        self.looked_up.append(host)
        answer = self.names.get(host)
        if answer is None:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return list(answer() if callable(answer) else answer)

    def connect(self, address: str, port: int, seconds: float) -> socket.socket:
        self.connected.append((address, port))
        is_public = str(ipaddress.ip_address(address)) in {PUBLIC, PUBLIC_V6}
        server = self.public if is_public else self.internal
        return socket.create_connection(server.server_address[:2], seconds)

    @property
    def network(self) -> Network:
        return Network(resolve=self.resolve, connect=self.connect, tls=self.tls)


def make_authority(folder: Any, *names: str) -> tuple[str, ssl.SSLContext]:
    """Make a certificate authority and a server's certificate for some names.

    Returns:
        The path of the authority's certificate, and the server's context.

    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = dt.datetime.now(dt.UTC)

    def certificate(subject: str, key: Any, issuer: str, signer: Any, *extensions: Any) -> Any:
        def name(text: str) -> x509.Name:
            return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

        builder = x509.CertificateBuilder(
            issuer_name=name(issuer),
            subject_name=name(subject),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - dt.timedelta(days=1),
            not_valid_after=now + dt.timedelta(days=1),
        )
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, critical=is_critical)
        return builder.sign(signer, hashes.SHA256())

    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    identifier = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    usage = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    root = certificate(
        "tests",
        root_key,
        "tests",
        root_key,
        (x509.BasicConstraints(ca=True, path_length=0), True),
        (x509.KeyUsage(key_cert_sign=True, **usage), True),
        (identifier, False),
    )
    leaf = certificate(
        names[0],
        key,
        "tests",
        root_key,
        (x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False),
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(root.public_bytes(pem))
    (folder / "server.pem").write_bytes(
        leaf.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return str(folder / "ca.pem"), context
