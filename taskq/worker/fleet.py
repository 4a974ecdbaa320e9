"""One engine for each partition that a process serves, with one set of slots between them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from taskq.errors import SettingsError
from taskq.protocol.keys import split_list_name
from taskq.queue import TaskQueue
from taskq.registry import Registry
from taskq.states import TaskPriority
from taskq.worker.engine import Engine
from taskq.worker.link import Guard, Message
from taskq.worker.options import EngineOptions
from taskq.worker.room import PATIENCE_SECONDS, Room


class PartitionGuard:
    """Tells the guardian, with each message, which partition it is about.

    Args:
        guard: of the process.
        partition: of the engine.
    """

    def __init__(self, guard: Guard, partition: int) -> None:
        self._guard = guard
        self._partition = partition

    def tell(self, message: Message) -> None:
        """Pass a message on."""
        self._guard.tell({**message, "partition": self._partition})


class SharingEngine(Engine):
    """An engine that claims only as much as there is room for in its process."""

    # slots are granted for one turn at a time
    _parks = False

    def __init__(self, queue: TaskQueue, registry: Registry, options: EngineOptions, guard: Guard, room: Room) -> None:
        super().__init__(queue, registry, options, guard)
        self._room = room
        self._granted = 0
        self._invited = False

    @property
    def used_up(self) -> bool:
        """Whether the process has claimed as many tasks as it may."""
        return self._room.used_up

    def run(self) -> None:
        """As of any engine."""
        try:
            super().run()
        finally:
            self._room.leave(self)

    def _invite(self) -> None:
        self._invited = True
        self._waiter.wake()

    def _free(self) -> int:
        return min(super()._free(), self._granted)

    def _take_off(self) -> bool:
        held = len(self._held) - sum(attempt is not None for attempt, _ in list(self._settlements))
        idle = not self._accepting() or self.slots.resting or (self._hold and held > 0)
        want = 0 if idle else max(0, min(self.slots.share, self.slots.number - held))
        self._invited = False
        self._granted = self._room.take(self, want, held, self._invite)
        before = self._claimed
        try:
            # one turn at a time: what the room has granted must be used or given back before more is asked for
            super()._take_off()
            self._dispatch()
            return self._land()
        finally:
            self._room.settle(self, len(self._held), self._claimed - before, self._hold and bool(self._held))

    def _sleep(self) -> bool:
        if not self._granted:
            # in the line: an invitation may be long in coming if another partition's server is away
            self._granted = self.slots.number
            patience_ms = round(PATIENCE_SECONDS * 1000)
            self._due_ms = patience_ms if self._due_ms < 0 else min(self._due_ms, patience_ms)
        self._waiter.lie_down()  # what is said from here on wakes
        if self._invited:
            self._waiter.get_up()
            return True
        return super()._sleep() or self._invited


class Fleet:
    """The engines of one process, with the verbs of one engine.

    Args:
        engines: at least one; the first one serves all lists.
        room: if they share all slots.
    """

    def __init__(self, engines: Sequence[Engine], room: Room | None = None) -> None:
        self._engines = engines
        self._room = room

    @property
    def engines(self) -> Sequence[Engine]:
        """One for each partition."""
        return self._engines

    @property
    def used_up(self) -> bool:
        """Whether one of them has claimed as many tasks as it may; the others end with it."""
        return any(engine.used_up for engine in self._engines)

    @property
    def running(self) -> int:
        """How many tasks its engines hold."""
        return sum(engine.running for engine in self._engines)

    @property
    def tally(self) -> FleetTally:
        """The counts of all engines."""
        return FleetTally(self._engines)

    def run(self) -> None:
        """Serve until stopped; if one engine is refused by its server, the others end too.

        Raises:
            TaskqError: if a server refuses to work with us at all.
        """
        errors: list[BaseException] = []

        def serve(engine: Engine) -> None:
            try:
                engine.run()
                if engine.used_up:
                    self.stop()
            except BaseException as error:
                errors.append(error)
                self.stop()

        threads = [
            threading.Thread(target=serve, args=(engine,), name=f"taskq engine {index}", daemon=True)
            for index, engine in enumerate(self._engines)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def stop(self) -> None:
        """Claim nothing more and end when everything that runs has ended."""
        for engine in self._engines:
            engine.stop()

    def rest(self, resting: bool, reason: str = "supervisor") -> None:
        """Claim nothing for the time being, or go on if there is no other reason."""
        for engine in self._engines:
            engine.rest(resting, reason)

    def resize(self, slots: int) -> None:
        """Run this many tasks at a time from now on; reserved slots stay as many as they are.

        Raises:
            SettingsError: if no slot but the reserved ones would be left.
        """
        if self._room is not None:
            self._room.resize(slots)
            for engine in self._engines:
                engine.resize(slots)
            return
        reserved = sum(engine.slots.number for engine in self._engines[1:])
        if slots <= reserved:
            raise SettingsError(f"{reserved} slots are reserved: the concurrency must be {reserved + 1} or more")
        self._engines[0].resize(slots - reserved)

    def cancel(self, task_ids: Sequence[str]) -> None:
        """Ask running attempts to end."""
        for engine in self._engines:
            engine.cancel(task_ids)

    def lost(self, worker: str) -> None:
        """Take note that the lease of a worker was lost."""
        for engine in self._engines:
            engine.lost(worker)

    def shaky(self) -> None:
        """Take note that no beat came through for most of a lease."""
        for engine in self._engines:
            engine.shaky()

    def abandon(self, patience_seconds: float = 5.0) -> list[str]:
        """Hand everything that still runs back to the heads of the lists, and return the ids."""
        return [task_id for engine in self._engines for task_id in engine.abandon(patience_seconds)]


class FleetTally:
    """The counts of some engines together."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        self._engines = engines

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        total: Counter[str] = Counter()
        for engine in self._engines:
            total.update(engine.tally.as_dict())
        return {name: total[name] for name in self._engines[0].tally.as_dict()}


