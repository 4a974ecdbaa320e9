"""The heart of a worker process: settle and claim in turns, feed the runners, wait without polling.

One thread owns the connection. Runners put what they have finished into a deque; all of it leaves with the next turn
(group commit), which also claims as many tasks as slots are free then. Only when a claim found nothing does the engine
sleep, on the bell in the server and on the runners.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence

from taskq.errors import ServerUnavailable, TaskqError
from taskq.protocol.replies import Settlement, TurnReply
from taskq.queue import TaskQueue
from taskq.registry import Registry
from taskq.transport.bell import Bell
from taskq.worker.aging import plan_for
from taskq.worker.attempt import Attempt, Tally, TaskTimeout
from taskq.worker.context import TaskContext
from taskq.worker.dependents import guarded
from taskq.worker.flight import take_load
from taskq.worker.knowledge import bells_of, knowledge
from taskq.worker.link import Guard
from taskq.worker.membership import Membership
from taskq.worker.options import EngineOptions
from taskq.worker.relay import Relay
from taskq.worker.runners import LoopRunner
from taskq.worker.slots import Slots
from taskq.worker.turns import Turns
from taskq.worker.waiter import Waiter
from taskq.worker.watched import judge_for

log = logging.getLogger("taskq.worker")

# A reply that takes longer than this is waited for with the patience that a dead connection needs.
_WATCH_SECONDS = 1.0
# How long tasks that usually take microseconds may wait behind one that does not.
_NAP_SECONDS = 0.002
# Hints that a dead waiter has taken are rung again at least this often while there is work.
_RING_SECONDS = 0.1


class Engine:
    """Claims, runs and settles tasks until it is stopped.

    Args:
        queue: whose tasks.
        registry: the handlers.
        options: what to serve.
        guard: who beats for this worker.
    """

    # whether a turn of it may wait in the server
    _parks = True

    def __init__(self, queue: TaskQueue, registry: Registry, options: EngineOptions, guard: Guard) -> None:
        self._queue = queue
        self._registry = registry
        self._options = options
        self._guard = guard
        self._protocol = queue.namespace.protocol
        self._line = queue.transport.own_line()
        self.membership = Membership(self._line, self._protocol, queue.settings, guard, options.name)
        self.judge = judge_for(queue.settings, registry, lambda: self.membership.worker, self.server_now_ms)
        self._waiter = Waiter(Bell(queue.transport.endpoint, self._protocol.bell_keys(bells_of(registry, options))))
        self._plan = plan_for(queue, options)
        self.tally = Tally()
        self._held: dict[str, Attempt] = {}
        self._settlements: deque[tuple[Attempt | None, Settlement]] = deque()
        self._loop = LoopRunner(self.judge, self.finished)
        self.slots = Slots(options.slots, self.judge, self.finished)
        # the server works on one while the runners work on another's tasks
        self._turns = Turns(self._protocol, self.membership, self._waiter, self._plan)
        self._flights = self._turns.flights
        self._offset_ms = time.time_ns() // 1_000_000 - time.monotonic_ns() // 1_000_000
        self._claimed = 0
        # claimed, and not yet given to a runner
        self._fresh: deque[Attempt] = deque()
        self._fresh_coroutines: list[Attempt] = []
        self._relay = Relay(self._serve)
        self._stopping = False
        self._lost = False
        self._hold = False
        self._due_ms = -1
        # whether the next turn is to ring for what it leaves: after a hint was taken, and now and then
        self._ring_on = True
        self._ring_at = 0.0

    @property
    def used_up(self) -> bool:
        """Whether it has claimed as many tasks as it may."""
        return self._options.max_tasks is not None and self._claimed >= self._options.max_tasks

    @property
    def running(self) -> int:
        """How many tasks it holds."""
        return len(self._held)

    # -- for other threads --

    def finished(self, attempt: Attempt, settlement: Settlement, more: bool) -> None:
        """Take the outcome of an attempt from a runner; ``more`` will follow within microseconds."""
        self._settlements.append((attempt, settlement))
        if not more and (not self._flights or self._worth_a_turn()):
            self._waiter.wake()

    def stop(self) -> None:
        """Claim nothing more and end when everything that runs has ended."""
        self._stopping = True
        self.membership.give_up()
        self._waiter.wake()

    def rest(self, resting: bool, reason: str = "supervisor") -> None:
        """Claim nothing for the time being, or go on if there is no other reason; what runs goes on anyway."""
        self.slots.rest(resting, reason)
        self._waiter.wake()

    def resize(self, slots: int) -> None:
        """Run this many tasks at a time from now on; what runs in one too many goes on."""
        self.slots.resize(slots)
        self._waiter.wake()

    def cancel(self, task_ids: Sequence[str]) -> None:
        """Ask running attempts to end."""
        for task_id in task_ids:
            attempt = self._held.get(task_id)
            if attempt is not None and not attempt.cancel_requested:
                log.info("task %s is asked to stop", task_id)
                attempt.cancel()
                if self._options.cancel_grace_seconds is not None:
                    self._watch(attempt, self.judge.stubborn(attempt), self._options.cancel_grace_seconds)

    def lost(self, worker: str) -> None:
        """Take note that the lease of this worker was lost."""
        if worker == self.membership.worker:
            self._lost = True
            self._waiter.wake()

    def shaky(self) -> None:
        """Take note that no beat came through for most of a lease: running handlers are told to stop."""
        for attempt in list(self._held.values()):
            attempt.lost = True

    def abandon(self, patience_seconds: float = 5.0) -> list[str]:
        """Hand everything that still runs back to the heads of the lists, uncharged, and return the ids.

        Args:
            patience_seconds: how long to try if the server is away; then the lease brings them back.
        """
        ended = {settlement.task_id for _, settlement in list(self._settlements)}
        attempts = [attempt for attempt in list(self._held.values()) if attempt.claim.task_id not in ended]
        settles = [self.judge.released(attempt) for attempt in reversed(attempts)]
        if settles:
            try:
                refused = self._queue.transport.run(self._protocol.settle(settles), patience_seconds)
                self.tally.released += len(settles) - len(refused)
            except TaskqError as error:
                log.warning("could not hand back %d running tasks: %s", len(settles), error)
        # not before: what a handler returns because it is to end must not be taken for the result of the task
        for attempt in attempts:
            attempt.lost = True
        until = time.monotonic() + min(1.0, patience_seconds)
        # what has just ended is settled by the engine
        while (self._settlements or self._flights) and time.monotonic() < until:
            time.sleep(0.01)
        return [attempt.claim.task_id for attempt in attempts]

    def server_now_ms(self) -> int:
        """Return the server's time, as far as it is known."""
        return self._offset_ms + time.monotonic_ns() // 1_000_000

    # -- the engine's own thread --

    def run(self) -> None:
        """Register, serve until stopped, and sign off.

        Raises:
            TaskqError: if the server refuses to work with us at all.
        """
        try:
            self._set_clock(self.membership.register(self._card()))
            self._relay.run()
            self.membership.leave()
        except ServerUnavailable as error:
            log.warning("ended without the server: %s", error)
        finally:
            self.slots.runner.stop()
            self._loop.stop()
            self._waiter.close()
            self._line.close()

    def _card(self) -> dict[str, str]:
        return {
            "slots": str(self.slots.number),
            "lists": " ".join(self._options.lists),
            **knowledge(self._registry, self._options.lists),
            **self._options.card,
        }

    def _serve(self) -> None:
        look = True
        flights, slots = self._flights, self.slots
        while self._held or self._settlements or flights or self._accepting():
            if self._lost and not flights:
                self._come_back()
                look = self._ring_on = True
            if slots.changed and slots.adjust():
                look = self._ring_on = True
            if not flights and not (look or self._settlements):
                look = self._sleep()
                if not flights:
                    continue
            elif not flights or self._another():
                look = self._take_off()
                continue
            # after a sleep this is a turn that has waited with the worker: its reply is here
            look = self._land()
            if self._light() and not self._relay.watched(self._run_here):
                return

    def _light(self) -> bool:
        """Return whether all there is to do is a few tiny tasks, so that it costs less to do it here."""
        fresh = self._fresh
        alone = len(fresh) == len(self._held) and not (self._settlements or self._flights or self._fresh_coroutines)
        return len(fresh) > 0 and alone and self.slots.runner.light(fresh)

    def _run_here(self) -> None:
        for attempt in self._next_fresh():
            self.slots.runner.run_here(attempt)

    def _next_fresh(self) -> Iterator[Attempt]:
        """Take one by one what no runner has yet; a thread that was relieved may be doing so, too."""
        while self._fresh:
            try:
                yield self._fresh.popleft()
            except IndexError:
                return

    def _accepting(self) -> bool:
        return not self._stopping and not self.used_up

    def _free(self) -> int:
        """Return how many tasks may be claimed now."""
        if not self._accepting() or self.slots.resting or (self._hold and self._held):
            return 0
        free = max(0, self.slots.number - len(self._held) - self._turns.asked)
        most = self._options.max_tasks
        return free if most is None else min(free, most - self._claimed - self._turns.asked)

    def _sleep(self) -> bool:
        self._dispatch()
        self._waiter.lie_down()
        if self._settlements or self._lost or (self._stopping and not self._held):
            self._waiter.get_up()
            return False
        if self.slots.runner.backlog():
            # a thread has more before it than the task it runs: if that takes long, another one has to help
            self._waiter.nap(_NAP_SECONDS)
            self.slots.runner.help()
            return False
        # a hint that comes when every slot is taken belongs to somebody else: the turn it leads to rings again
        free = self._free() > 0
        look = self._turns.sleep(free, self._due_ms, free and self._parks and not self._held)
        self._ring_on = self._ring_on or look
        return look

    def _worth_a_turn(self) -> bool:
        """Return whether enough has ended for a turn beside one that is on its way."""
        return len(self._settlements) * 4 >= self.slots.number

    def _another(self) -> bool:
        """Wait for the turn on its way; return True if before its reply enough ends for a second one."""
        self._dispatch()
        if self._turns.full or self._lost or self.slots.number == 1:
            return False
        self._waiter.lie_down()
        while not self._worth_a_turn():
            fd = self.membership.fileno()
            if fd < 0 or not self._waiter.watch(fd, _WATCH_SECONDS):
                self._waiter.get_up()
                return False
            self._waiter.lie_down()
        self._waiter.get_up()
        return True

    def _take_off(self) -> bool:
        """Send a turn that settles what has ended, and claims; return False, for the reply tells what else there is."""
        settled = take_load(self._settlements)
        for attempt, _ in settled:
            if attempt is not None:
                self._let_go(attempt)
        ring_on = self._ring_on or time.monotonic() >= self._ring_at
        self._turns.send(settled, min(self._free(), self.slots.share), ring_on)
        return False

    def _land(self) -> bool:
        """Take the reply to the turn that was sent first; return whether there may be more to claim at once."""
        flight = self._turns.next_landing()
        member = self.membership
        try:
            reply = self._turns.reply(flight)
        except ServerUnavailable:  # only when it is to end; what still runs is waited for
            return False
        if not reply.registered or reply.superseded:
            self._settlements.extendleft(reversed(flight.settled))
            self._lost = self._lost or not reply.registered
            return False
        if flight.ring_on:
            self._ring_on, self._ring_at = False, time.monotonic() + _RING_SECONDS
        self._note(reply, flight.settled)
        idle = not (self._held or self._settlements or self._flights)
        if reply.claims:
            self._start(reply)
        elif self._options.burst and flight.want and idle and not reply.hold:
            self._stopping = True
        if self._plan.learns and flight.want:
            held = (self._held.get(claim.task_id) for claim in reply.claims)
            self._plan.note(flight.lists, flight.want, [attempt.task.priority for attempt in held if attempt])
        if member.reconnected and not self._flights:
            self._dispatch()
            member.repair([*self._held, *(settlement.task_id for _, settlement in self._settlements)])
        return len(reply.claims) == flight.want > 0 and self._free() > 0

    def _let_go(self, attempt: Attempt) -> None:
        # a task that was taken away may have come back meanwhile: that attempt is still held
        ours = self._held.get(attempt.claim.task_id) is attempt
        if ours:
            del self._held[attempt.claim.task_id]
        attempt.over = True
        if attempt.watched and ours:
            self._guard.tell({"unwatch": attempt.claim.task_id})

    def _note(self, reply: TurnReply, settled: Sequence[tuple[Attempt | None, Settlement]]) -> None:
        self._set_clock(reply.now_ms)
        self._hold = reply.hold
        self._due_ms = reply.wait_ms
        refused = reply.refused
        self.tally.count([ended.outcome for _, ended in settled if ended.task_id not in refused])
        for task_id in refused:
            self.tally.refused += 1
            log.warning(
                "the outcome of task %s was refused: its lease was lost, and the task has gone on without this worker",
                task_id,
            )

    def _set_clock(self, now_ms: int) -> None:
        self._offset_ms = now_ms - time.monotonic_ns() // 1_000_000

    def _start(self, reply: TurnReply) -> None:
        plain, coroutines = self._fresh, self._fresh_coroutines
        self._claimed += len(reply.claims)
        for claim in reply.claims:
            attempt = self.judge.admit(claim)
            if isinstance(attempt, Settlement):
                self._settlements.append((None, attempt))
                continue
            if attempt.task.depends_on:
                attempt.spec = guarded(attempt.spec)
            if attempt.spec.wants_context:
                attempt.ctx = TaskContext(attempt, self._queue, self.judge.completion)
            self._held[claim.task_id] = attempt
            (coroutines if attempt.spec.is_async else plain).append(attempt)
            if attempt.task.timeout is not None:
                timeout = attempt.task.timeout
                overdue = self.judge.overdue(attempt, TaskTimeout(f"{timeout:g} s"))
                self._watch(attempt, overdue, timeout + self._options.timeout_grace_seconds)

    def _dispatch(self) -> None:
        """Give to the runners what was claimed last."""
        if self._fresh_coroutines:
            self._loop.dispatch(self._fresh_coroutines)
            self._fresh_coroutines = []
        if plain := list(self._next_fresh()):
            self.slots.runner.dispatch(plain)

    def _watch(self, attempt: Attempt, settlement: Settlement, seconds: float) -> None:
        """Tell the guardian how to settle this task if it holds on for so long that its process has to be killed."""
        attempt.watched = True
        self._guard.tell({"watch": list(settlement), "at": time.monotonic() + seconds})
        if attempt.over:  # meanwhile, and perhaps before anybody knew that it is watched
            self._guard.tell({"unwatch": attempt.claim.task_id})

    def _come_back(self) -> None:
        self._lost = False
        self._turns.unpark()
        for attempt in list(self._held.values()):
            attempt.lost = True
        if self._held:
            log.warning("%d running tasks are disowned; their outcomes will be refused", len(self._held))
        self._set_clock(self.membership.come_back(self._card()))
