"""Tasks of both kinds."""

from __future__ import annotations

from typing import Any

from django.db import connection

from taskq.contrib.django import get_queue
from taskq.contrib.django.interface import task

app = get_queue()


@task
def add(a: int, b: int = 0) -> int:
    return a + b


@task
async def add_async(a: int, b: int) -> int:
    return a + b


@task(takes_context=True, queue_name="mail")
def attempt(context: Any, text: str) -> list[Any]:
    return [context.attempt, context.task_result.id, text]


@task
def broken() -> None:
    raise LookupError("no such order")


@task
def connect() -> str:
    found = "new" if connection.connection is None else "old"
    connection.ensure_connection()
    return found


@app.task(name="shop.greet")
def greet(name: str) -> str:
    return f"Hello, {name}!"
