"""What the pages say is so: tables, names, links, commands, keys."""

from __future__ import annotations

import configparser
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from taskq.cli import main
from taskq.errors import QueueFull
from taskq.model.task import Task
from taskq.protocol.keys import FAMILIES
from taskq.protocol.operations import SCRIPTS
from taskq.protocol.sessions import Exchange, keep
from taskq.protocol.view import family_of, read_dump
from taskq.queue import TaskQueue
from taskq.scheduler import TaskScheduler
from taskq.settings import FIELDS, SERVER_PARTS
from taskq.states import TRANSITIONS, Outcome, TaskStatus
from taskq.worker import TaskContext, TaskWorker
from taskq.worker.commit import commit_together
from taskq.workflow.commits import Together
from tests.waiting import eventually

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part == "build" for part in path.relative_to(ROOT).parts)
)
_TYPES = {"list": "list", "set": "set", "hash": "hash", "string": "string", "sorted set": "zset"}
_READS = {
    "list": ("LLEN", "LRANGE"),
    "set": ("SCARD", "SMEMBERS"),
    "hash": ("HGETALL", "HGET", "HMGET"),
    "string": ("GET",),
    "zset": ("ZRANGE", "ZREVRANGE"),
}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def table(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip().strip("|").split(" | ") for line in section.splitlines() if line.startswith("|")]
    assert rows, f"no table below {heading!r}"
    return [[cell.strip() for cell in row] for row in rows[2:]]


def fences(text: str) -> list[str]:
    return re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)


def spans(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL))


def words_of(cell: str) -> list[str]:
    return re.findall(r"`([a-z]+)`", cell)


# -- states and words --


def test_the_table_of_transitions_is_the_one_in_the_code() -> None:
    shown = {}
    for source, by, targets, sentence in table(read("docs/states.md"), "Transitions"):
        status = None if source == "(new)" else TaskStatus(source.strip("`"))
        assert (status, by) not in shown, f"{source} {by} stands there twice"
        shown[status, by] = tuple(TaskStatus(word) for word in words_of(targets))
        assert sentence.endswith(".")
    assert shown == {(status, str(by)): targets for (status, by), targets in TRANSITIONS.items()}


def test_every_status_has_its_place() -> None:
    rows = table(read("docs/states.md"), "Where a task is")
    assert [TaskStatus(row[0].strip("`")) for row in rows] == list(TaskStatus)


@pytest.mark.parametrize("word", sorted({*SCRIPTS, *(str(outcome) for outcome in Outcome)}))
def test_the_glossary_has_the_word(word: str) -> None:
    assert re.search(rf"\*\*{word}\*\*", read("docs/glossary.md"), re.IGNORECASE)


def test_the_glossary_has_every_status() -> None:
    assert set(TaskStatus) <= set(words_of(read("docs/glossary.md")))


def test_the_floors_are_those_that_are_checked() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    layers = setup["importlinter:contract:floors"]["layers"]
    shown = [word for row in table(read("docs/architecture.md"), "Floors") for word in words_of(row[0])]
    assert shown == re.findall(r"taskq\.(\w+)", layers)
    without_redis = setup["importlinter:contract:redis"]["source_modules"]
    assert {*re.findall(r"taskq\.(\w+)", without_redis), "transport"} == set(shown)


def test_where_to_look_for_a_change_there_is_a_file() -> None:
    """A name without a folder stands in the folder of the one before it, or in the one above that."""
    missing = []
    for _, places in table(read("docs/architecture.md"), "Where to change what"):
        folder = ROOT / "taskq"
        for name in re.findall(r"`([\w/]+(?:\.py|\.lua|/\w+|/))`", places):
            found = next((f for f in (folder, folder.parent, ROOT / "taskq") if (f / name).exists()), None)
            if found is None:
                missing.append(name)
            else:
                folder = (found / name).parent
    assert not missing


def test_what_is_to_be_broken_on_purpose_is_there() -> None:
    for what, path, _ in table(read("CONTRIBUTING.md"), "Break it on purpose"):
        for code in re.findall(r"(?:drop|for|of) `([^`]+)`", what):
            assert code in read(path.strip("`")), f"{path} has no {code}"


# -- keys --


