"""remember and history: one line per minute, whoever asks, and no more than a day of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from taskq.model.history import read_minutes
from taskq.model.moment import iso_utc
from tests.state import Bench, settle, task


def envelope(created_ms: int) -> str:
    return f'{{"id":"x","type":"echo","created_at":"{iso_utc(created_ms)}","payload":1}}'


def lines(bench: Bench, count: int = 1440) -> tuple[str, ...]:
    return bench.run(bench.protocol.history(count))


class TestRemember:
    def test_once_a_minute(self, bench: Bench) -> None:
        assert [bench.run(bench.protocol.remember()) for _ in range(3)] == [1, 0, 0]
        bench.move_clock(60)
        assert [bench.run(bench.protocol.remember()) for _ in range(2)] == [1, 0]
        assert len(lines(bench)) == 2

    def test_all_its_numbers(self, bench: Bench) -> None:
        for outcome in ("complete", "fail", "cancel", "retry"):
            bench.end("w1", settle(bench.claim_one(outcome), outcome))
        bench.claim_one("running")
        bench.submit(task("a"), task("b", "low", queue="mail"), task("c", "low"), task("d", due="+600000"))
        bench.run(bench.protocol.remember())
        (minute,) = read_minutes([lines(bench)])
        assert minute.at.endswith(":00.000Z")
        assert 0 <= bench.now_ms() - datetime.fromisoformat(minute.at).timestamp() * 1000 < 61_000
        assert minute.counters == {
            "submitted": 9, "completed": 1, "failed": 1, "cancelled": 1, "retried": 1, "recovered": 0, "replayed": 0,
        }  # fmt: skip
        assert minute.sizes == {
            "pending": 3, "scheduled": 1, "running": 1, "retry": 1, "waiting": 0, "dead_letters": 1, "workers": 1,
        }  # fmt: skip
        assert minute.depths == {"urgent": 0, "high": 0, "normal": 1, "low": 2}
        assert (minute.oldest_seconds, minute.rates) == (0, {})

    @pytest.mark.parametrize(
        "moment", ["2024-02-29T23:59:59", "2025-03-01T00:00:00", "2000-12-31T12:00:00", "1999-01-01T00:00:01"]
    )
    def test_the_age_of_the_oldest(self, bench: Bench, moment: str) -> None:
        created_ms = int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)
        bench.submit(task("young", body=envelope(bench.now_ms())))
        bench.submit(task("old", "low", queue="mail", body=envelope(created_ms)))
        bench.run(bench.protocol.remember())
        (minute,) = read_minutes([lines(bench)])
        assert abs(minute.oldest_seconds - (bench.now_ms() - created_ms) / 1000) < 5

    def test_a_clock_ahead_of_the_server_makes_no_negative_age(self, bench: Bench) -> None:
        bench.submit(task("a", body=envelope(bench.now_ms() + 3_600_000)))
        bench.run(bench.protocol.remember())
        assert read_minutes([lines(bench)])[0].oldest_seconds == 0

    def test_no_more_than_a_day(self, bench: Bench) -> None:
        old = [f"{minute * 60_000} " + " ".join("0" * 19) for minute in range(1500)]
        bench.client.rpush(bench.key("history"), *old)
        bench.client.expire(bench.key("history"), 1000)
        bench.run(bench.protocol.remember())
        kept = lines(bench, 5000)
        assert (len(kept), kept[0]) == (1440, old[61])
        assert 86_300 < bench.client.ttl(bench.key("history")) <= 86_400

    def test_of_very_many_queues_some(self, bench: Bench) -> None:
        bench.submit(*(task(f"t{n}", queue=f"q{n}") for n in range(300)))
        bench.run(bench.protocol.remember())
        (minute,) = read_minutes([lines(bench)])
        assert (minute.sizes["pending"], minute.depths["normal"]) == (300, 250)


def line(minute: int, **numbers: int) -> str:
    names = ["submitted", "completed", *"fcrrr", "pending", *"srrw", "dead", "workers", "oldest", *"uhnl"]
    return " ".join([str(minute * 60_000), *(str(numbers.get(name, 0)) for name in names)])


class TestReadMinutes:
    def test_rates_are_differences(self) -> None:
        minutes = read_minutes([[line(1, submitted=10), line(2, submitted=70), line(4, submitted=190, completed=60)]])
        assert [minute.rates.get("submitted") for minute in minutes] == [None, 1.0, 1.0]
        assert minutes[2].rates["completed"] == 0.5

    def test_a_flushed_namespace_makes_no_negative_rate(self) -> None:
        assert read_minutes([[line(1, submitted=10), line(2, submitted=3)]])[1].rates["submitted"] == 0

    def test_partitions_are_summed_up(self) -> None:
        minutes = read_minutes(
            [
                [line(1, submitted=1, pending=5, oldest=2000), line(2, submitted=61)],
                [line(1, submitted=10, pending=1, oldest=9000)],
            ]
        )
        assert [(m.counters["submitted"], m.sizes["pending"], m.oldest_seconds) for m in minutes] == [
            (11, 6, 9.0),
            (71, 1, 9.0),
        ]

    @pytest.mark.parametrize("broken", ["", "foreign", "60000 1 2", line(1).replace("0", "x"), "-1 " + line(1)])
    def test_foreign_lines_are_skipped(self, broken: str) -> None:
        assert [m.at for m in read_minutes([[broken, line(3), line(2) + " 7 8"]])] == [
            "1970-01-01T00:02:00.000Z",
            "1970-01-01T00:03:00.000Z",
        ]
