"""What can go wrong on the wire, and what callers see of it."""

from __future__ import annotations

import pytest
import redis.exceptions as redis_errors

from taskq.errors import AccessDenied, ServerError, ServerFull, TaskqError, UnsupportedServer
from taskq.transport.failures import ReplyError, Unsure, check, explain, from_redis, unavailable

# what a server may answer when the same call can succeed later, and whether to look for another server then
PASSING = {
    "LOADING Redis is loading the dataset in memory": True,
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.": True,
    "READONLY You can't write against a read only replica.": True,
    "MOVED 3999 127.0.0.1:6381": True,
    "ASK 3999 127.0.0.1:6381": False,
    "CLUSTERDOWN Hash slot not served": True,
    "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)": True,
    "TRYAGAIN Multiple keys request during rehashing of slot": False,
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.": False,
    "NOREPLICAS Not enough good replicas to write.": True,
    "MISCONF Redis is configured to save RDB snapshots, but it is currently unable to persist to disk.": False,
}
FINAL = [
    ("OOM command not allowed when used memory > 'maxmemory'.", ServerFull, "TASKQ_RESULT_TTL"),
    ("NOAUTH Authentication required.", AccessDenied, "REDIS_URL"),
    ("WRONGPASS invalid username-password pair or user is disabled.", AccessDenied, "REDIS_URL"),
    ("NOPERM this user has no permissions to run the 'evalsha' command", AccessDenied, "allow that user the command"),
    ("DENIED Redis is running in protected mode", AccessDenied, "REDIS_URL"),
    ("WRONGTYPE Operation against a key holding the wrong kind of value", ServerError, "TASKQ_PREFIX"),
    ("ERR user_script:3: WRONGTYPE Operation against a key", ServerError, "TASKQ_PREFIX"),
    ("ERR Error compiling script (new function): user_script:1: unexpected symbol", UnsupportedServer, "Redis 7.0"),
    ("ERR Unrecognized flag in script", UnsupportedServer, "Redis 7.0"),
    ("ERR This instance has cluster support disabled", UnsupportedServer, "redis://"),
    ("ERR something else", ServerError, "refused the command: ERR something else"),
]


@pytest.mark.parametrize("reply", [None, 1, b"ERR", [], [b"x"]])
def test_an_answer_is_no_failure(reply: object) -> None:
    check(reply)


@pytest.mark.parametrize("text", PASSING)
def test_what_passes_is_repeated(text: str) -> None:
    with pytest.raises(Unsure) as caught:
        check(ReplyError(text))
    assert caught.value.reconnect is PASSING[text]


@pytest.mark.parametrize(("text", "kind", "hint"), FINAL)
def test_what_does_not_pass_is_explained(text: str, kind: type[TaskqError], hint: str) -> None:
    with pytest.raises(kind, match=hint) as caught:
        check(ReplyError(text))
    assert type(caught.value) is kind


def test_a_long_reply_is_cut() -> None:
    assert len(str(explain(ReplyError("ERR " + "x" * 10_000)))) < 600


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (redis_errors.ConnectionError("Error 111 connecting"), Unsure),
        (redis_errors.TimeoutError("Timeout connecting to server"), Unsure),
        (redis_errors.BusyLoadingError("Redis is loading"), Unsure),
        (redis_errors.ReadOnlyError("READONLY"), Unsure),
        (redis_errors.AuthenticationError("NOAUTH Authentication required."), AccessDenied),
        (redis_errors.AuthenticationError("invalid username-password pair"), AccessDenied),
        (redis_errors.ResponseError("DB index is out of range"), ServerError),
        (redis_errors.InvalidResponse("Protocol Error: b'HTTP/1.1 400'"), UnsupportedServer),
        (redis_errors.ReadOnlyError("You can't write against a read only replica."), Unsure),
        (redis_errors.MasterDownError("Link with MASTER is down"), Unsure),
        (redis_errors.TryAgainError("Multiple keys request during rehashing of slot"), Unsure),
        (redis_errors.MovedError("3999 127.0.0.1:6381"), Unsure),
    ],
)
def test_what_redis_py_raises_while_it_connects(error: Exception, kind: type[Exception]) -> None:
    assert isinstance(from_redis(error, "redis://h:1/0"), kind)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("MOVED 3999 127.0.0.1:6381", ("127.0.0.1", 6381)),
        ("MOVED 3999 ::1:6381", ("::1", 6381)),
        ("MOVED 3999 :6381", None),
        ("MOVED 3999 ?:6381", None),
        ("MOVED", None),
        ("READONLY You can't write against a read only replica.", None),
    ],
)
def test_where_a_slot_has_moved_to(text: str, address: tuple[str, int] | None) -> None:
    with pytest.raises(Unsure) as caught:
        check(ReplyError(text))
    assert caught.value.moved_to == address
    assert caught.value.reconnect


@pytest.mark.parametrize(("seconds", "words"), [(1.5, "within 1.5 s"), (None, "from redis://h:1/0 (")])
def test_the_end_of_patience(seconds: float | None, words: str) -> None:
    message = str(unavailable("redis://h:1/0", seconds, Unsure("refused")))
    assert words in message
    assert "(refused)" in message
