"""Who is told when a worker is steered, and what is said when there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from taskq.errors import InvalidTask, SettingsError, WorkerNotFound
from tests.conformance.clients import Client, Hands

IDS = ["mail-0000000a", "mail-0000000b", "web-0000000c"]


@pytest.fixture
def crew(redis_url: str, prefix: str) -> Iterator[list[Hands]]:
    with ExitStack() as stack:
        yield [stack.enter_context(closing(Hands(redis_url, prefix, name))) for name in IDS]


def wishes(client: Client) -> dict[str, str]:
    return {info.worker_id: info.card.get("wish", "") for info in client.list_workers()}


@pytest.mark.usefixtures("crew")
class TestWhoIsMeant:
    def test_one_by_its_id(self, client: Client) -> None:
        assert client.drain_worker(IDS[1]) == [IDS[1]]
        assert wishes(client) == {IDS[0]: "", IDS[1]: "drain - -", IDS[2]: ""}
        assert client.stop_worker(IDS[1]) == [IDS[1]]
        assert wishes(client)[IDS[1]] == "stop - -"
        assert [info.worker_id for info in client.get_workers(IDS[1])] == [IDS[1]]

    def test_all_of_a_name(self, client: Client) -> None:
        assert client.set_worker("mail", concurrency=3, log_level="DEBUG") == IDS[:2]
        assert client.resume_worker("mail") == IDS[:2]
        assert wishes(client) == {IDS[0]: "run 3 DEBUG", IDS[1]: "run 3 DEBUG", IDS[2]: ""}
        assert [info.worker_id for info in client.get_workers("mail")] == IDS[:2]

    @pytest.mark.parametrize("verb", ["drain_worker", "resume_worker", "stop_worker", "set_worker", "get_workers"])
    def test_one_who_is_not_there(self, client: Client, verb: str) -> None:
        with pytest.raises(WorkerNotFound, match=r"^there is no worker mial: did you mean mail\?"):
            getattr(client, verb)("mial")
        with pytest.raises(WorkerNotFound, match=r"did you mean .*web-0000000c"):
            getattr(client, verb)("web-0000000d")
        with pytest.raises(WorkerNotFound, match=r"registered are .*mail-0000000a, mail-0000000b"):
            getattr(client, verb)("zzz")
        with pytest.raises(InvalidTask, match="cannot be used as a worker name"):
            getattr(client, verb)("no name")


@pytest.mark.parametrize("slots", [0, -1, 10_001, "many", 1.5])
def test_numbers_are_checked(client: Client, hands: Hands, slots: object) -> None:
    with pytest.raises(SettingsError, match="use a whole number from 1 to 10,000"):
        client.set_worker(hands.name, concurrency=slots)


def test_levels_are_checked(client: Client, hands: Hands) -> None:
    with pytest.raises(SettingsError, match="use one of DEBUG, INFO"):
        client.set_worker(hands.name, log_level="LOUD")


def test_none_is_registered(client: Client) -> None:
    with pytest.raises(WorkerNotFound, match="none is registered"):
        client.drain_worker("any")
