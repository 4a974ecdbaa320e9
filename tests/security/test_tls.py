"""TLS with a certificate authority of one's own: whom we talk to, and who may talk to us. Needs a server with TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from taskq import AsyncTaskQueue, Task, TaskQueue, TaskWorker
from taskq.errors import UntrustedServer
from tests.cli.conftest import Run
from tests.servers import HOST, ServerProcess, free_port, local_binary

DAY = timedelta(days=1)


class Authority:
    """A certificate authority in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        self._certificate = (
            self._builder(self._subject, self._key, now - DAY, now + DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, begin: datetime, end: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
        )

    def issue(self, name: str, *hosts: str, expired: bool = False) -> tuple[Path, Path]:
        """Return the files of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        end = datetime.now(UTC) + (-DAY if expired else DAY)
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, end - 2 * DAY, end)
        if hosts:
            names = [x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host) for host in hosts]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate, secret = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        certificate.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, secret


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "ours")


def _speaks_tls(binary: Path) -> bool:
    linked = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False).stdout
    return "libssl" in linked


@contextlib.contextmanager
def tls_server(folder: Path, authority: Authority, files: tuple[Path, Path], *, clients: bool) -> Iterator[int]:
    """Yield the port of a server with a certificate; ``clients``: whether it wants one from them too."""
    binary = local_binary("redis")
    if binary is None or not _speaks_tls(binary):
        pytest.skip("no redis-server with TLS on this machine")
    port = free_port()
    lines = [
        f"tls-port {port}", f"tls-cert-file {files[0]}", f"tls-key-file {files[1]}",
        f"tls-ca-cert-file {authority.path}", f"tls-auth-clients {'yes' if clients else 'no'}",
    ]  # fmt: skip
    with ServerProcess(binary, folder, lines):
        yield port


@pytest.fixture(scope="module")
def port(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server whose certificate is good for 127.0.0.1."""
    with tls_server(tmp_path_factory.mktemp("tls"), authority, authority.issue("good", HOST), clients=False) as port:
        yield port


def refusal(url: str) -> str:
    """Return how both clients refuse to talk to a server."""
    with TaskQueue(url) as queue, pytest.raises(UntrustedServer) as raised:
        queue.submit_task(Task())

    async def submit() -> str:
        async with AsyncTaskQueue(url) as queue:
            with pytest.raises(UntrustedServer) as raised:
                await queue.submit_task(Task())
            return str(raised.value)

    assert asyncio.run(submit()) == str(raised.value)
    return str(raised.value)


def test_a_server_of_our_authority_is_trusted(authority: Authority, port: int) -> None:
    url = f"rediss://{HOST}:{port}/0?ssl_ca_certs={authority.path}"
    with TaskQueue(url, prefix="trusted") as queue:
        task_id = queue.submit_task(Task(task_type="echo", payload=1))
        worker = TaskWorker(queue)
        worker.register_handler("echo", lambda task: task.payload)
        assert worker.run_until_empty() == 1
        assert queue.wait_for_result(task_id, 5)["result"] == 1

    async def look() -> str:
        async with AsyncTaskQueue(url, prefix="trusted") as queue:
            return str((await queue.get_task_status(task_id))["status"])

    assert asyncio.run(look()) == "completed"


def test_an_authority_that_nobody_knows(port: int, authority: Authority, tmp_path: Path) -> None:
    assert "add ?ssl_ca_certs=/path/ca.pem" in refusal(f"rediss://{HOST}:{port}/0").lower()
    other = Authority(tmp_path, "other")
    assert "certificate" in refusal(f"rediss://{HOST}:{port}/0?ssl_ca_certs={other.path}")


def test_a_certificate_of_another_host(authority: Authority, port: int) -> None:
    message = refusal(f"rediss://localhost:{port}/0?ssl_ca_certs={authority.path}")
    assert "not valid for 'localhost'" in message
    assert "the host in the URL has to stand in the certificate" in message


def test_a_certificate_that_has_expired(authority: Authority, tmp_path: Path) -> None:
    with tls_server(tmp_path / "old", authority, authority.issue("old", HOST, expired=True), clients=False) as port:
        assert "certificate has expired" in refusal(f"rediss://{HOST}:{port}/0?ssl_ca_certs={authority.path}")


def test_what_answers_without_tls() -> None:
    """A Redis would wait for the end of the line and time out; other programs say something."""
    with socket.create_server((HOST, 0)) as listener:

        def answer() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"-ERR what?\r\n")
                    connection.recv(4096)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        assert "what answers there speaks no tls" in refusal(f"rediss://{HOST}:{listener.getsockname()[1]}/0").lower()
        thread.join(10)


def test_a_client_shows_its_certificate(authority: Authority, tmp_path: Path) -> None:
    files = authority.issue("both", HOST)
    with tls_server(tmp_path / "both", authority, files, clients=True) as port:
        url = f"rediss://{HOST}:{port}/0?ssl_ca_certs={authority.path}"
        assert "wants a certificate of the client" in refusal(url).lower()
        certificate, key = authority.issue("client")
        with TaskQueue(f"{url}&ssl_certfile={certificate}&ssl_keyfile={key}") as queue:
            queue.submit_task(Task())
        stranger, its_key = Authority(tmp_path, "strangers").issue("stranger")
        assert "does not" in refusal(f"{url}&ssl_certfile={stranger}&ssl_keyfile={its_key}")


def test_the_command_line_says_it_at_once(authority: Authority, port: int, run: Run) -> None:
    done = run("stats", env={"TASKQ_REDIS_URL": f"rediss://user:s3cret@{HOST}:{port}/0"})
    assert done.exit_code == 3
    assert "no trusted connection to rediss://user:***@" in done.stderr
    assert "s3cret" not in done.output


def test_old_protocols_are_not_spoken(authority: Authority, port: int) -> None:
    """What Python's own defaults promise, and nothing here lowers."""
    with TaskQueue(f"rediss://{HOST}:{port}/0?ssl_ca_certs={authority.path}") as queue, queue.transport.line() as line:
        sock = line.wire()._sock
        assert isinstance(sock, ssl.SSLSocket)
        assert sock.version() in ("TLSv1.2", "TLSv1.3")
        assert sock.context.verify_mode is ssl.CERT_REQUIRED
        assert sock.context.check_hostname
