"""The embedded server: a real Valkey or Redis in a data folder, one per folder, shared by all processes.

What keeps it to exactly one is a lock on ``server.lock``. The server inherits the descriptor of the lock, so
a held lock proves that the server (or the process about to start it) lives, and it falls with the last of
them, however that ends. No process id or address in a file is believed without it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from taskq.errors import AccessDenied, EmbeddedServerError, UnsupportedServer
from taskq.settings import Settings
from taskq.transport.probe import Probe, exchange, probe
from taskq.transport.server_binary import INSTALL_HINT, find_server_binary

__all__ = [
    "EmbeddedServer",
    "Probe",
    "ensure_server",
    "find_server_binary",
    "local_server_url",
    "probe",
    "server_status",
    "stop_server",
]

HOST = "127.0.0.1"
START_TIMEOUT_SECONDS = 20.0
STOP_TIMEOUT_SECONDS = 30.0
_POLL_SECONDS = 0.01
_REPLY_TIMEOUT_SECONDS = 1.0
_LOG_LINES_SHOWN = 6

# The program goes to the background by itself (`daemonize`), so that nobody has to wait for it as a child.
# `appendfsync everysec` syncs each second: a power cut loses about that, and kill -9 nothing unless the disk is so busy
# that a sync takes long; writes wait for it, for up to two seconds.
# The append-only file starts with plain commands, not with a snapshot (`aof-use-rdb-preamble no`): the snapshot
# formats of Valkey and Redis differ, and the folder must open with whichever of them is found next time.
_CONFIG = """\
port {port}
bind {host}
protected-mode yes
daemonize yes
dir .
pidfile server.pid
logfile server.log
appendonly yes
appendfsync everysec
aof-use-rdb-preamble no
save ""
maxmemory-policy noeviction
"""


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A running embedded server.

    Attributes:
        url: address for clients, such as ``redis://127.0.0.1:6379/0``.
        port: TCP port on 127.0.0.1.
        pid: process id of the server.
        data_dir: its own folder, with data, configuration and log.
        started: whether the call that returned this value started it.
        version: name and version, such as ``Valkey 9.1.2``.
        loading: whether it is still reading its data and refuses commands.
    """

    url: str
    port: int
    pid: int
    data_dir: Path
    started: bool
    version: str
    loading: bool


def local_server_url(settings: Settings) -> tuple[str, str | None]:
    """Return the address to use where no server is configured.

    A server that answers on localhost is used as it is. Where nothing listens, the embedded server is
    started, so that workers, schedulers, submitters and ``redis-cli`` meet at one address.

    Args:
        settings: ``embedded``, ``embedded_port``, ``data_dir`` and ``server_binary`` are used.

    Returns:
        The URL, and the line to show if a server was started; None if it ran already.

    Raises:
        AccessDenied: if the server there wants a password.
        UnsupportedServer: if what listens there does not answer as Redis does.
        EmbeddedServerError: if the embedded server is switched off or cannot be started.
    """
    port = settings.embedded_port
    url = _url(port)
    found = probe(HOST, port)
    if found is not Probe.NOTHING:
        _refuse_unusable(found, port)
        return url, None
    if not settings.embedded:
        raise EmbeddedServerError(
            f"no server is configured and nothing listens on {HOST}:{port}: set REDIS_URL=redis://host:6379/0, "
            "start a server there, or allow the embedded one with TASKQ_EMBEDDED=1"
        )
    try:
        server = ensure_server(settings.data_dir, port, binary=settings.server_binary)
    except EmbeddedServerError:
        # Somebody else was faster, with another data folder or a server of another kind: the same rule again.
        found = probe(HOST, port)
        if found is Probe.NOTHING:
            raise
        _refuse_unusable(found, port)
        return url, None
    return url, _announcement(server) if server.started else None


def _announcement(server: EmbeddedServer) -> str:
    return (
        f"taskq: started an embedded {server.version} on {HOST}:{server.port}, data in {server.data_dir} "
        "(stop it with: taskq server stop)"
    )


