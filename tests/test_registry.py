"""Handlers by type, and functions that are tasks."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from taskq.errors import InvalidTask, WrongArguments
from taskq.model.retry import RetryPolicy
from taskq.model.task import Task, TaskPriority
from taskq.registry import HandlerSpec, Registry, TaskDefinition, TaskOptions, define, spread


class Callable_:
    def __call__(self, task: Task) -> Task:
        return task


class AsyncCallable:
    async def __call__(self, task: Task) -> Task:
        return task


def one(task: Task) -> Any:
    return ("one", task)


def two(task: Task, ctx: Any) -> Any:
    return ("two", task, ctx)


async def awaited(task: Task) -> None: ...


async def awaited_two(task: Task, ctx: Any) -> None: ...


def with_default_ctx(task: Task, ctx: Any = None) -> Any:
    return ("ctx", ctx)


def with_option(task: Task, verbose: bool = False) -> Any:
    return ("verbose", verbose)


def any_number(*args: Any) -> Any:
    return args


def none_at_all() -> None: ...


def three(task: Task, ctx: Any, more: Any) -> None: ...


class TestRegister:
    @pytest.mark.parametrize(
        ("function", "is_async", "wants_context"),
        [
            (one, False, False),
            (two, False, True),
            (awaited, True, False),
            (awaited_two, True, True),
            (with_default_ctx, False, True),
            (with_option, False, False),
            (any_number, False, False),
            (Callable_(), False, False),
            (AsyncCallable(), True, False),
            (functools.partial(two, ctx="given"), False, False),
            (functools.partial(awaited_two), True, True),
            (lambda task: task, False, False),
            (lambda t, c: t, False, True),
            (print, False, False),
        ],
    )
    def test_what_a_handler_takes_is_seen(self, function: Any, is_async: bool, wants_context: bool) -> None:
        registry = Registry()
        registry.register("t", function)
        spec = registry.get("t")
        assert spec is not None
        assert (spec.is_async, spec.wants_context, spec.spreads) == (is_async, wants_context, False)

    @pytest.mark.parametrize(
        ("task_type", "function", "message"),
        [
            ("a b", one, "task type"),
            (None, one, "None cannot be used as a task type"),
            ("t", "one", "handler of 't' is a str, not a function"),
            ("t", none_at_all, r"takes 0 arguments: write it as fn\(task\) or fn\(task, ctx\)"),
            ("t", three, "takes 3 arguments"),
        ],
    )
    def test_what_cannot_be_a_handler(self, task_type: str, function: Any, message: str) -> None:
        with pytest.raises(InvalidTask, match=message):
            Registry().register(task_type, function)

    @pytest.mark.parametrize(
        ("function", "message"), [("one", "is a str, not a function"), (awaited, "is async: nobody awaits it")]
    )
    def test_what_cannot_be_an_up_caster(self, function: Any, message: str) -> None:
        with pytest.raises(InvalidTask, match=f"the up-caster of 't' {message}"):
            Registry().add_upcast("t", 1, function)

    def test_a_later_one_replaces_it(self) -> None:
        registry, other = Registry(), Registry()
        registry.register("b", one)
        registry.register("a", one)
        registry.register("b", two)
        assert (registry.types, len(registry)) == (["a", "b"], 2)
        other.register("b", one)
        registry.update(other)
        assert [spec.function for spec in registry] == [one, one]
        assert registry.get("c") is None

    def test_the_policy(self) -> None:
        policy, registry = RetryPolicy(), Registry()
        registry.register("t", one, policy)
        spec = registry.get("t")
        assert spec is not None
        assert spec.policy is policy


class TestCall:
    def test_a_handler_gets_the_task(self) -> None:
        task = Task()
        assert HandlerSpec("t", one).call(task, "ctx") == ("one", task)
        assert HandlerSpec("t", two, wants_context=True).call(task, "ctx") == ("two", task, "ctx")

    @pytest.mark.parametrize(
        ("payload", "arguments"),
        [
            ({"args": [1, 2], "kwargs": {"x": 3}}, ([1, 2], {"x": 3})),
            ({"args": [1]}, ([1], {})),
            ({"kwargs": {"x": 3}}, ([], {"x": 3})),
            ({"x": 3, "y": 4}, ([], {"x": 3, "y": 4})),
            ({"args": [1], "x": 2}, ([], {"args": [1], "x": 2})),
            ({}, ([], {})),
            (None, ([], {})),
            ("text", (["text"], {})),
            ([1, 2], ([[1, 2]], {})),
        ],
    )
    def test_a_decorated_function_gets_its_arguments(self, payload: Any, arguments: Any) -> None:
        assert spread(payload) == arguments
        spec = HandlerSpec("t", lambda *args, **kwargs: (list(args), kwargs), spreads=True)
        assert spec.call(Task(payload=payload), "ctx") == arguments

    def test_with_the_context_first(self) -> None:
        spec = HandlerSpec("t", lambda *args: args, wants_context=True, spreads=True)
        assert spec.call(Task(payload={"args": [1]}), "ctx") == ("ctx", 1)


class TestDefine:
    def define(
        self, function: Any, *, options: TaskOptions | None = None, **defaults: Any
    ) -> TaskDefinition[Any, Any, Any]:
        self.registry = Registry()
        self.sent: list[Task] = []
        return define(self.registry, function, self.sent.append, options or TaskOptions(), defaults)

    def test_a_plain_call_runs_it_here(self) -> None:
        add = self.define(lambda a, b=1: a + b, options=TaskOptions(name="add"))
        assert add(2, b=3) == 5
        assert self.sent == []

    def test_delay_and_submit_enqueue_it(self) -> None:
        add = self.define(lambda a, b=1: a + b, options=TaskOptions(name="add"), priority="high", max_retries=0)
        add.delay(2, b=3)
        add.submit(4)
        first, second = self.sent
        assert (first.task_type, first.payload) == ("add", {"args": [2], "kwargs": {"b": 3}})
        assert (first.priority.label, first.max_retries) == ("high", 0)
        assert second.payload == {"args": [4], "kwargs": {}}
        assert first.task_id != second.task_id

    def test_other_options(self) -> None:
        add = self.define(lambda a: a, options=TaskOptions(name="add"), priority="high", timeout=5)
        add.options(priority="low", queue="mail").delay(1)
        (task,) = self.sent
        assert (task.priority.label, task.queue, task.timeout) == ("low", "mail", 5)
        add.delay(1)
        assert self.sent[1].priority.label == "high"

    def test_the_name_is_that_of_the_function(self) -> None:
        definition = self.define(one)
        assert definition.task_type == f"{__name__}.one"
        assert (definition.__name__, definition.__wrapped__) == ("one", one)
        assert self.registry.types == [definition.task_type]

    def test_a_function_inside_another(self) -> None:
        def inner(task: Task) -> None: ...

        assert self.define(inner).task_type.endswith("test_a_function_inside_another.inner")

    def test_what_the_worker_is_told(self) -> None:
        policy = RetryPolicy()
        self.define(awaited, options=TaskOptions("t", True, policy))
        spec = self.registry.get("t")
        assert spec == HandlerSpec("t", awaited, is_async=True, wants_context=True, spreads=True, policy=policy)

    @pytest.mark.parametrize("call", ["delay", "submit"])
    def test_wrong_arguments_are_told_where_they_stand(self, call: str) -> None:
        add = self.define(lambda a, b=1: a + b, options=TaskOptions(name="add"))
        for task in (add, add.options(priority="high")):
            with pytest.raises(WrongArguments, match=r"unexpected keyword argument 'c'; it takes \(a, b=1\)"):
                getattr(task, call)(2, c=3)
        assert self.sent == []

    def test_the_context_is_no_argument_of_a_caller(self) -> None:
        add = self.define(lambda ctx, a: a, options=TaskOptions("add", pass_ctx=True))
        add.delay(a=2)
        with pytest.raises(WrongArguments, match="'ctx'"):
            add.delay(ctx=1, a=2)
        assert len(self.sent) == 1

    @pytest.mark.parametrize("defaults", [{"priority": "soon"}, {"timeout": 0}, {"max_retries": -1}])
    def test_a_wrong_default_is_told_where_it_stands(self, defaults: dict[str, Any]) -> None:
        with pytest.raises(InvalidTask):
            self.define(one, **defaults)

    def test_a_lambda_needs_a_name(self) -> None:
        with pytest.raises(InvalidTask, match="task type"):
            self.define(lambda: None)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("limit_key", r"no option 'limit_key': did you mean 'limit_keys'\?$"),
        ("delay", r"no option 'delay'.*schedule_task_in"),
        ("payload", "no option 'payload'$"),
    ],
)
def test_an_option_that_no_task_has_is_refused_at_once(option: str, said: str) -> None:
    function = TaskDefinition(len, "len", lambda task: task, {})
    with pytest.raises(InvalidTask, match=said):
        function.options(**{option: 2})
    assert function.options(priority="high").task([1], {}).priority is TaskPriority.HIGH