@pytest.fixture
def kinds(redis_url: str, prefix: str) -> Iterator[dict[str, str]]:
    """The type of each family, as seen in a namespace in which everything happens."""
    seen: dict[str, str] = {}
    with TaskQueue(redis_url, prefix=prefix) as queue:
        protocol = queue.namespace.protocol

        def look() -> None:
            _, dump = queue.transport.run(protocol.snapshot())
            seen.update({family_of(name) or name: entry.kind for name, entry in read_dump(dump or []).items()})

        def look_while_running(task: Task, ctx: TaskContext) -> None:
            queue.transport.run(protocol.await_result(task.task_id, "address", 30_000))
            ctx.checkpoint("half")
            queue.signal(task.task_id, "go")
            commit_together(queue, ctx._attempt, Together(task.task_id, ctx._attempt.claim.fence, saga="running one"))
            said = Exchange("ada", task.task_id, ctx._attempt.claim.fence, "{}")
            queue.transport.run(keep(protocol, said, 20, 30_000))
            if task.unique_key:
                queue.submit_task(Task(task_type="echo", unique_key=task.unique_key, unique_policy="queue_one"))
            queue.fanout(task.task_id, [Task(task_type="echo", queue="mail")])
            look()

        # before anything else is limited, so that it holds its key alone
        queue.set_limit("customer", concurrency=1)
        queue.submit_task(Task(task_type="first", limit_keys=["customer:7"]))
        first = TaskWorker(queue)
        first.register_handler("first", lambda task: None)
        first.run_until_empty()
        scheduler = TaskScheduler(queue)
        scheduler.schedule_every("pulse", 0.1, Task(task_type="look"))
        scheduler.schedule_task_in(Task(), 3600)
        queue.set_limit("few", concurrency=1, rate="100/m")
        queue.set_sla("low", age=0.001)
        queue.set_limit("type:nothing", concurrency=1)
        queue.set_limit("window", rate="100/m", sliding=True)
        queue.set_queue_limit("narrow", max_tasks=1, on_full="block", timeout=0)
        queue.submit_task(Task(task_type="echo", queue="narrow"))
        with pytest.raises(QueueFull):
            queue.submit_task(Task(task_type="echo", queue="narrow"))
        queue.set_queue_limit("mail", max_bytes=100_000)
        queue.submit_batch([Task(task_type="look", limit_keys=["few", "window"]) for _ in range(2)])
        queue.submit_task(Task(task_type="look", unique_key="one", ordering_key="one"))
        queue.submit_task(Task(task_type="look", unique_key="two"))
        queue.submit_batch([Task(task_type="echo", group_key="customer-7") for _ in range(2)])
        queue.submit_task(Task(task_type="echo", queue="mail", payload="x" * 5000))
        queue.submit_task(Task(task_type="fail", max_retries=0))
        queue.cancel_task(queue.submit_task(Task(task_type="look", priority="low")))
        queue.pause(priority="low")
        queue.set_circuit("type:fail")
        queue.set_circuit("type:look", share=0.5)
        queue.pause(task_type="many")
        queue.submit_batch([Task(task_type="many") for _ in range(101)])
        eventually(scheduler.run_once, what="a slot that is due")
        queue.transport.run(protocol.watch(0))
        look()
        queue.submit_task(Task(task_type="unknown"))
        worker = TaskWorker(queue)
        worker.register_handler("look", look_while_running)
        worker.register_handler("fail", lambda task: 1 / task.payload)
        worker.run_until_empty()
        look()
        queue.resume(task_type="many")
        look()
        yield seen


def test_every_key_is_shown_with_its_type(kinds: dict[str, str]) -> None:
    assert kinds.keys() == FAMILIES.keys() - {"root", "events"}, "the fixture has to make every family"
    shown = {row[0]: (row[1], row[2]) for row in table(read("docs/redis-cli.md"), "All keys")}
    assert shown.keys() == FAMILIES.keys() - {"root"}
    for family, (keys, kind) in shown.items():
        for key in re.findall(r"`([^`]+)`", keys):
            assert re.sub("<.*", "", key) == FAMILIES[family], f"{family} is shown as {key}"
        assert kind == "channel" or _TYPES[kind] == kinds[family], f"{family} is shown as a {kind}"


def test_every_redis_command_fits_the_type_of_its_key(kinds: dict[str, str]) -> None:
    commands = re.findall(r"^\$ redis-cli (?:--raw )?(\w+) agent_queue:(\S+)", read("docs/redis-cli.md"), re.MULTILINE)
    assert len(commands) > 20
    assert FAMILIES.keys() - {"root", "events"} == {family_of(key) for _, key in commands} - {None}
    for command, key in commands:
        if command not in ("TTL", "SUBSCRIBE"):
            assert command in _READS[kinds[family_of(key) or ""]], f"{command} {key}"


# -- links and names --


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {slug(heading) for heading in re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)}


@every_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), f"{target} does not exist"
        assert not anchor or anchor in anchors(linked), f"{target}: there is no such heading"


@every_page
def test_every_file_that_is_named_exists(page: Path) -> None:
    for span in spans(page.read_text(encoding="utf-8")):
        if re.fullmatch(r"[\w./-]+/[\w./-]+\.(py|lua|md|toml)", span):
            assert any((folder / span).exists() for folder in (ROOT, ROOT / "taskq")), f"{span} does not exist"


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    files = {path.name for path in folder.glob("[0-9]*.md")}
    assert files == set(re.findall(r"\]\((\d{4}-[^)]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8")))


@every_page
def test_every_variable_is_a_setting(page: Path) -> None:
    known = {name for spec in FIELDS for name in spec.env} | {spec.name for spec, _ in SERVER_PARTS}
    known |= {"TASKQ_TEST_REDIS_URL", "TASKQ_TEST_SERVER", "TASKQ_TEST_BROWSER", "TASKQ_TEST_HISTORIES"}
    assert set(re.findall(r"\b(?:TASKQ|REDIS)_[A-Z_]+\b", page.read_text(encoding="utf-8"))) <= known