def _refuse_unusable(found: Probe, port: int) -> None:
    if found is Probe.PASSWORD:
        raise AccessDenied(
            f"the server on {HOST}:{port} wants a password: set REDIS_PASSWORD, or the whole "
            f"REDIS_URL=redis://:password@{HOST}:{port}/0, or give taskq a server of its own with TASKQ_EMBEDDED_PORT"
        )
    if found is Probe.FOREIGN:
        raise UnsupportedServer(
            f"something listens on {HOST}:{port}, but it does not answer PING as Redis does: set REDIS_URL to your "
            "server (rediss:// if it speaks TLS), or TASKQ_EMBEDDED_PORT to a free port"
        )


def _url(port: int) -> str:
    return f"redis://{HOST}:{port}/0"


def ensure_server(
    data_dir: Path,
    port: int = 6379,
    *,
    binary: Path | None = None,
    extra_config: Sequence[str] = (),
    timeout_seconds: float = START_TIMEOUT_SECONDS,
) -> EmbeddedServer:
    """Return the server of a data folder; start it if it does not run.

    Any number of processes may call this at once: one of them starts the server, all get the same one.
    It goes on when they end, and a Ctrl+C in their terminals does not reach it.

    Args:
        data_dir: folder of the embedded servers; each port has a sub-folder of its own.
        port: TCP port on 127.0.0.1.
        binary: program to run; by default the one of :func:`find_server_binary`.
        extra_config: further lines for its configuration file.
        timeout_seconds: longest wait for an answer; the time in which it loads its data does not count.

    Raises:
        EmbeddedServerError: if no server can be started there; the message has the end of its log.
    """
    folder = Path(data_dir).resolve() / str(port)
    with _readable_errors(folder):
        Path(data_dir).mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        while True:
            lock = _try_lock(folder)
            if lock is None:
                server = _await_answer(folder, port, timeout_seconds)
                if server is not None:
                    return server
                continue  # whoever held the lock has died
            log_start = _log_size(folder)
            try:
                _spawn(folder, _CONFIG.format(host=HOST, port=port) + "\n".join(extra_config), binary, lock)
            finally:
                os.close(lock)  # the server's own descriptor keeps the lock: if it dies, the lock is free
            server = _await_answer(folder, port, timeout_seconds)
            if server is None:
                raise EmbeddedServerError(_why_it_ended(folder, port, log_start))
            return replace(server, started=True)


def server_status(data_dir: Path, port: int = 6379) -> EmbeddedServer | None:
    """Return the running server of a data folder, or None if it does not run.

    Raises:
        EmbeddedServerError: if it runs, but does not answer.
    """
    folder = Path(data_dir).resolve() / str(port)
    with _readable_errors(folder):
        return _await_answer(folder, port, 2.0, accept_loading=True) if _is_locked(folder) else None


