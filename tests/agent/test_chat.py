"""``ChatModel`` against a server of the real protocol that streams, refuses, breaks off, hangs and talks nonsense."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskq import AgentExecutor, ChatModel, SettingsError, TaskQueue, TaskWorker
from taskq.agent.completion import retry_after_seconds
from tests.agent.model_server import KEY, USAGE, ModelServer
from tests.waiting import eventually
from tests.worker.background import Background


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with closing(ModelServer()) as server:
        yield server


@pytest.fixture
def ask(queue: TaskQueue, server: ModelServer) -> Callable[..., dict[str, Any]]:
    """Function that asks the model of the server, runs the attempts that are due, and returns the status dict."""

    def call(query: Any, *, attempts: int = 1, options: dict[str, Any] | None = None, **model: Any) -> dict[str, Any]:
        chosen = {"base_url": server.url, "api_key": KEY, **model}
        executor = AgentExecutor(ChatModel("tiny", **chosen), queue)
        task_id = executor.execute_async(query, retry_delay=0, **(options or {}))
        for _ in range(attempts):
            executor.worker(concurrency=2).run_until_empty()
        return {**queue.get_task_status(task_id), **(executor.get_task_result(task_id) or {})}

    return call


@pytest.mark.parametrize("stream", [True, False])
def test_it_answers_with_tokens_and_model(
    ask: Callable[..., dict[str, Any]], server: ModelServer, stream: bool
) -> None:
    found = ask("one two three", stream=stream, system="Be brief.", temperature=0)
    assert found["answer"].strip() == "three two one"
    assert found["duration"] > 0
    said = {name: value for name, value in found["result"].items() if name != "answer"}
    assert said == {"model": "tiny-1", "finish_reason": "stop", "usage": USAGE}
    (request,) = server.requests
    assert request["headers"]["Authorization"] == f"Bearer {KEY}"
    assert request["body"]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one two three"},
    ]
    assert (request["body"]["model"], request["body"]["temperature"]) == ("tiny", 0)
    assert request["body"].get("stream", False) is stream


def test_a_list_of_messages_is_sent_as_it_is(ask: Callable[..., dict[str, Any]], server: ModelServer) -> None:
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c d"},
    ]
    assert ask(messages)["answer"] == "d c "
    assert server.requests[0]["body"]["messages"] == messages


def test_what_is_no_question_is_refused(ask: Callable[..., dict[str, Any]]) -> None:
    assert "asked with text or a list of messages, not with a int" in ask(7)["error"]


def test_a_server_that_does_not_stream_is_understood(ask: Callable[..., dict[str, Any]], server: ModelServer) -> None:
    server.trouble.append("plain")
    assert ask("one two")["answer"] == "two one"


def test_parameters_can_be_taken_out(ask: Callable[..., dict[str, Any]], server: ModelServer) -> None:
    found = ask("one", stream_options=None)
    assert "stream_options" not in server.requests[0]["body"]
    assert (found["answer"], found["result"]["usage"]) == ("one ", None)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "low", "high"),
    [("7", 6, 7), ((datetime.now(UTC) + timedelta(hours=5)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 3590, 3600)],
)
def test_a_busy_server_is_asked_later(
    ask: Callable[..., dict[str, Any]],
    server: ModelServer,
    queue: TaskQueue,
    redis_client: Any,
    status: int,
    header: str,
    low: int,
    high: int,
) -> None:
    server.trouble.append((status, {"Retry-After": header}, '{"error": {"message": "slow down"}}'))
    found = ask("one")
    assert found["status"] == "retry"
    assert f"has answered {status}: slow down" in found["error"]
    ((_, due_ms),) = redis_client.zrange(f"{queue.settings.prefix}:scheduled", 0, -1, withscores=True)
    now_ms = datetime.now(UTC).timestamp() * 1000
    assert low - 5 <= (due_ms - now_ms) / 1000 <= high


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3),
        ("0.5", 0.5),
        ("-1", 0),
        ("1e9", 3600),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Mon, 01 Jan 2024 00:00:00 GMT", 0),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after_seconds({"retry-after": value}) == seconds


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ((500, {}, "oops"), "has answered 500: oops"),
        ("break", "RemoteProtocolError"),
        ("end", "the stream has ended before the answer"),
        ("data: {nonsense\n\n", "something that is not JSON"),
        ("data: [1]\n\n", "JSON of another form"),
        ('data: {"choices": [7]}\n\n', "JSON of another form"),
        ('data: {"choices": [{"delta": {"content": 7}}]}\n\n', "a choice whose content is a int"),
        ('data: {"error": {"message": "overloaded"}}\n\n', "an error: overloaded"),
        ("data: " + "x" * 1_100_000, "an event is longer than 1 MB"),
    ],
)
def test_what_goes_wrong_on_the_way_is_tried_again(
    ask: Callable[..., dict[str, Any]], server: ModelServer, trouble: Any, said: str
) -> None:
    server.trouble.append(trouble)
    found = ask("one two three", attempts=2)
    assert (found["status"], found["attempts"]) == ("completed", 2)
    assert found["answer"] == "three two one ", "nothing is left of the attempt that broke off"
    server.trouble.append(trouble)
    failed = ask("one two three", options={"max_retries": 0})
    assert said in failed["error"]


def test_bytes_that_are_no_text(ask: Callable[..., dict[str, Any]], server: ModelServer) -> None:
    server.trouble.append(
        (
            200,
            {"Content-Type": "text/event-stream"},
            "data: \ud800\n\n".encode("utf-8", "surrogatepass").decode("latin-1"),
        )
    )
    assert ask("one", options={"max_retries": 0})["status"] == "failed"


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ((400, {}, '{"error": {"message": "no such parameter"}}'), "has answered 400: no such parameter"),
        ((404, {}, '{"detail": "not found"}'), "(look at base_url and model)"),
        ((302, {"Location": "http://elsewhere/"}, ""), "has answered 302 (base_url leads elsewhere)"),
        ((422, {}, "<html>"), "has answered 422: <html>"),
    ],
)
def test_a_refusal_ends_the_task(
    ask: Callable[..., dict[str, Any]], server: ModelServer, trouble: Any, said: str
) -> None:
    server.trouble.append(trouble)
    found = ask("one", attempts=2)
    assert (found["status"], found["attempts"]) == ("failed", 1)
    assert said in found["error"]


def test_a_server_that_hangs_is_left(ask: Callable[..., dict[str, Any]], server: ModelServer) -> None:
    server.trouble += ["hang", "pause"]
    found = ask("one two", attempts=3, timeout=0.3)
    assert (found["status"], found["attempts"]) == ("completed", 3)
    server.trouble += ["hang"]
    assert "has been silent for 0.3 s" in ask("one", timeout=0.3, options={"max_retries": 0})["error"]


def test_nobody_there(ask: Callable[..., dict[str, Any]], server: ModelServer) -> None:
    found = ask("one", base_url="http://127.0.0.1:1/v1", options={"max_retries": 0})
    assert "http://127.0.0.1:1/v1: ConnectError" in found["error"]


def test_progress_shows_the_answer_as_it_comes_and_a_cancel_ends_it(
    queue: TaskQueue, server: ModelServer, started: Callable[[TaskWorker], Background]
) -> None:
    executor = AgentExecutor(ChatModel("tiny", base_url=server.url, api_key=KEY), queue)
    server.trouble.append("pause")
    task_id = executor.execute_async("one two three")
    started(executor.worker())

    def progress() -> Any:
        return executor.get_task_status(task_id)["progress"]

    assert eventually(progress, what="the first word") == {"text": "three ", "start": 0, "pieces": 1}
    assert executor.cancel_task(task_id) == "requested"
    assert executor.wait_for_result(task_id, 10)["status"] == "cancelled"


def test_a_session_is_sent_along(queue: TaskQueue, server: ModelServer) -> None:
    executor = AgentExecutor(ChatModel("tiny", base_url=server.url, api_key=KEY), queue)
    for query in ("a b", "c d"):
        executor.execute_async(query, session_id="talk")
        executor.worker().run_until_empty()
    assert server.requests[1]["body"]["messages"] == [
        {"role": "user", "content": "a b"},
        {"role": "assistant", "content": "b a "},
        {"role": "user", "content": "c d"},
    ]


def test_a_batch_of_questions(queue: TaskQueue, server: ModelServer) -> None:
    executor = AgentExecutor(ChatModel("tiny", base_url=server.url, api_key=KEY), queue)
    server.trouble.append((400, {}, "no"))
    task_id = executor.execute_batch(["a b", "c d", "e f"])
    executor.worker().run_until_empty()
    results = executor.wait_for_result(task_id, 10)["result"]
    assert (results["ok"], results["failed"]) == (2, 1)
    answers = {outcome["result"]["answer"] for outcome in results["results"] if outcome["ok"]}
    assert len(answers) == 2
    assert answers < {"b a ", "d c ", "f e "}


def test_the_key_is_seen_nowhere(
    ask: Callable[..., dict[str, Any]],
    server: ModelServer,
    queue: TaskQueue,
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrong = "sk-c4n4ry-that-is-wrong"
    with caplog.at_level(logging.DEBUG):
        server.trouble += [(500, {}, f"you sent {KEY}"), (400, {}, f"you sent {KEY}"), None]
        found = [ask("one", options={"max_retries": 0}) for _ in range(3)]
        found.append(ask("one", api_key=wrong))
        found.append(ask("one", base_url="http://127.0.0.1:1/v1", options={"max_retries": 0}))
    assert "(look at OPENAI_API_KEY or api_key)" in found[3]["error"]
    assert "you sent ***" in found[0]["error"]
    model = ChatModel("tiny", base_url=server.url, api_key=KEY)
    stored = queue.transport.run(queue.namespace.protocol.snapshot())
    seen = f"{found}{stored}{caplog.text}{model!r}{vars(model)}{vars(AgentExecutor(model, queue))}"
    assert "c4n4ry" not in seen
    assert any(request["headers"].get("Authorization") == f"Bearer {KEY}" for request in server.requests)


@pytest.mark.parametrize(
    "options",
    [
        {"base_url": "ftp://c4n4ry/v1"},
        {"base_url": "http://user:c4n4ry@host/v1"},
        {"base_url": "http://host/v1?key=c4n4ry"},
        {"api_key": "c4n4ry\nX-Header: 1"},
        {"api_key": "c4n4ry-ü"},
        {"api_key": "c4n4ry two"},
    ],
)
def test_what_cannot_be_used_is_refused_without_being_shown(options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError) as caught:
        ChatModel("tiny", **options)
    assert "c4n4ry" not in "".join(traceback.format_exception_only(caught.value))


def test_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch, server: ModelServer) -> None:
    for name in ("OPENAI_MODEL", "OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match="OPENAI_MODEL"):
        ChatModel()
    assert ChatModel("tiny").base_url == "https://api.openai.com/v1"
    monkeypatch.setenv("OPENAI_MODEL", "small")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/")
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    model = ChatModel()
    assert repr(model) == f"<ChatModel 'small' at {server.url}>"
    assert model._headers() == {"Authorization": f"Bearer {KEY}"}
    assert ChatModel(api_key="")._headers() == {}


def test_many_at_a_time(queue: TaskQueue, server: ModelServer) -> None:
    executor = AgentExecutor(ChatModel("tiny", base_url=server.url, api_key=KEY), queue)
    ids = [executor.execute_async(f"{n} x") for n in range(20)]
    executor.worker(concurrency=20).run_until_empty()
    assert [executor.wait_for_result(task_id, 10)["answer"] for task_id in ids] == [f"x {n} " for n in range(20)]
    assert threading.active_count() < 60
