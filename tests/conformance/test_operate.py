"""What an operator does: pause, purge, and the dead letters."""

from __future__ import annotations

import threading

import pytest

from taskq.errors import InvalidTask, TaskNotFound
from taskq.flows import PAGE, due_in
from taskq.model.task import Task
from tests.conformance.clients import Client, Hands


class TestPause:
    def test_a_whole_queue(self, client: Client, hands: Hands) -> None:
        task_id = client.submit_task(Task(priority="urgent"))
        assert client.pause() == 4
        assert client.pause() == 0
        assert hands.claim() == []
        assert client.resume() == 4
        assert client.resume() == 0
        assert hands.claim() == [task_id]

    def test_one_list(self, client: Client, hands: Hands) -> None:
        low, high = client.submit_task(Task(priority="low")), client.submit_task(Task(priority="high"))
        assert client.pause("default", "low") == 1
        assert hands.claim() == [high]
        client.resume(priority="low")
        assert hands.claim() == [low]

    def test_a_named_queue(self, client: Client, hands: Hands) -> None:
        mail, other = client.submit_task(Task(queue="mail")), client.submit_task(Task())
        client.pause("mail")
        assert hands.claim(queue="mail") == []
        assert hands.claim() == [other]
        client.resume("mail")
        assert hands.claim(queue="mail") == [mail]

    @pytest.mark.parametrize("verb", ["pause", "resume", "purge"])
    def test_names_are_checked(self, client: Client, verb: str) -> None:
        with pytest.raises(InvalidTask, match="queue name"):
            getattr(client, verb)("no name")
        with pytest.raises(InvalidTask, match="unknown priority 'soon'"):
            getattr(client, verb)("mail", "soon")
        assert client.get_queue_stats().lists[0].paused is False


class TestPurge:
    def test_waiting_tasks_go(self, client: Client, hands: Hands) -> None:
        running = client.submit_task(Task())
        hands.claim()
        ids = client.submit_batch([Task(priority=p) for p in ("low", "high", "high")])
        other = client.submit_task(Task(queue="mail"))
        later = client.submit_later(Task(), due_in(60))
        assert client.purge(priority="high") == 2
        assert client.purge() == 1
        assert client.purge() == 0
        for task_id in ids:
            with pytest.raises(TaskNotFound):
                client.get_task(task_id)
        statuses = [client.get_task_status(task_id)["status"] for task_id in (running, other, later)]
        assert statuses == ["running", "pending", "scheduled"]
        assert client.purge("mail") == 1

    def test_more_than_one_step(self, client: Client) -> None:
        client.submit_batch([Task() for _ in range(1200)])
        assert client.purge() == 1200
        assert client.get_queue_stats().counters["purged"] == 1200


class TestDeadLetters:
    def bury(self, client: Client, hands: Hands, count: int) -> list[str]:
        ids: list[str] = client.submit_batch([Task(task_type="job", priority="high") for _ in range(count)])
        while hands.work("fail", error="ValueError: no"):
            pass
        return ids

    def test_are_listed(self, client: Client, hands: Hands) -> None:
        (task_id,) = self.bury(client, hands, 1)
        (letter,) = client.list_dead()
        assert letter.to_dict() == {
            "task_id": task_id,
            "task_type": "job",
            "queue": "default",
            "priority": "high",
            "error": "ValueError: no",
            "reason": "",
            "attempts": 1,
            "died_at": "2027-01-15T08:00:00.000Z",
        }

    def test_are_listed_up_to_a_limit(self, client: Client, hands: Hands) -> None:
        ids = self.bury(client, hands, PAGE + 20)
        assert {letter.task_id for letter in client.list_dead(1000)} == set(ids)
        assert len(client.list_dead(PAGE + 5)) == PAGE + 5
        assert len(client.list_dead()) == 100
        assert client.list_dead(0) == []

    def test_some_are_replayed(self, client: Client, hands: Hands) -> None:
        ids = self.bury(client, hands, 3)
        assert client.replay_dead([ids[0], ids[2], "nothing"]) == 2
        assert client.replay_dead([ids[0]]) == 0
        assert hands.claim() == [ids[0], ids[2]]
        assert [letter.task_id for letter in client.list_dead()] == [ids[1]]

    def test_all_are_replayed(self, client: Client, hands: Hands) -> None:
        ids = self.bury(client, hands, 2 * PAGE + 20)
        assert client.replay_dead() == len(ids)
        assert client.get_queue_stats().pending_tasks == len(ids)
        assert client.list_dead() == []
        assert client.replay_dead() == 0

    def test_what_dies_again_at_once_is_replayed_once(self, client: Client, hands: Hands) -> None:
        """A worker that fails them as fast as they come must not keep the call busy for ever."""
        ids = self.bury(client, hands, PAGE + 50)
        stop = threading.Event()
        deaths = 0

        def fail_everything() -> None:
            nonlocal deaths
            while not stop.is_set():
                deaths += len(hands.work("fail"))

        worker = threading.Thread(target=fail_everything)
        worker.start()
        try:
            assert client.replay_dead() <= len(ids)
        finally:
            stop.set()
            worker.join()
        assert deaths <= len(ids)

    def test_some_are_forgotten(self, client: Client, hands: Hands) -> None:
        ids = self.bury(client, hands, 3)
        assert client.purge_dead(ids[:2]) == 2
        assert [letter.task_id for letter in client.list_dead()] == ids[2:]
        with pytest.raises(TaskNotFound):
            client.get_task_status(ids[0])

    def test_all_are_forgotten(self, client: Client, hands: Hands) -> None:
        ids = self.bury(client, hands, PAGE + 20)
        assert client.purge_dead() == len(ids)
        assert client.purge_dead() == 0
        assert client.get_queue_stats().dead_letters == 0


class TestRetryTask:
    @pytest.mark.parametrize("outcome", ["fail", "cancel"])
    def test_an_ended_task_runs_again(self, client: Client, hands: Hands, outcome: str) -> None:
        task_id = client.submit_task(Task(payload="x"))
        hands.work(outcome)
        client.retry_task(task_id)
        status = client.get_task_status(task_id)
        assert (status["status"], status["error"], status["completed_at"]) == ("pending", None, None)
        assert hands.work() == [task_id]
        assert client.get_task_result(task_id)["result"] == "x"

    def test_a_completed_one_does_not(self, client: Client, hands: Hands) -> None:
        task_id = client.submit_task(Task())
        hands.work()
        with pytest.raises(InvalidTask, match=f"task {task_id} is completed: only failed and cancelled tasks"):
            client.retry_task(task_id)

    def test_nor_one_that_has_not_ended(self, client: Client) -> None:
        task_id = client.submit_task(Task())
        with pytest.raises(InvalidTask, match="is pending: it has not ended yet"):
            client.retry_task(task_id)

    def test_nor_one_that_never_was(self, client: Client) -> None:
        with pytest.raises(TaskNotFound):
            client.retry_task("nothing")
