"""The one seam between what can go wrong on the wire and what callers see."""

from __future__ import annotations

import redis.exceptions as redis_errors

from taskq.errors import AccessDenied, ServerError, ServerFull, ServerUnavailable, TaskqError, UnsupportedServer
from taskq.transport.certificates import untrusted


class ReplyError(Exception):
    """An error reply of the server; the text begins with its code."""

    @property
    def code(self) -> str:
        """The first word: ``NOSCRIPT``, ``READONLY``, ..."""
        return str(self).partition(" ")[0]

    @property
    def passing(self) -> bool:
        """Whether the same command can succeed later, perhaps at another address."""
        return self.code in _PASSING


class Unsure(Exception):
    """Nobody knows whether the server has run the command: repeat it with the same arguments.

    Attributes:
        reconnect: whether the connection is of no more use, or leads to a server that is not the primary any more.
        moved_to: where a node of a cluster says that the call belongs.
    """

    def __init__(self, message: str, *, reconnect: bool = True, moved_to: tuple[str, int] | None = None) -> None:
        super().__init__(message)
        self.reconnect = reconnect
        self.moved_to = moved_to


# The server is there, but not ready or not in charge: the same call succeeds later, perhaps at another address (True).
# While a slot migrates, its namespace stands still: a script that followed an ASK would find half of the keys.
_PASSING = {
    "LOADING": True,
    "MASTERDOWN": True,
    "READONLY": True,
    "MOVED": True,
    "ASK": False,
    "CLUSTERDOWN": True,
    "TRYAGAIN": False,
    "BUSY": False,
    "UNBLOCKED": True,
    "NOREPLICAS": True,
    "MISCONF": False,
}
# redis-py has a class for each of these and takes the code out of the text
_NAMED = (
    redis_errors.BusyLoadingError
    | redis_errors.ReadOnlyError
    | redis_errors.TryAgainError
    | redis_errors.ClusterDownError
    | redis_errors.AskError
)
_ACCESS = ("NOAUTH", "WRONGPASS", "NOPERM", "DENIED")
# how Redis, then Valkey, say it of a command inside a script
_ACCESS_IN_SCRIPT = ("user executing the script can't", "ACL failure in script")


def check(reply: object) -> None:
    """Raise what an error reply means; do nothing for any other reply.

    Raises:
        Unsure: if a later repetition can succeed.
        TaskqError: if it cannot.
    """
    if not isinstance(reply, ReplyError):
        return
    if reply.passing:
        raise Unsure(str(reply)[:300], reconnect=_PASSING[reply.code], moved_to=_moved_to(reply))
    raise explain(reply)


def _moved_to(reply: ReplyError) -> tuple[str, int] | None:
    """Return the address in ``MOVED <slot> <host>:<port>``; no host there means the one that answered."""
    words = str(reply).split()
    if reply.code != "MOVED" or len(words) < 3:
        return None
    host, _, port = words[2].rpartition(":")
    return (host, int(port)) if host not in ("", "?") and port.isdigit() else None


def explain(reply: ReplyError) -> TaskqError:
    """Return the typed error for a refusal that a repetition would not mend."""
    text = str(reply)[:500]
    if reply.code == "OOM":
        return ServerFull(
            "the server has reached its maxmemory and accepts no new task; tasks already queued go on. Let workers "
            f"catch up, shorten TASKQ_RESULT_TTL, or raise maxmemory ({text})"
        )
    if reply.code in _ACCESS or any(words in text for words in _ACCESS_IN_SCRIPT):
        return AccessDenied(
            f"the server refuses access: {text.rstrip('.')}. Put user and password into REDIS_URL "
            "(redis://user:password@host:6379/0), or have the server's administrator allow that user the command: "
            "`taskq acl` prints what each role needs"
        )
    if "compiling script" in text or "nrecognized flag" in text:
        return UnsupportedServer(f"the server is too old for taskq: it needs Redis 7.0 or Valkey 7.2 or newer ({text})")
    # the second one is said of one command inside a script with several keys
    if "do not hash to the same slot" in text or "access a non local key" in text or reply.code == "CROSSSLOT":
        return UnsupportedServer(
            "the server is a node of a cluster: write its address as redis+cluster://host:port,host:port, so that the "
            f"keys of a namespace get one hash tag and its slot is found ({text})"
        )
    if "cluster support disabled" in text:
        return UnsupportedServer(
            f"the server is no node of a cluster: write its address as redis://host:port/0 ({text})"
        )
    if reply.code == "WRONGTYPE" or "WRONGTYPE" in text:
        return ServerError(
            f"a key of the namespace holds a value of another type, so nothing was changed: {text}. Does something "
            "else write under this prefix? Set TASKQ_PREFIX to a name of your own"
        )
    return ServerError(f"the server refused the command: {text}")


def from_redis(error: Exception, address: str) -> Exception:
    """Return ``Unsure`` or a typed error for what redis-py raised while it connected."""
    text = str(error)
    if refusal := untrusted(error, address):
        return refusal
    if isinstance(error, redis_errors.AuthenticationError | redis_errors.AuthorizationError):
        return explain(ReplyError(text if text.startswith(_ACCESS) else f"WRONGPASS {text}"))
    if isinstance(error, redis_errors.NoPermissionError):  # redis-py takes the code out of the text
        return explain(ReplyError(text if text.startswith(_ACCESS) else f"NOPERM {text}"))
    if isinstance(error, redis_errors.InvalidResponse):
        return UnsupportedServer(
            f"what answers at {address} does not speak the protocol of Redis ({text[:200]}): look at host and port in "
            "REDIS_URL; a server that wants TLS has a rediss:// address"
        )
    if isinstance(error, redis_errors.ConnectionError | redis_errors.TimeoutError | _NAMED):
        return Unsure(text or type(error).__name__)
    if isinstance(error, redis_errors.ResponseError):
        reply = ReplyError(text)
        return Unsure(text) if reply.passing else explain(reply)
    return Unsure(f"{address}: {text}")


def unavailable(address: str, seconds: float | None, last: BaseException | None) -> ServerUnavailable:
    """Return the error that ends a call which could not be completed in its time."""
    within = f" within {seconds:g} s" if seconds is not None else ""
    return ServerUnavailable(
        f"no usable answer from {address}{within} ({last}). Is the server running and reachable from here? "
        "`taskq doctor` looks closer; set REDIS_URL to use another server. The call may be repeated safely"
    )
