"""The attacks: foreign names, foreign origins, guessed tokens, forged forms, HTML in everything that others write."""

from __future__ import annotations

import base64
import json

import pytest

from taskq import Task, TaskQueue
from taskq.errors import SettingsError
from taskq.kinds import Secret
from taskq.web import DashboardOptions
from taskq.web.guard import CSRF_COOKIE
from taskq.web.redaction import DOTS, Redaction
from taskq.web.serving import check_binding
from tests.conformance.clients import Hands
from tests.web.conftest import NewSite, Site
from tests.web.reader import Reader
from tests.web.xss import XSS

TOKEN = "correct-horse-battery"
FORMS = {
    "/queues/pause": {"queue": "default"},
    "/queues/resume": {"queue": "default"},
    "/queues/purge": {"queue": "default"},
    "/tasks/x/cancel": {},
    "/tasks/x/retry": {},
    "/dead": {"verb": "discard", "id": "x"},
    "/dead/all": {"verb": "discard"},
    "/schedules/run": {"name": "x"},
    "/schedules/remove": {"name": "x"},
}


def basic(password: str, user: str = "anybody") -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class TestToken:
    def test_nothing_without_it(self, new_site: NewSite) -> None:
        site = new_site(token=TOKEN)
        for path in ("/", "/tasks", "/live?topic=nav", "/static/style.css", "/favicon.ico", "/nowhere"):
            response = site.get(path)
            assert response.status_code == 401, path
            assert response.headers["www-authenticate"].startswith("Basic ")
            assert "taskq_csrf" not in response.text

    def test_as_password_or_bearer(self, new_site: NewSite) -> None:
        site = new_site(token=Secret(TOKEN))
        assert site.get("/", headers=basic(TOKEN)).status_code == 200
        assert site.get("/", headers={"authorization": f"bearer {TOKEN}"}).status_code == 200

    @pytest.mark.parametrize(
        "header",
        [
            "", "Basic", "Basic !!", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Digest {TOKEN}", TOKEN,
            basic("")["authorization"], basic(TOKEN.upper())["authorization"], basic("x", TOKEN)["authorization"],
            "Basic " + base64.b64encode(TOKEN.encode()).decode(), "Basic /w==", "Bearer \u00ff",
        ],
    )  # fmt: skip
    def test_nothing_else(self, new_site: NewSite, header: str) -> None:
        site = new_site(token=TOKEN)
        response = site.get("/", headers={"authorization": header.encode("latin-1")})
        assert response.status_code == 401
        assert ("is not the token" in response.text) == bool(header)
        assert "TASKQ_DASHBOARD_TOKEN" in response.text

    def test_a_form_needs_it_too(self, new_site: NewSite, queue: TaskQueue) -> None:
        site = new_site(token=TOKEN, allow_actions=True)
        with_token = Site(site.url, headers=basic(TOKEN))
        data = {"queue": "default", "csrf": with_token.csrf}
        assert site.http.post("/queues/pause", data=data, headers={"origin": site.url}).status_code == 401
        assert not any(item.paused for item in queue.get_queue_stats().lists)
        assert with_token.post("/queues/pause", data).status_code == 303

    def test_it_is_asked_for(self) -> None:
        with pytest.raises(SettingsError, match="trusted=True"):
            DashboardOptions()
        with pytest.raises(SettingsError, match="fewer than 16"):
            DashboardOptions(token="short")
        assert TOKEN not in repr(DashboardOptions(token=TOKEN))

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com", ""])
    def test_on_other_addresses_than_loopback(self, host: str) -> None:
        with pytest.raises(SettingsError, match="TASKQ_DASHBOARD_TOKEN"):
            check_binding(host, None)
        check_binding(host, TOKEN)

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
    def test_not_on_loopback(self, host: str) -> None:
        check_binding(host, None)


