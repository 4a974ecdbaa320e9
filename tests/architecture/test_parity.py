"""One name, one signature, one docstring: what holds for the blocking client holds for the one on an event loop."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from taskq.agent import AgentExecutor, AsyncAgentExecutor
from taskq.aio import AsyncTaskQueue
from taskq.channels import AsyncConsumer, AsyncPublisher, Consumer, Publisher
from taskq.handle import AsyncTaskHandle, TaskHandle
from taskq.queue import TaskQueue

# their own docstrings, or none of the other's business
OWN = {"handle", "task", "transport", "run_flow", "context", "partition"}
PLAIN = {
    "handle",
    "task",
    "transport",
    "context",
    "partition",
    "install",
    "set_schema",
    "upcast",
}  # no I/O, nothing to await
CHANNELS = [(Publisher, AsyncPublisher), (Consumer, AsyncConsumer)]


def public(cls: type) -> dict[str, Any]:
    members = {name: member for part in reversed(cls.__mro__) for name, member in vars(part).items()}
    return {name: member for name, member in members.items() if not name.startswith("_")}


def parameters(function: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


def test_the_same_names() -> None:
    assert public(TaskQueue).keys() == public(AsyncTaskQueue).keys()
    assert public(TaskHandle).keys() == public(AsyncTaskHandle).keys()


@pytest.mark.parametrize("name", sorted(public(TaskQueue)))
def test_the_same_verb(name: str) -> None:
    blocking, awaited = public(TaskQueue)[name], public(AsyncTaskQueue)[name]
    if isinstance(blocking, property):
        assert isinstance(awaited, property)
        return
    assert parameters(blocking) == parameters(awaited)
    assert inspect.iscoroutinefunction(awaited) is (name not in PLAIN)
    assert not inspect.iscoroutinefunction(blocking)
    assert inspect.getdoc(blocking) == inspect.getdoc(awaited)


@pytest.mark.parametrize("name", sorted(set(public(TaskQueue)) - OWN))
def test_the_same_answer(name: str) -> None:
    blocking, awaited = public(TaskQueue)[name], public(AsyncTaskQueue)[name]
    returned = [inspect.signature(function).return_annotation for function in (blocking, awaited)]
    assert returned[0] == returned[1]


@pytest.mark.parametrize("name", sorted(public(TaskHandle)))
def test_the_same_verb_of_a_handle(name: str) -> None:
    blocking, awaited = public(TaskHandle)[name], public(AsyncTaskHandle)[name]
    assert parameters(blocking) == parameters(awaited)
    assert inspect.iscoroutinefunction(awaited)


@pytest.mark.parametrize(("blocking", "awaited"), CHANNELS)
def test_channels_have_the_same_verbs(blocking: type, awaited: type) -> None:
    assert public(blocking).keys() == public(awaited).keys()
    for name, member in public(blocking).items():
        twin = public(awaited)[name]
        assert inspect.getdoc(member) == inspect.getdoc(twin), name
        if isinstance(member, property):
            continue
        assert parameters(member) == parameters(twin), name
        assert inspect.signature(member).return_annotation == inspect.signature(twin).return_annotation, name
        assert inspect.iscoroutinefunction(twin) is (name != "interrupt"), name
    assert parameters(blocking) == parameters(awaited)


def test_executors_have_the_same_verbs() -> None:
    assert public(AgentExecutor).keys() == public(AsyncAgentExecutor).keys()
    for name, member in public(AgentExecutor).items():
        twin = public(AsyncAgentExecutor)[name]
        assert inspect.getdoc(member) == inspect.getdoc(twin), name
        if isinstance(member, property):
            continue
        assert parameters(member) == parameters(twin), name
        if name == "follow":
            assert inspect.isasyncgenfunction(twin)
            continue
        assert inspect.signature(member).return_annotation == inspect.signature(twin).return_annotation, name
        assert inspect.iscoroutinefunction(twin) is (name not in ("worker", "register")), name
    assert [given[:2] for given in parameters(AgentExecutor)] == [given[:2] for given in parameters(AsyncAgentExecutor)]


def test_the_same_constructor() -> None:
    assert parameters(TaskQueue) == parameters(AsyncTaskQueue)


@pytest.mark.parametrize(
    "cls",
    [
        TaskQueue,
        AsyncTaskQueue,
        TaskHandle,
        AsyncTaskHandle,
        AgentExecutor,
        *(cls for pair in CHANNELS for cls in pair),
    ],
)
def test_every_public_verb_is_documented(cls: type) -> None:
    silent = [name for name, member in public(cls).items() if not inspect.getdoc(member)]
    assert silent == []


def test_what_the_product_promises() -> None:
    promised = """submit_task submit_batch cancel_task get_task get_task_status get_task_result wait_for_result
    get_queue_stats subscribe_to_events purge pause resume replay_dead checkpoint get_checkpoint delete_checkpoint"""
    assert set(promised.split()) <= public(TaskQueue).keys()
    assert public(AgentExecutor).keys() >= {"execute_async", "get_task_status", "get_task_result"}
    assert public(Publisher).keys() >= {"publish", "publish_batch", "queue_length"}
    verbs = {"consume", "acknowledge", "reject", "get_pending_messages", "claim_pending_messages", "get_consumer_info"}
    assert public(Consumer).keys() >= verbs | {"close"}
    assert {"status", "result", "aresult", "cancel"} <= public(TaskHandle).keys()
