"""A prefix on a server, opened when first used."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from taskq.settings import Settings
from taskq.transport.namespace import Namespace


def test_a_configured_address_is_taken_as_it_is() -> None:
    namespace = Namespace(Settings(redis_url="redis://somewhere:1/0", prefix="jobs"))
    assert namespace.endpoint.url == "redis://somewhere:1/0"
    assert namespace.protocol.keys.root == "jobs:"
    assert namespace.announcement is None


def test_in_a_cluster_the_prefix_is_a_hash_tag() -> None:
    namespace = Namespace(Settings(redis_url="redis+cluster://somewhere:1", prefix="jobs"))
    assert namespace.protocol.keys.root == "{jobs}:"


def test_threads_that_come_at_once_get_the_same() -> None:
    namespace = Namespace(Settings(redis_url="redis://somewhere:1/0"))
    barrier = threading.Barrier(8)

    def ask() -> int:
        barrier.wait(10)
        return id(namespace.endpoint)

    with ThreadPoolExecutor(8) as threads:
        assert len({future.result(10) for future in [threads.submit(ask) for _ in range(8)]}) == 1