class TestHost:
    @pytest.mark.parametrize(
        "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "a b", "[::1"]
    )
    def test_a_foreign_name_is_refused(self, site: Site, host: str) -> None:
        response = site.get("/", headers={"host": host})
        assert response.status_code == 400
        assert "<" not in response.text
        assert response.headers["content-type"].startswith("text/plain")

    @pytest.mark.parametrize(
        "host", ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "[::1]:8080", "10.1.2.3", "tasks.example.com:443"]
    )
    def test_known_ones_are_not(self, new_site: NewSite, host: str) -> None:
        assert new_site(hosts=["Tasks.Example.com"]).get("/", headers={"host": host}).status_code == 200


class TestForms:
    def test_only_where_actions_are_allowed(self, site: Site) -> None:
        for path, data in FORMS.items():
            response = site.post(path, data)
            assert response.status_code == 403
            assert "--allow-actions" in response.text

    def test_there_is_none_where_they_are_not(self, site: Site, busy: dict[str, str]) -> None:
        for page in ("/", "/queues", "/tasks", "/schedules", "/dead", f"/tasks/{busy['failed']}"):
            text = site.text(page)
            assert "<button name=" not in text
            assert 'method="post"' not in text

    @pytest.mark.parametrize(
        "origin",
        ["https://evil.example", "null", "", "http://127.0.0.1", "http://127.0.0.1:1", "file://", "{url}.evil.example"],
    )
    def test_of_another_origin(self, acting: Site, origin: str) -> None:
        for path, data in FORMS.items():
            response = acting.post(path, data, origin=origin.format(url=acting.url))
            assert response.status_code == 403
            assert "another site" in response.text

    def test_without_an_origin(self, acting: Site) -> None:
        assert acting.http.post("/queues/pause", data={"csrf": acting.csrf, "queue": "a"}).status_code == 403

    def test_without_its_token(self, acting: Site) -> None:
        stolen = Site(acting.url).csrf  # of another browser
        for path, data in FORMS.items():
            for token in ("", "0" * 64, "ü", stolen):
                assert acting.post(path, {**data, "csrf": token}).status_code == 403

    def test_without_its_cookie(self, acting: Site) -> None:
        token = acting.csrf
        acting.http.cookies.clear()
        sent = {"csrf": token, "queue": "default"}
        assert acting.http.post("/queues/pause", data=sent, headers={"origin": acting.url}).status_code == 403

    def test_the_token_is_no_copy_of_the_cookie(self, site: Site) -> None:
        token = site.csrf
        cookie = site.http.cookies[CSRF_COOKIE]
        assert cookie not in token
        header = site.http.get("/", headers={"cookie": ""}).headers["set-cookie"]
        assert "HttpOnly" in header
        assert "SameSite=Strict" in header

    @pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
    def test_of_another_kind(self, acting: Site, kind: str) -> None:
        acting.text("/")
        response = acting.http.post(
            "/queues/pause", content=b"{}", headers={"origin": acting.url, "content-type": kind}
        )
        assert response.status_code == 400

    def test_too_large_or_with_too_many_fields(self, acting: Site) -> None:
        assert acting.post("/dead", {"verb": "replay", "id": "x" * 300_000}).status_code == 400
        assert acting.post("/dead", {"verb": "replay", "id": ["x"] * 1100}).status_code == 400

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
    def test_no_other_method(self, acting: Site, method: str) -> None:
        assert acting.http.request(method, "/queues/pause").status_code == 405

    def test_a_link_changes_nothing(self, acting: Site, queue: TaskQueue) -> None:
        before = queue.get_queue_stats()
        for path in FORMS:
            assert acting.get(path).status_code in (200, 404, 405)
        assert queue.get_queue_stats() == before

    @pytest.mark.parametrize(
        ("path", "data", "code"),
        [
            ("/queues/pause", {}, 400),
            ("/queues/pause", {"queue": ["a", "b"]}, 400),
            ("/queues/pause", {"queue": "../x"}, 400),
            ("/queues/pause", {"queue": "a", "priority": "soon"}, 400),
            ("/tasks/none/cancel", {}, 404),
            ("/dead", {"verb": "drop", "id": "x"}, 400),
            ("/dead/all", {"verb": "__class__"}, 400),
            ("/schedules/run", {"name": "none"}, 404),
            ("/schedules/run", {}, 400),
        ],
    )
    def test_what_makes_no_sense(self, acting: Site, path: str, data: dict[str, object], code: int) -> None:
        assert acting.post(path, data).status_code == code


