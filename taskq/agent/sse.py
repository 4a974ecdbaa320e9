"""Read a stream of server-sent events, as the HTTP APIs of models send it. No I/O here."""

from __future__ import annotations

from collections.abc import Iterator

MOST_PENDING_BYTES = 1_048_576


class EventReader:
    """Takes the bytes of a stream as they come and returns the data of each event."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[str] = []

    def feed(self, received: bytes) -> Iterator[str]:
        """Yield the data of the events that these bytes complete.

        Raises:
            ValueError: if a line is no UTF-8, or an event is longer than 1 MB.
        """
        lines = (self._rest + received).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            text = line.removesuffix(b"\r").decode("utf-8")
            if not text and self._data:
                yield "\n".join(self._data)
                self._data = []
            elif text.startswith("data:"):
                self._data.append(text[5:].removeprefix(" "))
            # comments, which keep the connection open, and names of events mean nothing to us
        if len(self._rest) + sum(map(len, self._data)) > MOST_PENDING_BYTES:
            raise ValueError("an event is longer than 1 MB")

    def end(self) -> Iterator[str]:
        """Yield what is left when the stream has ended: some servers leave out the last empty line."""
        yield from self.feed(b"\n\n")
