"""Whether a call fits a function, without the call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from taskq.errors import WrongArguments
from taskq.model.retry import Discard

_KINDS = inspect.Parameter
# as the names of the parameters stand in the code of a function
_KINDS_IN_CODE = (
    _KINDS.POSITIONAL_ONLY,
    _KINDS.POSITIONAL_OR_KEYWORD,
    _KINDS.KEYWORD_ONLY,
    _KINDS.VAR_POSITIONAL,
    _KINDS.VAR_KEYWORD,
)
_MOST_SHOWN = 200


class Misfit(Discard):
    """Raised in place of a run whose payload is no call of the function: it never will be."""


class Arguments:
    """What a decorated function takes from its callers.

    It is asked at each submit and at each run, so Python itself looks at the arguments: they are given to a function
    that has the same parameters and no body. ``inspect.Signature.bind`` takes twenty times as long.

    Args:
        parameters: of the function.
        name: of the function, for messages.
    """

    __slots__ = ("_shown", "_take")

    def __init__(self, parameters: list[inspect.Parameter], name: str) -> None:
        self._shown = str(inspect.Signature(parameters))[:_MOST_SHOWN]
        self._take = _without_body(parameters, name)

    def check(self, args: Any, kwargs: Any, raises: type[Exception] = WrongArguments) -> None:
        """Check a call.

        Args:
            args: the positional arguments.
            kwargs: the others.
            raises: what is raised if the function cannot be called like this; it is told why, and what the function
                takes.

        Raises:
            WrongArguments: or what is said in its place.
        """
        try:
            self._take(*args, **kwargs)
        except TypeError as error:
            raise raises(f"{error}; it takes {self._shown}") from None


def _nothing() -> None:
    pass


def _without_body(parameters: list[inspect.Parameter], name: str) -> Callable[..., None]:
    """Return a function with these parameters that does nothing."""
    named = {kind: [p for p in parameters if p.kind is kind] for kind in _KINDS_IN_CODE}
    before, either, only, rest, more = named.values()
    names = tuple(p.name for some in named.values() for p in some)
    code = _nothing.__code__.replace(
        co_argcount=len(before) + len(either),
        co_posonlyargcount=len(before),
        co_kwonlyargcount=len(only),
        co_nlocals=len(names),
        co_varnames=names,
        co_flags=_nothing.__code__.co_flags | bool(rest) * inspect.CO_VARARGS | bool(more) * inspect.CO_VARKEYWORDS,
    )
    defaults = tuple(p.default for p in (*before, *either) if p.default is not p.empty)
    take = FunctionType(code, {}, name, defaults)
    take.__kwdefaults__ = {p.name: p.default for p in only if p.default is not p.empty}
    take.__qualname__ = name
    return take


def arguments_of(function: Callable[..., Any], *, after_context: bool = False) -> Arguments | None:
    """Return what a function takes; None if only the call can tell, or everything fits.

    What counts is the function that is called: one that stands around another one may take something else.

    Args:
        function: the function.
        after_context: whether its first argument is the context, which no caller gives.
    """
    if not isinstance(function, FunctionType):
        return None
    # without what decorators have noted about another function
    bare = FunctionType(function.__code__, {}, function.__name__, function.__defaults__, function.__closure__)
    bare.__kwdefaults__ = function.__kwdefaults__
    parameters = list(inspect.signature(bare).parameters.values())
    if after_context and parameters and parameters[0].kind in (_KINDS.POSITIONAL_ONLY, _KINDS.POSITIONAL_OR_KEYWORD):
        del parameters[0]
    if [p.kind for p in parameters] == [_KINDS.VAR_POSITIONAL, _KINDS.VAR_KEYWORD]:
        return None
    return Arguments(parameters, function.__qualname__.replace("<locals>.", ""))
