"""Plain data out of a pickle, without unpickling: no class is looked up and nothing is called.

The operations of the pickle are walked as ``pickletools`` lists them. Those that build JSON's own values are carried
out; any other one ends the reading.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

from taskq.errors import InvalidTask

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_SCALARS = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8".split()  # noqa: SIM905 - a list of words
)
_NOTHING = frozenset({"PROTO", "FRAME", "STOP"})
_CLASSES = frozenset(
    """GLOBAL STACK_GLOBAL INST OBJ REDUCE BUILD NEWOBJ NEWOBJ_EX EXT1 EXT2 EXT4 PERSID
    BINPERSID""".split()  # noqa: SIM905 - a list of words
)


class NotPlain(InvalidTask):
    """The pickle holds more than JSON can say."""


def read_plain(data: bytes) -> Any:
    """Return the value of a pickle that holds nothing but text, numbers, booleans, None, lists, tuples and dicts.

    Args:
        data: the pickle. It may come from anybody.

    Raises:
        NotPlain: if it holds anything else, or is damaged. An object that stands in it twice is refused as well:
            written out, it could be larger than any memory.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(data):
            machine.step(opcode.name, argument)
        (value,) = machine.stack
    except NotPlain:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise NotPlain(f"the pickle is damaged: {error}") from None
    return value


class _Machine:
    """The part of a pickle machine that builds plain values."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._builders: dict[str, Callable[[], None]] = {
            "MARK": lambda: self._marks.append(len(self.stack)),
            "MEMOIZE": lambda: self._remember(len(self._memo)),
            "EMPTY_LIST": lambda: self.stack.append([]),
            "EMPTY_DICT": lambda: self.stack.append({}),
            "EMPTY_TUPLE": lambda: self.stack.append(()),
            "LIST": lambda: self._push(self._since_mark()),
            "TUPLE": lambda: self._push(tuple(self._since_mark())),
            "TUPLE1": lambda: self._push(tuple(self._last(1))),
            "TUPLE2": lambda: self._push(tuple(self._last(2))),
            "TUPLE3": lambda: self._push(tuple(self._last(3))),
            "DICT": lambda: self._push(_filled({}, self._since_mark())),
            "APPEND": lambda: self._extend(self._last(1)),
            "APPENDS": lambda: self._extend(self._since_mark()),
            "SETITEM": lambda: self._fill(self._last(2)),
            "SETITEMS": lambda: self._fill(self._since_mark()),
        }

    def step(self, name: str, argument: Any) -> None:
        """Carry out one operation, or refuse it."""
        if name in _SCALARS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in self._builders:
            self._builders[name]()
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._remember(int(argument))
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._recall(int(argument))
        elif name not in _NOTHING:
            raise NotPlain(self._why(name, argument))

    def _push(self, value: Any) -> None:
        self.stack.append(value)

    def _remember(self, number: int) -> None:
        self._memo[number] = self.stack[-1]

    def _recall(self, number: int) -> None:
        value = self._memo[number]
        if isinstance(value, list | dict | tuple):
            raise NotPlain("the same list, tuple or dict stands in it twice")
        self.stack.append(value)

    def _since_mark(self) -> list[Any]:
        return self._last(len(self.stack) - self._marks.pop())

    def _last(self, number: int) -> list[Any]:
        if len(self.stack) < number:
            raise ValueError("it takes more from the stack than there is")
        at = len(self.stack) - number
        values, self.stack = self.stack[at:], self.stack[:at]
        return values

    def _extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, list):
            raise ValueError("it appends to something that is no list")
        target.extend(values)

    def _fill(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise ValueError("it sets items of something that is no dict")
        _filled(target, values)

    def _why(self, name: str, argument: Any) -> str:
        if name == "STACK_GLOBAL" and len(self.stack) >= 2:
            argument = f"{self.stack[-2]}.{self.stack[-1]}"
        if name in _CLASSES:
            shown = str(argument).replace(" ", ".")[:80] if isinstance(argument, str) else ""
            return f"it holds an object{f' of {shown}' if shown else ''}, which would have to be unpickled"
        return f"it holds {'bytes' if 'BYTES' in name or 'STRING' in name else f'{name}'}, which JSON cannot say"


def _filled(target: dict[str, Any], values: list[Any]) -> dict[str, Any]:
    keys = values[::2]
    if not all(isinstance(key, str) for key in keys):
        raise NotPlain("it holds a dict with keys that are no text")
    target.update(zip(keys, values[1::2], strict=True))
    return target
