"""Results on their way to those who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import pytest
import redis

from taskq.errors import ServerError
from taskq.protocol.operations import Protocol
from taskq.settings import Settings
from taskq.testing.faults.proxy import Proxy
from taskq.transport.blocking import Transport
from taskq.transport.endpoint import Endpoint
from taskq.transport.mailbox import Mailbox, new_address, receive
from tests.waiting import eventually

Story = Callable[[Mailbox], Awaitable[Any]]


def test_addresses_differ() -> None:
    assert len({new_address() for _ in range(1000)}) == 1000


class TestReceive:
    """For threads: a reply list for each wait."""

    @pytest.fixture
    def transport(self, far: Endpoint, settings: Settings) -> Any:
        with closing(Transport(far, settings)) as transport:
            yield transport

    def test_what_is_there(self, transport: Transport, protocol: Protocol, redis_client: redis.Redis) -> None:
        redis_client.rpush(protocol.reply_key("me"), "a the result")
        assert receive(transport, protocol, "me", "a", 5) == b"the result"

    def test_nothing_in_time(self, transport: Transport, protocol: Protocol) -> None:
        assert receive(transport, protocol, "me", "a", 0.02) is None

    def test_something_for_another_task(
        self, transport: Transport, protocol: Protocol, redis_client: redis.Redis
    ) -> None:
        redis_client.rpush(protocol.reply_key("me"), "b another result")
        assert receive(transport, protocol, "me", "a", 5) is None

    def test_a_broken_connection(self, transport: Transport, protocol: Protocol, proxy: Proxy) -> None:
        proxy.strike("lose", "BLPOP")
        assert receive(transport, protocol, "me", "a", 0.02) is None

    def test_a_refusal(self, transport: Transport, protocol: Protocol, redis_client: redis.Redis) -> None:
        redis_client.set(protocol.reply_key("me"), "foreign")
        with pytest.raises(ServerError):
            receive(transport, protocol, "me", "a", 5)


class TestMailbox:
    """For coroutines: one reply list and one connection for all."""

    @pytest.fixture
    def tell(self, far: Endpoint, protocol: Protocol) -> Callable[[Story], Any]:
        def tell(story: Story) -> Any:
            async def main() -> Any:
                mailbox = Mailbox(far, protocol)
                try:
                    return await asyncio.wait_for(story(mailbox), 20)
                finally:
                    await mailbox.close()

            return asyncio.run(main())

        return tell

    @pytest.fixture
    def send(self, protocol: Protocol, redis_client: redis.Redis) -> Callable[[Mailbox, str], None]:
        def send(mailbox: Mailbox, *items: str) -> None:
            redis_client.rpush(protocol.reply_key(mailbox.address), *items)

        return send

    def test_each_gets_its_own(self, tell: Any, send: Any, proxy: Proxy) -> None:
        async def story(mailbox: Mailbox) -> Any:
            waits = [asyncio.create_task(mailbox.receive(name, 10)) for name in ("a", "b", "a")]
            await asyncio.sleep(0)
            send(mailbox, "b of b", "c of c", "a of a with spaces")
            return await asyncio.gather(*waits)

        assert tell(story) == [b"of a with spaces", b"of b", b"of a with spaces"]
        assert proxy.connections == 1

    def test_what_comes_before_the_wait_is_kept_for_who_expects_it(self, tell: Any, send: Any) -> None:
        async def story(mailbox: Mailbox) -> Any:
            other = asyncio.create_task(mailbox.receive("other", 10))
            with mailbox.expecting("a"), mailbox.expecting("a"):
                send(mailbox, "a of a", "b of b", "other done")
                await other
                kept = [await mailbox.receive("a", 10), await mailbox.receive("a", 10)]
            return [*kept, await mailbox.receive("a", 0.02), await mailbox.receive("b", 0.02)]

        assert tell(story) == [b"of a", b"of a", None, None]

    def test_nothing_in_time(self, tell: Any) -> None:
        async def story(mailbox: Mailbox) -> Any:
            return await asyncio.gather(mailbox.receive("a", 0.02), mailbox.receive("a", 0.05))

        assert tell(story) == [None, None]

    def test_after_a_pause_it_listens_again(self, tell: Any, send: Any) -> None:
        async def story(mailbox: Mailbox) -> Any:
            await mailbox.receive("a", 0.02)
            send(mailbox, "b of b")
            return await mailbox.receive("b", 10)

        assert tell(story) == b"of b"

    def test_a_broken_connection_lets_them_look_for_themselves(self, tell: Any, proxy: Proxy) -> None:
        async def story(mailbox: Mailbox) -> Any:
            waits = [asyncio.create_task(mailbox.receive(name, 600)) for name in ("a", "b")]
            await asyncio.to_thread(eventually, lambda: b"BLPOP" in proxy.requests, what="the wait")
            proxy.cut_connections()
            return await asyncio.gather(*waits)

        assert tell(story) == [None, None]

    def test_a_refusal_is_told_to_all(self, tell: Any, protocol: Protocol, redis_client: redis.Redis) -> None:
        async def story(mailbox: Mailbox) -> Any:
            redis_client.set(protocol.reply_key(mailbox.address), "foreign")
            waits = [mailbox.receive(name, 600) for name in ("a", "b")]
            return await asyncio.gather(*waits, return_exceptions=True)

        assert all(isinstance(answer, ServerError) for answer in tell(story))

    def test_a_caller_that_gives_up_leaves_the_others_alone(self, tell: Any, send: Any) -> None:
        async def story(mailbox: Mailbox) -> Any:
            waits = [asyncio.create_task(mailbox.receive("a", 10)) for _ in range(2)]
            await asyncio.sleep(0)
            waits[0].cancel()
            send(mailbox, "a of a")
            return await waits[1]

        assert tell(story) == b"of a"
