"""Operations from an event loop: one connection, many callers, and none of them left behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis

from taskq import AsyncTaskQueue, Task
from taskq.errors import ServerError, ServerUnavailable
from taskq.protocol.operations import Protocol
from taskq.protocol.submits import Submission
from taskq.settings import Settings
from taskq.testing.faults.proxy import Proxy
from taskq.transport.concurrent import AsyncTransport
from taskq.transport.endpoint import Endpoint
from taskq.transport.mailbox import Mailbox
from tests.waiting import eventually

Story = Callable[[AsyncTransport], Awaitable[Any]]


@pytest.fixture
def tell(far: Endpoint, settings: Settings) -> Callable[[Story], Any]:
    """Function that runs a coroutine function with a transport, closed at its end."""

    def tell(story: Story) -> Any:
        async def main() -> Any:
            transport = AsyncTransport(far, settings)
            try:
                return await asyncio.wait_for(story(transport), 30)
            finally:
                await transport.close()

        return asyncio.run(main())

    return tell


Tell = Callable[[Story], Any]


def submit(protocol: Protocol, name: str) -> Any:
    return protocol.submit([Submission(name, "{}", "low", "0", "")], 0)


def test_many_callers_share_one_connection(tell: Tell, protocol: Protocol, proxy: Proxy) -> None:
    async def story(transport: AsyncTransport) -> list[Any]:
        return await asyncio.gather(*(transport.run(submit(protocol, f"t{n}")) for n in range(2500)))

    assert [reply.ids[0] for reply in tell(story)] == [f"t{n}" for n in range(2500)]
    assert proxy.connections == 1


def test_a_cancelled_caller_takes_no_reply_from_another(tell: Tell, protocol: Protocol) -> None:
    async def story(transport: AsyncTransport) -> list[Any]:
        calls = [asyncio.create_task(transport.run(submit(protocol, f"t{n}"))) for n in range(300)]
        await asyncio.sleep(0)
        for call in calls[::3]:
            call.cancel()
        return await asyncio.gather(*calls, return_exceptions=True)

    for n, reply in enumerate(tell(story)):
        if n % 3:
            assert reply.ids == (f"t{n}",)
        else:
            assert isinstance(reply, asyncio.CancelledError)


def test_what_was_cancelled_before_it_was_sent_is_not_sent(tell: Tell, protocol: Protocol, proxy: Proxy) -> None:
    proxy.refuse()

    async def story(transport: AsyncTransport) -> Any:
        call = asyncio.create_task(transport.run(submit(protocol, "a"), 600))
        await asyncio.to_thread(eventually, lambda: proxy.connections > 1, what="an attempt")
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        proxy.refuse(False)
        return await transport.run(protocol.stats())

    assert tell(story).counters == {}


def test_one_refusal_concerns_one_caller(tell: Tell, protocol: Protocol) -> None:
    async def story(transport: AsyncTransport) -> list[Any]:
        operations = [submit(protocol, "a"), protocol.ids("dead", "no number", 1), submit(protocol, "b")]
        return await asyncio.gather(*(transport.run(o) for o in operations), return_exceptions=True)

    first, refused, last = tell(story)
    assert (first.ids, last.ids) == (("a",), ("b",))
    assert isinstance(refused, ServerError)


def test_an_answer_that_cannot_be_read_concerns_its_caller_alone(tell: Tell, protocol: Protocol) -> None:
    def fail(reply: object) -> object:
        raise ValueError("cannot be read")

    async def story(transport: AsyncTransport) -> list[Any]:
        operations = [protocol.stats()._replace(parse=fail), submit(protocol, "a")]
        return await asyncio.gather(*(transport.run(o) for o in operations), return_exceptions=True)

    broken, good = tell(story)
    assert isinstance(broken, ValueError)
    assert good.ids == ("a",)


@pytest.mark.parametrize("action", ["cut", "lose"])
def test_a_burst_over_a_breaking_connection(tell: Tell, protocol: Protocol, proxy: Proxy, action: str) -> None:
    async def story(transport: AsyncTransport) -> list[Any]:
        await transport.run(protocol.stats())
        for skip in (3, 50, 120):
            proxy.strike(action, skip=skip)
        return await asyncio.gather(*(transport.run(submit(protocol, f"t{n}")) for n in range(200)))

    assert [reply.ids[0] for reply in tell(story)] == [f"t{n}" for n in range(200)]


def test_the_first_of_many_leave_while_the_loop_makes_the_others(
    tell: Tell, protocol: Protocol, redis_client: redis.Redis
) -> None:
    def stored() -> int:
        return int(redis_client.scard(protocol.keys.root + "status:pending"))

    async def story(transport: AsyncTransport) -> None:
        await transport.run(submit(protocol, "before"))  # the server knows the script

        async def look() -> None:
            eventually(lambda: stored() >= 26, what="the first tasks, while nothing else runs on the loop")

        first = [transport.run(submit(protocol, f"a{n}")) for n in range(30)]
        last = [transport.run(submit(protocol, f"b{n}")) for n in range(30)]
        await asyncio.gather(*first, look(), *last)

    tell(story)
    assert stored() == 61


def test_in_an_outage_each_call_ends_at_its_own_deadline(tell: Tell, protocol: Protocol, proxy: Proxy) -> None:
    proxy.refuse()

    async def story(transport: AsyncTransport) -> list[Any]:
        short = asyncio.create_task(transport.run(protocol.stats(), 0.2))
        long = asyncio.create_task(transport.run(protocol.stats(), 20))
        result = (await asyncio.gather(short, return_exceptions=True))[0]
        assert not long.done()
        proxy.refuse(False)
        await long
        return [result]

    (result,) = tell(story)
    assert isinstance(result, ServerUnavailable)
    assert "within 0.2 s" in str(result)


def test_closing_in_an_outage_leaves_nobody_waiting(
    far: Endpoint, settings: Settings, protocol: Protocol, proxy: Proxy
) -> None:
    proxy.refuse()

    async def main() -> Any:
        transport = AsyncTransport(far, settings)
        calls = [asyncio.create_task(transport.run(protocol.stats(), 600)) for _ in range(3)]
        await asyncio.to_thread(eventually, lambda: proxy.connections > 2, what="the third attempt")
        await transport.close()
        return await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)

    assert all(isinstance(reply, asyncio.CancelledError) for reply in asyncio.run(main()))


def test_closing_while_it_connects_leaves_nobody_waiting(
    far: Endpoint, settings: Settings, protocol: Protocol, proxy: Proxy
) -> None:
    """redis-py, and asyncio of Python 3.11, may swallow a cancellation that comes at a bad moment."""
    proxy.refuse()

    async def main(pause_seconds: float) -> list[Any]:
        transport, mailbox = AsyncTransport(far, settings), Mailbox(far, protocol)
        call = asyncio.create_task(transport.run(protocol.stats(), 600))
        waiting = asyncio.create_task(mailbox.receive("a", 600))
        await asyncio.sleep(pause_seconds)
        async with asyncio.timeout(5):
            await transport.close()
            await mailbox.close()
        return await asyncio.wait_for(asyncio.gather(call, waiting, return_exceptions=True), 5)

    for step in range(30):
        answers = asyncio.run(main(step / 5_000))
        assert isinstance(answers[0], asyncio.CancelledError)
        # the wait may have been told before that the connection was lost
        assert answers[1] is None or isinstance(answers[1], asyncio.CancelledError)


def test_closing_under_way_leaves_nobody_waiting(
    far: Endpoint, settings: Settings, protocol: Protocol, proxy: Proxy
) -> None:
    async def main() -> Any:
        transport = AsyncTransport(far, settings)
        await transport.run(protocol.stats())
        struck = proxy.strike("hang", times=1000)
        calls = [asyncio.create_task(transport.run(protocol.stats(), 600)) for _ in range(3)]
        await asyncio.to_thread(struck.wait, 10)
        await transport.close()
        return await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)

    assert all(isinstance(reply, asyncio.CancelledError) for reply in asyncio.run(main()))


def test_one_transport_may_live_in_one_loop_after_another(
    far: Endpoint, settings: Settings, protocol: Protocol
) -> None:
    transport = AsyncTransport(far, settings)

    async def once(name: str) -> Any:
        return await asyncio.wait_for(transport.run(submit(protocol, name)), 10)

    assert [asyncio.run(once(name)).ids for name in ("a", "b", "c")] == [("a",), ("b",), ("c",)]


def test_a_loop_that_was_closed_with_waits_leaves_the_client_usable(settings: Settings) -> None:
    """Whoever closes a loop without cancelling what runs on it: the next loop must not wait for the former one."""
    queue = AsyncTaskQueue(settings=settings)
    left: list[asyncio.Task[Any]] = []

    async def leave_a_wait() -> str:
        task_id = await queue.submit_task(Task(task_type="note"))
        left.append(asyncio.create_task(queue.wait_for_result(task_id)))
        await asyncio.wait(left, timeout=0.1)
        return task_id

    async def go_on(task_id: str) -> tuple[str, str]:
        wait = asyncio.create_task(queue.wait_for_result(task_id, timeout=20))
        cancel = asyncio.create_task(queue.cancel_task(task_id))
        await asyncio.sleep(0)
        gc.collect()  # what is left of the former loop must not end what is on its way
        await cancel
        return (await wait)["status"], (await queue.get_task_status(task_id))["status"]

    loop = asyncio.new_event_loop()
    task_id = loop.run_until_complete(leave_a_wait())
    loop.close()
    left.clear()
    assert asyncio.run(asyncio.wait_for(go_on(task_id), 20)) == ("cancelled", "cancelled")
    gc.collect()


def test_another_loop_is_told_that_the_client_is_in_use(settings: Settings) -> None:
    queue, task = AsyncTaskQueue(settings=settings), Task(task_type="note")
    loop = asyncio.new_event_loop()
    loop.run_until_complete(queue.submit_task(task))
    with pytest.raises(RuntimeError, match="in use on another event loop"):
        asyncio.run(asyncio.wait_for(queue.submit_task(task), 20))
    loop.run_until_complete(queue.close())
    loop.close()
    assert asyncio.run(asyncio.wait_for(queue.submit_task(task), 20)) == task.task_id


def test_a_server_that_does_not_know_the_scripts(tell: Tell, protocol: Protocol, redis_client: redis.Redis) -> None:
    async def story(transport: AsyncTransport) -> list[Any]:
        await transport.run(protocol.stats())
        redis_client.script_flush()
        return await asyncio.gather(*(transport.run(submit(protocol, f"t{n}")) for n in range(20)))

    assert len({reply.ids for reply in tell(story)}) == 20