def stop_server(data_dir: Path, port: int = 6379, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> bool:
    """Stop the server of a data folder and wait until it has written its data and ended.

    Args:
        data_dir: folder of the embedded servers.
        port: its TCP port.
        timeout_seconds: longest wait.

    Returns:
        Whether there was a server to stop.

    Raises:
        EmbeddedServerError: if it does not answer or does not end in time.
    """
    folder = Path(data_dir).resolve() / str(port)
    deadline = time.monotonic() + timeout_seconds
    stopped_pid = None
    with _readable_errors(folder):
        if not _is_locked(folder):
            return False
        while time.monotonic() < deadline:
            server = _ask(folder, port)
            if server is not None and stopped_pid is None:
                # The pid comes from the server itself, over its socket: a stale pid file can never name a stranger.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(server.pid, signal.SIGTERM)
                stopped_pid = server.pid
            if not _is_locked(folder) or (server is not None and server.pid != stopped_pid):
                return True  # ended; a new one may run already
            time.sleep(_POLL_SECONDS)
    what = f"process {stopped_pid} was told to stop, but runs on" if stopped_pid else "it does not answer"
    raise EmbeddedServerError(
        f"the embedded server in {folder} did not stop within {timeout_seconds:g} s: {what}; "
        f"see {folder / 'server.log'}"
    )


def _await_answer(
    folder: Path, port: int, timeout_seconds: float, *, accept_loading: bool = False
) -> EmbeddedServer | None:
    """Wait until the server of the folder answers; None if nobody holds the lock any more."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        server = _ask(folder, port)
        if server is not None and (accept_loading or not server.loading):
            return server
        if server is not None:
            deadline = time.monotonic() + timeout_seconds
        elif not _is_locked(folder):
            return None
        time.sleep(_POLL_SECONDS)
    raise EmbeddedServerError(
        f"the embedded server in {folder} runs or is about to start, but does not answer on {HOST}:{port} within "
        f"{timeout_seconds:g} s: see {folder / 'server.log'}, or choose another port with TASKQ_EMBEDDED_PORT"
    )


def _ask(folder: Path, port: int) -> EmbeddedServer | None:
    """Return the server that answers on the port, if it is the one of this folder."""
    try:
        reply = exchange((HOST, port), b"INFO server persistence\r\n", _REPLY_TIMEOUT_SECONDS)
    except OSError:
        return None
    lines = (line.partition(":") for line in reply.decode(errors="replace").splitlines())
    info = {name: value for name, _, value in lines}
    try:
        ours = Path(info["config_file"]).samefile(folder / "server.conf")
    except (KeyError, OSError, ValueError):
        return None
    if not ours:
        return None
    version = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
    return EmbeddedServer(_url(port), port, int(info["process_id"]), folder, False, version, info["loading"] != "0")


def _spawn(folder: Path, config: str, binary: Path | None, lock: int) -> None:
    program, _ = find_server_binary(binary)
    config_path = folder / "server.conf"
    config_path.touch(mode=0o600)
    config_path.write_text(config + "\n")
    with (folder / "server.log").open("ab") as log:
        try:
            subprocess.run(
                [program, config_path],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A locale that the machine does not have stops some versions at the start.
                env={**os.environ, "LC_ALL": "C"},
                start_new_session=True,  # a Ctrl+C now must not end it on its way to the background
                pass_fds=(lock,),
                timeout=START_TIMEOUT_SECONDS,
                check=False,
            )
        except OSError as error:
            raise EmbeddedServerError(f"{program} cannot be run ({error.strerror}): {INSTALL_HINT}") from error
        except subprocess.TimeoutExpired as error:
            raise EmbeddedServerError(f"{program} did not go to the background; see {folder / 'server.log'}") from error


def _try_lock(folder: Path) -> int | None:
    """Return the descriptor of the lock if it was free."""
    descriptor = os.open(folder / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return descriptor


def _is_locked(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    lock = _try_lock(folder)
    if lock is None:
        return True
    os.close(lock)
    return False


@contextlib.contextmanager
def _readable_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EmbeddedServerError(
            f"cannot use the data folder {folder} ({error.strerror or error}): set TASKQ_DATA_DIR to a folder that you "
            "may write to, or REDIS_URL to a server that runs already"
        ) from error


def _log_size(folder: Path) -> int:
    log = folder / "server.log"
    return log.stat().st_size if log.exists() else 0


def _why_it_ended(folder: Path, port: int, log_start: int) -> str:
    log = folder / "server.log"
    lines = log.read_bytes()[log_start:].decode(errors="replace").splitlines()
    shown = "\n".join(f"  {line}" for line in lines[-_LOG_LINES_SHOWN:]) or "  (it wrote nothing)"
    advice = (
        f"the port is taken: stop what listens on {HOST}:{port}, or choose another port with TASKQ_EMBEDDED_PORT"
        if os.strerror(errno.EADDRINUSE) in shown
        else f"mend the reason, or move {folder} away to begin with an empty server"
    )
    return f"the embedded server in {folder} ended at its start; {advice}. The end of {log}:\n{shown}"