class TestHeaders:
    @pytest.mark.parametrize("path", ["/", "/tasks/none", "/static/style.css", "/favicon.ico", "/live?topic=x"])
    def test_on_every_answer(self, site: Site, path: str) -> None:
        with site.http.stream("GET", path) as response:
            headers = response.headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
        assert headers["referrer-policy"] == "same-origin"

    def test_pages_are_not_kept_and_files_are(self, site: Site) -> None:
        assert site.get("/").headers["cache-control"] == "no-store"
        assert "max-age" in site.get("/static/style.css").headers["cache-control"]

    @pytest.mark.parametrize(
        "path", ["/static/../app.py", "/static/..%2f..%2fapp.py", "/static/%2e%2e/guard.py", "/static//etc/passwd"]
    )
    def test_no_file_beside_the_static_ones(self, site: Site, path: str) -> None:
        assert site.get(path).status_code == 404

    @pytest.mark.parametrize(
        "query",
        [
            "done=%3Cscript%3E",
            "done=purged&n=%3Cb%3E",
            "done=purged&n={0}",
            "range=%3Cb%3E",
            "group=%3Cb%3E",
            "job=%3Cb%3E",
        ],
    )
    def test_an_address_puts_nothing_into_the_page(self, site: Site, query: str) -> None:
        for path in ("/", "/dead", "/queues"):
            text = site.text(f"{path}?{query}")
            assert "<b>&" not in text
            assert "<script>" not in text.replace("<script src", "")


class TestXss:
    """Each string wherever others can write: payloads, errors, progress, workers, schedules, queues, addresses."""

    @pytest.fixture
    def hostile(self, queue: TaskQueue, hands: Hands, redis_client, prefix: str) -> list[str]:  # type: ignore[no-untyped-def]
        ids = []
        for n, text in enumerate(XSS):
            ids.append(queue.submit_task(Task(payload={text: text}, metadata={text: [text]}, max_retries=0)))
            hands.claim()
            if n % 3 == 0:
                hands.end(ids[-1], "fail", error=f"ValueError: {text}\n{text}")
            elif n % 3 == 1:
                hands.run(
                    hands.protocol.progress(
                        ids[-1], hands.held[ids[-1]].fence, json.dumps({"value": 0.1, "message": text})
                    )
                )
                queue.checkpoint(ids[-1], {text: text})
            else:
                hands.end(ids[-1], "retry", error=text, delay_ms=600_000)
            redis_client.hset(f"{prefix}:schedules", text, text)
            redis_client.sadd(f"{prefix}:workers", f"w{n}")
            redis_client.hset(
                f"{prefix}:worker:w{n}", mapping={"host": text, "pid": text, "lists": text, "slots": text}
            )
            redis_client.sadd(f"{prefix}:queues", text)
        envelope = {"id": "x", "type": XSS[0], "created_at": XSS[1], "payload": 1, "queue": XSS[2]}
        redis_client.set(f"{prefix}:task:{ids[-1]}", json.dumps(envelope))
        return ids

    def test_nothing_of_it_is_markup(self, acting: Site, hostile: list[str]) -> None:
        paths = ["/", "/queues", "/workers", "/schedules", "/dead", *(f"/tasks/{task_id}" for task_id in hostile)]
        paths += [f"/tasks?status={status}" for status in ("failed", "retry", "running")]
        for path in paths:
            text = acting.text(path)
            for tag, found in Reader(text).elements:
                assert tag not in ("img", "iframe", "object", "embed", "base", "math", "style"), path
                assert tag != "script" or (found["src"] or "").startswith("/static/"), path
                assert not [name for name in found if name.startswith("on") or name in ("autofocus", "srcdoc")], path
                assert not str(found.get("href")).strip().lower().startswith(("javascript:", "//")), path
            for string in XSS:
                if "<" in string or '"' in string:
                    assert string not in text, (path, string)

    def test_in_what_is_looked_for(self, site: Site) -> None:
        for string in XSS:
            for name in ("id", "type", "queue", "priority", "since", "cursor", "status"):
                text = site.get("/tasks", params={name: string}).text
                if "<" in string or '"' in string:
                    assert string not in text, (name, string)


