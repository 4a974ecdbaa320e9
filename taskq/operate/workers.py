"""Steer workers from elsewhere: whoever is meant, and what they are told, written once for both clients."""

from __future__ import annotations

import difflib
import re
from typing import Any

from taskq.errors import WorkerNotFound
from taskq.flows import Flow
from taskq.flows import workers as workers_of
from taskq.model.names import check_name
from taskq.model.views import WorkerInfo
from taskq.model.wish import Wish
from taskq.partitions import Spread, workers

# what follows the name in the id of a worker
_MADE_UP = re.compile(r"-[0-9a-f]{8}\Z")
_MOST_SHOWN = 10


def tell_workers(spread: Spread[Any], name: str, wish: Wish) -> Flow[list[str]]:
    """Tell the worker of an id, or all workers of a name, what they are to do; return their ids."""
    check_name(name, "worker name")
    told: list[str] = []
    ids: list[str] = []
    for context in spread.contexts:
        known: bool = yield context.protocol.wish(name, wish)
        if known:
            return [name]
    for context in spread.contexts:
        for info in (yield from workers_of(context)):
            ids.append(info.worker_id)
            if _named(info, name) and (yield context.protocol.wish(info.worker_id, wish)):
                told.append(info.worker_id)
    if not told:
        raise not_found(name, ids)
    return told


def get_workers(spread: Spread[Any], name: str) -> Flow[list[WorkerInfo]]:
    """Return the worker of an id, or all workers of a name."""
    check_name(name, "worker name")
    found = yield from workers(spread)
    meant = [info for info in found if info.worker_id == name] or [info for info in found if _named(info, name)]
    if not meant:
        raise not_found(name, [info.worker_id for info in found])
    return meant


def _named(info: WorkerInfo, name: str) -> bool:
    return _MADE_UP.sub("", info.worker_id) == name


def not_found(name: str, ids: list[str]) -> WorkerNotFound:
    """Return the error for a worker that is not registered, with those that may be meant."""
    if not ids:
        return WorkerNotFound(f"there is no worker {name}, for none is registered: `taskq worker` starts one")
    names = sorted({*ids, *(_MADE_UP.sub("", worker) for worker in ids)})
    near = difflib.get_close_matches(name, names, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"registered are {', '.join(sorted(ids)[:_MOST_SHOWN])}"
    more = f" and {len(ids) - _MOST_SHOWN} more" if not near and len(ids) > _MOST_SHOWN else ""
    return WorkerNotFound(f"there is no worker {name}: {hint}{more} (`taskq worker ls`)")
