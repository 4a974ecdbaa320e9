"""What a worker tells the others that it can run, and where it hears of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from taskq.registry import Registry
from taskq.worker.options import EngineOptions


def known_words(registry: Registry) -> str:
    """Return the types with the versions that can be run, as the server compares them: ``mail@1-3``."""
    words = []
    for task_type in registry.types:
        versions = registry.versions(task_type)
        words.append(f"{task_type}@{versions[0]}-{versions[-1]}")
    return " ".join(words)


def deploy_bell(registry: Registry, lists: Sequence[str]) -> str:
    """Return the name of the bell of all workers that know and serve the same.

    Workers that cannot run a task must not take the hint that is meant for those who can.
    """
    text = f"{' '.join(lists)} {known_words(registry)}"
    return f"@{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def bells_of(registry: Registry, options: EngineOptions) -> list[str]:
    """Return the names of the bells that a worker waits for."""
    return [*options.lists, deploy_bell(registry, options.lists)]


def knowledge(registry: Registry, lists: Sequence[str]) -> dict[str, str]:
    """Return the fields of the card that say so; ``types`` is for people."""
    return {
        "types": " ".join(registry.types)[:4000],
        "knows": known_words(registry),
        "bell": deploy_bell(registry, lists),
    }