AnyEngine = Engine | Fleet


def served(count: int, chosen: Sequence[int]) -> tuple[int, ...]:
    """Return the partitions that a worker serves: the chosen ones, all if none are.

    Raises:
        SettingsError: if the queue has no such partition.
    """
    for index in chosen:
        if not 0 <= index < count:
            raise SettingsError(
                f"there is no partition {index}: the queue has {count}, numbered from 0 (TASKQ_PARTITIONS)"
            )
    return tuple(chosen) or tuple(range(count))


def engine_for(
    queue: TaskQueue, registry: Registry, options: EngineOptions, guard: Guard, partitions: Sequence[int]
) -> AnyEngine:
    """Return what serves some partitions of a queue.

    Raises:
        SettingsError: if the queue has no such partition.
    """
    count = queue.settings.partitions
    indices = served(count, partitions)
    if options.reserve and count > 1:
        raise SettingsError(
            "slots cannot be reserved in a queue of several partitions, whose engines share all slots: run another "
            "worker for the urgent lists, with --priorities"
        )
    if options.reserve:
        return Fleet([Engine(queue, registry, part, guard) for part in with_reserves(options)])
    if count == 1:
        return Engine(queue, registry, options, guard)
    room = Room(options.slots, options.max_tasks)
    return Fleet(partition_engines(queue, registry, options, guard, indices, room), room)


def partition_engines(
    queue: TaskQueue, registry: Registry, options: EngineOptions, guard: Guard, partitions: Sequence[int], room: Room
) -> list[Engine]:
    """Return an engine for each of some partitions, with one set of slots between them."""
    return [
        SharingEngine(
            queue.partition(index),
            registry,
            replace(options, max_tasks=None, card={**options.card, "partition": str(index)}),
            PartitionGuard(guard, index),
            room,
        )
        for index in partitions
    ]


def with_reserves(options: EngineOptions) -> list[EngineOptions]:
    """Return what the engines of a worker with reserved slots serve: one for all lists, one for each reserve.

    An engine of its own, since whoever has only reserved slots left must not listen to the bells of other lists.
    """
    parts = [replace(options, slots=options.slots - sum(options.reserve.values()), reserve={})]
    for label, slots in options.reserve.items():
        least = TaskPriority.parse(label)
        lists = [name for name in options.lists if split_list_name(name)[1] >= least]
        if not lists:
            raise SettingsError(f"{slots} slots are reserved for {label}, but the worker serves no such list")
        parts.append(replace(options, lists=lists, slots=slots, reserve={}, card={**options.card, "reserved": label}))
    return parts