class TestSecrets:
    def test_the_password_of_the_server_is_not_shown(self, new_site: NewSite, settings, redis_url: str) -> None:  # type: ignore[no-untyped-def]
        import dataclasses

        from taskq.web import create_app
        from tests.web.conftest import serving

        url = redis_url.replace("redis://", "redis://default:hunter2@")
        hidden = dataclasses.replace(settings, redis_url=url, call_timeout_seconds=0.3)
        with serving(create_app(hidden, DashboardOptions(trusted=True))) as address:
            for path in ("/", "/tasks", "/nowhere"):
                assert "hunter2" not in Site(address).get(path).text

    def test_fields_are_hidden_by_name(self, site: Site, queue: TaskQueue) -> None:
        payload = {"user": "ada", "password": "hunter2", "deep": [{"API-Key": "hunter2", "Auth": {"x": "hunter2"}}],
                   "url": "postgres://app:hunter2@db/x", "header": "Bearer hunter2hunter2"}  # fmt: skip
        task_id = queue.submit_task(Task(payload=payload, metadata={"access_token": "hunter2"}))
        queue.checkpoint(task_id, {"cookie": "hunter2"})
        text = site.text(f"/tasks/{task_id}")
        assert "hunter2" not in text
        assert "ada" in text
        assert DOTS in text

    def test_errors_too(self, site: Site, queue: TaskQueue, hands: Hands) -> None:
        task_id = queue.submit_task(Task(max_retries=0))
        hands.work("fail", error="OSError: amqp://app:hunter2@mq refused")
        for path in ("/", "/dead", "/tasks?status=failed", f"/tasks/{task_id}"):
            text = site.text(path)
            assert "hunter2" not in text
            assert "amqp://app:" in text

    def test_errors_of_retries_too(self, site: Site, queue: TaskQueue, hands: Hands) -> None:
        task_id = queue.submit_task(Task(max_retries=3))
        hands.work("retry", error="OSError: amqp://app:hunter2@mq refused")
        text = site.text(f"/tasks/{task_id}")
        assert "Why it waits" in text
        assert "hunter2" not in text
        assert "amqp://app:" in text

    def test_nothing_at_all(self, new_site: NewSite, queue: TaskQueue) -> None:
        task_id = queue.submit_task(Task(payload={"note": "canary-7"}, metadata={"m": "canary-7"}))
        assert "canary-7" not in new_site(hide_payloads=True).text(f"/tasks/{task_id}")

    @pytest.mark.timeout(5)
    def test_deep_and_long_data(self) -> None:
        redaction = Redaction("secret")
        deep: object = "x"
        for _ in range(500):
            deep = [deep]
        assert "…" in redaction.json(deep)
        for long in ("y" * 300_000, "a://" * 75_000, "bearer " * 40_000, "a://b:" * 50_000, " " * 300_000):
            assert "cut: " in redaction.json(long)
        assert redaction.json({"a": "\x1b[31m\u202e"}).isprintable() is False  # line breaks of the indentation only
        assert "\u202e" not in redaction.json({"a": "\x1b[31m\u202e"})
