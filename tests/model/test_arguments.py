"""Whether a call fits a function, without the call."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from taskq.errors import InvalidTask, WrongArguments
from taskq.model.arguments import arguments_of


def two(order: int, prices: Any = (1, 2), *, vat: float = 0.2) -> None: ...


def placed(first: int, second: int = 2, /, *rest: int, named: int) -> None: ...


def anything(*args: Any, **kwargs: Any) -> None: ...


async def awaited(ctx: Any, order: int) -> None: ...


def many(*args: Any) -> None: ...


def injecting(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that gives the first argument itself."""

    @functools.wraps(function)
    def wrapper(order: int) -> Any:
        return function("a session", order)

    return wrapper


@injecting
def within(session: str, order: int) -> None: ...


FITS: list[tuple[Callable[..., Any], list[Any], dict[str, Any]]] = [
    (two, [1], {}),
    (two, [], {"order": 1, "vat": 0}),
    (placed, [1, 2, 3, 4], {"named": 5}),
    (within, [1], {}),
    (many, [1, 2, 3], {}),
]
MISFITS = [
    (two, [], {}, r"two\(\) missing 1 required positional argument: 'order'; it takes \(order, prices="),
    (two, [1, 2, 3], {}, "takes from 1 to 2 positional arguments but 3 were given"),
    (two, [1], {"order": 2}, "multiple values for argument 'order'"),
    (two, [1], {"vta": 2}, "unexpected keyword argument 'vta'"),
    (placed, [], {"first": 1, "named": 2}, "placed"),
    (within, ["a session", 1], {}, "takes 1 positional argument but 2 were given; it takes"),
    (many, [], {"a": 1}, "unexpected keyword argument"),
    (two, 7, {}, "must be an iterable"),
    (two, [], 7, "must be a mapping"),
]


@pytest.mark.parametrize(("function", "args", "kwargs"), FITS)
def test_what_fits(function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    arguments = arguments_of(function)
    assert arguments is not None
    arguments.check(args, kwargs)


@pytest.mark.parametrize(("function", "args", "kwargs", "message"), MISFITS)
def test_what_does_not(function: Callable[..., Any], args: Any, kwargs: Any, message: str) -> None:
    arguments = arguments_of(function)
    assert arguments is not None
    with pytest.raises(WrongArguments, match=message) as caught:
        arguments.check(args, kwargs)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, InvalidTask)


def test_no_caller_gives_the_context() -> None:
    arguments = arguments_of(awaited, after_context=True)
    assert arguments is not None
    arguments.check([1], {})
    with pytest.raises(WrongArguments, match=r"awaited.* missing 1 .* 'order'; it takes \(order\)$"):
        arguments.check([], {})
    with pytest.raises(WrongArguments, match="'ctx'"):
        arguments.check([], {"ctx": 1, "order": 2})


@pytest.mark.parametrize("function", [anything, print, functools.partial(two, 1), dict])
def test_where_only_the_call_can_tell(function: Callable[..., Any]) -> None:
    assert arguments_of(function) is None