def test_the_settings_of_the_readme_have_the_defaults_of_the_full_table() -> None:
    full = {
        name: row[2].strip("`")
        for row in table(read("docs/configuration.md"), "All settings")
        for name in re.findall(r"`(\w+)`", row[1])
    }
    rows = table(read("README.md"), "Settings")
    assert len(rows) == 10
    for name, default, _ in rows:
        assert full[name.strip("`")] == default.strip("`"), name


@pytest.mark.parametrize("name", ["README.md", "docs/guarantees.md"])
def test_every_promise_names_a_test(name: str) -> None:
    text = read(name)
    rows = (
        [" ".join(row) for row in table(text, "What is promised")] if name == "README.md" else text.split("\n## ")[1:]
    )
    assert len(rows) == 7
    for row in rows:
        assert re.search(r"\((\.\./)?tests/\w+/test_\w+\.py\)", row), row


# -- figures --


def measured_rows(heading: str) -> dict[str, list[str]]:
    """Return what a table of the measurements has for each queue: the figure of each cell, without its spread."""
    section = read("docs/performance.md").partition(f"\n### {heading}\n")[2].partition("\n### ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return {name.strip("*"): [cell.split(" (")[0].split(" ×")[0] for cell in cells] for name, *cells in rows}


def measured_name(name: str) -> str:
    names = {"BullMQ": "BullMQ (Node)", "RQ, with `Retry`": "RQ", "Dramatiq on Redis": "Dramatiq"}
    names |= dict.fromkeys(("taskiq, stream", "stream broker of taskiq"), "taskiq-redis, stream")
    return names.get(name, name)


def test_the_figures_of_the_comparison_are_those_that_were_measured() -> None:
    submit, run, cost = (measured_rows(heading) for heading in ("Submit", "Run", "Cost"))
    rows = table(read("docs/comparison.md"), "How fast it is")
    assert len(rows) > 8
    for name, one_by_one, noop, cpu, server in rows:
        peer = measured_name(name)
        assert [one_by_one, noop, cpu] == [submit[peer][0], run[peer][0], run[peer][2]], name
        micros = f"{float(cost[peer][0].replace(',', '')):.0f}"
        assert server.strip(" |") in ("", f"{micros} µs", micros), name


def test_what_recovers_was_measured() -> None:
    recover = measured_rows("Recover")
    found = 0
    for name, _, until, _ in table(read("docs/comparison.md"), "What is promised"):
        for seconds in re.findall(r"(\S+ s) \*measured\*", until):
            assert recover[measured_name(name)][0] == seconds, name
            found += 1
    assert found > 3


def test_every_peer_says_what_was_read_of_it() -> None:
    page = read("docs/comparison.md")
    told = " ".join(row[0] for row in table(page, "What was read"))
    heads = re.findall(r"^\| \| taskq \| (.*) \|$", page, re.MULTILINE)
    assert len(heads) == 2
    for name in {name for head in heads for name in head.split(" | ")}:
        assert name in told, name


# -- commands --


def commands_of(text: str) -> Iterator[list[str]]:
    """Yield the words of each call of ``taskq`` in code, without the name of the program."""
    lines = [line for block in fences(text) for line in block.splitlines()] + spans(text)
    for line in lines:
        found = re.match(r"\s*(?:\$ )?(?:taskq|python (queue_worker|schedule_worker)\.py)( .*)?$", line)
        if found is not None:
            first = {None: [], "queue_worker": ["worker"], "schedule_worker": ["scheduler"]}[found[1]]
            yield first + shlex.split(found[2] or "", comments=True)


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    command: click.Command = main
    context = click.Context(main)
    for at, word in enumerate(words):
        if not isinstance(command, click.Group) or word.startswith("-"):
            return command, words[at:]
        below = command.get_command(context, word)
        assert below is not None, f"there is no command {' '.join(words[: at + 1])!r}"
        command = below
    return command, []


def flags_of(command: click.Command) -> set[str]:
    return {flag for parameter in command.get_params(click.Context(command)) for flag in parameter.opts}


@every_page
def test_every_command_exists_with_its_flags(page: Path) -> None:
    for words in commands_of(page.read_text(encoding="utf-8")):
        command, rest = resolve(words)
        unknown = {word.partition("=")[0] for word in rest if word.startswith("--")} - flags_of(command)
        assert not unknown, f"{' '.join(words)!r} has no {unknown}"


def test_every_flag_that_is_named_alone_exists() -> None:
    flags = flags_of(main)
    for name in main.list_commands(click.Context(main)):
        command = main.get_command(click.Context(main), name)
        assert command is not None
        below = command.commands.values() if isinstance(command, click.Group) else ()
        flags |= flags_of(command).union(*(flags_of(each) for each in below))
    for name in ("README.md", "docs/guarantees.md", "docs/architecture.md", "docs/glossary.md"):
        assert {span for span in spans(read(name)) if re.fullmatch(r"--[a-z-]+", span)} <= flags
