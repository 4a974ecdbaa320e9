"""The one way in which tests wait; it is part of the public test kit."""

from taskq.testing.waiting import eventually

__all__ = ["eventually"]
