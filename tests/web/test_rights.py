"""The role of a viewer is enough to look, that of an operator to act."""

from __future__ import annotations

import pytest

from taskq import Task, TaskQueue, TaskScheduler
from taskq.protocol.acl import Role, rules
from taskq.protocol.keys import Keys
from taskq.settings import Settings
from taskq.web import DashboardOptions, create_app
from tests.conformance.clients import Hands
from tests.security.conftest import allow, url_of
from tests.servers import ServerProcess
from tests.web.conftest import Site, serving, stuck_saga

PAGES = (
    "/",
    "/queues", "/tasks?status=pending", "/tasks?status=failed", "/workers", "/schedules", "/limits", "/sagas", "/dead"
)  # fmt: skip


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_every_page(server: ServerProcess, prefix: str, role: Role) -> None:
    with TaskQueue(server.url, prefix=prefix) as queue, server.client() as admin:
        hands = Hands(server.url, prefix)
        failed = queue.submit_task(Task(max_retries=0))
        hands.work("fail", error="ValueError: no")
        saga = stuck_saga(queue, hands)
        waiting = queue.chain(Task(), Task())[1]
        TaskScheduler(queue).schedule_cron("nightly", "0 3 * * *", Task())
        hands.run(hands.protocol.remember())
        hands.close()
        allow(admin, "visitor", rules((role,), Keys(prefix)))
        settings = Settings(redis_url=url_of(server, "visitor"), prefix=prefix)
        options = DashboardOptions(trusted=True, allow_actions=True)
        with serving(create_app(settings, options)) as url:
            site = Site(url)
            for path in (*PAGES, f"/tasks/{failed}", f"/tasks/{waiting}", f"/tasks/{saga}"):
                assert "<h1>" in site.text(path)
            response = site.post("/queues/pause", {"queue": "default"})
            assert response.status_code == (303 if role is Role.OPERATOR else 502)
            if role is Role.OPERATOR:
                for path, data in (
                    (f"/tasks/{failed}/retry", {}),
                    (f"/tasks/{failed}/cancel", {}),
                    ("/queues/purge", {"queue": "default"}),
                    ("/schedules/run", {"name": "nightly"}),
                    ("/schedules/pause", {"name": "nightly"}),
                    ("/schedules/resume", {"name": "nightly"}),
                    ("/workers/drain", {"worker": "hands"}),
                    ("/workers/stop", {"worker": "hands"}),
                    ("/limits/set", {"name": "smtp", "concurrency": "4"}),
                    ("/limits/remove", {"name": "smtp"}),
                    ("/circuits/set", {"name": "host"}),
                    ("/circuits/open", {"key": "host:a"}),
                    ("/circuits/close", {"key": "host:a"}),
                    ("/circuits/remove", {"name": "host"}),
                    ("/queues/pause", {"type": "mail"}),
                    ("/queues/resume", {"type": "mail"}),
                    ("/queues/pause", {"everything": "1"}),
                    ("/queues/resume", {"everything": "1"}),
                    ("/sla/set", {"priority": "high", "age": "5s"}),
                    ("/sla/remove", {"priority": "high", "queue": "default"}),
                    (f"/sagas/{saga}/resume", {"skip": "1"}),
                    ("/schedules/remove", {"name": "nightly"}),
                    ("/dead", {"verb": "discard", "id": failed}),
                ):
                    assert site.post(path, data).status_code == 303, path
