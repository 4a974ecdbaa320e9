"""Types that are paused, everything paused, and circuits, by the clients."""

from __future__ import annotations

import pytest

from taskq import InvalidTask, NameNotFound, Task
from taskq.model.circuit import Circuit
from tests.conformance.clients import Client, Hands, NewClient
from tests.waiting import eventually


class TestPause:
    def test_a_type_in_whatever_queue(self, client: Client, hands: Hands) -> None:
        mail, other, far = client.submit_batch(
            [Task(task_type="mail"), Task(task_type="other"), Task(task_type="mail", queue="far")]
        )
        assert client.pause(task_type="mail") == 1
        assert client.pause(task_type="mail") == 0
        assert client.paused_types() == ["mail"]
        assert client.explain(mail).reason == "paused"
        assert hands.claim() == [other]
        assert hands.claim(queue="far") == []
        explained = client.explain(mail)
        assert (explained.reason, explained.details) == ("paused", {"type": "mail"})
        assert "taskq queue resume --type mail" in explained.message
        status = client.get_task_status(mail)
        assert (status["status"], status["retry_count"]) == ("waiting", 0)
        assert client.resume(task_type="mail") == 1
        assert client.resume(task_type="mail") == 0
        assert client.paused_types() == []
        assert hands.claim() == [mail]
        assert hands.claim(queue="far") == [far]

    def test_one_that_waits_can_be_cancelled(self, client: Client, hands: Hands) -> None:
        client.pause(task_type="mail")
        first, second = client.submit_batch([Task(task_type="mail") for _ in range(2)])
        assert hands.claim() == []
        assert client.cancel_task(first) == "cancelled"
        client.resume(task_type="mail")
        assert hands.claim() == [second]

    def test_everything(self, client: Client, hands: Hands) -> None:
        task_id = client.submit_task(Task())
        client.pause("mail")
        assert client.pause(everything=True) == 1
        later = client.submit_task(Task(queue="new"))
        assert hands.claim() == []
        assert hands.claim(queue="new") == []
        assert "queue resume --all" in client.explain(task_id).message
        assert all(item.paused for item in client.get_queue_stats().lists)
        assert client.resume(everything=True) == 1
        assert hands.claim() == [task_id]
        assert hands.claim(queue="new") == [later]
        client.submit_task(Task(queue="mail"))
        assert hands.claim(queue="mail") == [], "it is still paused by itself"

    @pytest.mark.parametrize("verb", ["pause", "resume"])
    def test_one_of_them_is_meant(self, client: Client, verb: str) -> None:
        with pytest.raises(InvalidTask, match="name one of them"):
            getattr(client, verb)("mail", task_type="a")
        with pytest.raises(InvalidTask, match="name one of them"):
            getattr(client, verb)(task_type="a", everything=True)
        with pytest.raises(InvalidTask, match="task type"):
            getattr(client, verb)(task_type="no type")

    def test_in_every_partition(self, new_client: NewClient) -> None:
        client = new_client(partitions=3)
        assert client.pause(task_type="mail") == 1
        assert client.paused_types() == ["mail"]
        assert client.resume(task_type="mail") == 1
        assert client.paused_types() == []


class TestCircuits:
    def test_it_opens_tries_and_closes(self, client: Client, hands: Hands) -> None:
        client.set_circuit("type:mail", failures=2, within=60, open_for=0.05)
        ids = client.submit_batch([Task(task_type="mail", max_retries=0) for _ in range(4)])
        for task_id in hands.claim(2):
            hands.end(task_id, "fail", error="no")
        (info,) = client.list_circuits()
        assert info.circuit == Circuit("type:mail", 2, 60, 0.05)
        assert info.state in ("open", "half_open")
        client.open_circuit("type:mail", 600)
        assert hands.claim() == []
        explained = client.explain(ids[2])
        assert (explained.reason, explained.details["key"], explained.details["state"]) == (
            "circuit",
            "type:mail",
            "open",
        )
        assert "is open until 20" in explained.message
        (info,) = client.list_circuits()
        assert (info.state, info.waiting) == ("open", 2)
        assert client.close_circuit("type:mail") is True
        assert client.close_circuit("type:mail") is False
        assert hands.claim() == ids[2:]
        assert client.list_circuits()[0].to_dict()["state"] == "closed"
        assert client.remove_circuit("type:mail") is True
        assert client.remove_circuit("type:mail") is False
        assert client.list_circuits() == []

    def test_it_opens_by_a_share(self, client: Client, hands: Hands) -> None:
        client.set_circuit("type:mail", failures=2, share=0.5)
        ids = client.submit_batch([Task(task_type="mail", max_retries=0) for _ in range(6)])
        first, second, third, fourth = hands.claim(4)
        for task_id in (first, second):
            hands.end(task_id)
        hands.end(third, "fail", error="no")
        (info,) = client.list_circuits()
        assert info.circuit == Circuit("type:mail", 2, share=0.5)
        assert (info.state, info.failed, info.attempts) == ("closed", 1, 3)
        hands.end(fourth, "fail", error="no")
        assert client.list_circuits()[0].state == "open"
        assert hands.claim() == []
        assert client.explain(ids[5]).reason == "circuit"

    def test_what_waits_for_a_probe_says_so(self, client: Client, hands: Hands) -> None:
        client.set_circuit("k")
        first, second = client.submit_batch([Task(limit_keys=["k"]) for _ in range(2)])
        client.open_circuit("k", 0.001)
        eventually(lambda: hands.claim(1) == [first])
        assert client.explain(second).details == {"key": "k", "state": "half_open", "until": None, "probe": first}
        hands.end(first)
        assert hands.claim() == [second]

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"failures": 0}, "failures is 0"),
            ({"failures": 1_001}, "whole number from 1 to 1,000"),
            ({"failures": 1.5}, "failures is 1.5"),
            ({"within": 0}, "within is 0"),
            ({"open_for": 0}, "open_for is 0"),
            ({"share": 0}, "share is 0: use a number from 0.001 to 1"),
            ({"share": 1.1}, "share is 1.1"),
            ({"share": True}, "share is True"),
        ],
    )
    def test_numbers_are_checked(self, client: Client, options: dict[str, float], match: str) -> None:
        with pytest.raises(InvalidTask, match=match):
            client.set_circuit("k", **options)

    def test_names_are_checked(self, client: Client) -> None:
        for verb in (client.set_circuit, client.remove_circuit, client.open_circuit, client.close_circuit):
            with pytest.raises(InvalidTask, match="circuit"):
                verb("no name")
        with pytest.raises(NameNotFound, match="there is no circuit for the key other"):
            client.open_circuit("other")

    def test_over_partitions_the_worst_counts(self, new_client: NewClient) -> None:
        client = new_client(partitions=2)
        client.set_circuit("k", failures=2)
        client.open_circuit("k")
        (info,) = client.list_circuits()
        assert (info.state, set(info.keys)) == ("open", {"k"})
