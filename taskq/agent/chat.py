"""``ChatModel``: a model behind an HTTP API of the OpenAI kind, as the handler of an agent."""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from taskq.agent.completion import Reply, error_in, retry_after_seconds, whole_reply
from taskq.errors import SettingsError
from taskq.kinds import Secret
from taskq.model.moment import seconds_to_ms
from taskq.model.retry import Discard, Retry

if TYPE_CHECKING:
    import httpx

    from taskq.agent.context import AgentContext

BASE_URL = "https://api.openai.com/v1"
_CONNECT_SECONDS = 10.0
_MOST_BODY_BYTES = 8 * 2**20
_MOST_SAID_CHARS = 500
# Worth another run: the server is busy, restarting, or has given up too early. All else says that the request is wrong.
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_HINTS = {401: "look at OPENAI_API_KEY or api_key", 403: "the key may not do that", 404: "look at base_url and model"}


class ChatModel:
    """Answers queries with a model: ``AgentExecutor(ChatModel("small-model"))``. Needs the extra ``agent`` (httpx).

    A text is sent as the message of a user, behind what the session has; a list of messages as it is. The answer comes
    with ``model``, ``finish_reason`` and ``usage`` in the result. A busy server (429, 503 and the like) makes the task
    run later, after the time of ``Retry-After`` if there is one; a refusal ends it.

    Args:
        model: its name; None: the variable ``OPENAI_MODEL``.
        base_url: up to and with ``/v1``; None: ``OPENAI_BASE_URL``, else that of OpenAI.
        api_key: None: ``OPENAI_API_KEY``; empty: none is sent. It is shown nowhere.
        system: what stands before each conversation.
        timeout: seconds that the server may be silent; the ``timeout`` of the task limits the whole.
        stream: whether to fetch the answer piece by piece, so that progress shows it.
        parameters: sent along as they are: ``temperature=0``, ``max_tokens=500``, ...; None takes one out.

    Raises:
        SettingsError: if httpx is not installed, or a value cannot be used.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        system: str | None = None,
        timeout: float = 60.0,
        stream: bool = True,
        **parameters: Any,
    ) -> None:
        try:
            import httpx
        except ImportError:
            raise SettingsError("a ChatModel needs httpx, which is not installed: pip install 'taskq[agent]'") from None
        self._httpx = httpx
        chosen = model or os.environ.get("OPENAI_MODEL")
        if not chosen:
            raise SettingsError("a ChatModel needs the name of a model: ChatModel('...'), or the variable OPENAI_MODEL")
        self.model = chosen
        self.base_url = _checked_url(base_url or os.environ.get("OPENAI_BASE_URL") or BASE_URL)
        self._key = _checked_key(os.environ.get("OPENAI_API_KEY", "") if api_key is None else api_key)
        self._system = system
        self._silence_seconds = seconds_to_ms(timeout, "timeout") / 1000
        self._connect_seconds = min(_CONNECT_SECONDS, self._silence_seconds)
        self._stream = stream
        self._parameters = parameters
        self._tls: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return f"<ChatModel {self.model!r} at {self.base_url}>"

    async def __call__(self, query: Any, ctx: AgentContext) -> AsyncIterator[str | dict[str, Any]]:
        """Ask the model; yield the answer piece by piece, and then what else it says.

        Args:
            query: text, or a list of messages.
            ctx: of the attempt.

        Raises:
            Retry: if the server is busy or away, breaks off, or sends what cannot be read.
            Discard: if it refuses the request.
        """
        url, body = f"{self.base_url}/chat/completions", self._body(query, ctx.exchanges)
        try:
            async with (
                self._client() as client,
                client.stream("POST", url, json=body, headers=self._headers()) as response,
            ):
                if response.status_code != 200:
                    raise self._refusal(response, await self._error_body(response))
                if "text/event-stream" in response.headers.get("content-type", ""):
                    reply = Reply()
                    async for received in response.aiter_bytes():
                        for piece in reply.feed(received):
                            yield piece
                    reply.end()
                else:
                    reply = whole_reply(await self._body_of(response, _MOST_BODY_BYTES))
                    yield reply.text
        except self._httpx.ConnectTimeout:
            raise Retry(reason=f"{self.base_url} cannot be reached within {self._connect_seconds:g} s") from None
        except self._httpx.TimeoutException:
            raise Retry(reason=f"{self.base_url} has been silent for {self._silence_seconds:g} s") from None
        except self._httpx.RequestError as error:
            raise Retry(reason=self._clean(f"{self.base_url}: {type(error).__name__}: {error}")) from None
        except ValueError as error:
            raise Retry(reason=self._clean(f"{self.base_url} has sent what cannot be read: {error}")) from None
        yield {"model": reply.model or self.model, "finish_reason": reply.finish_reason, "usage": reply.usage}

    def _client(self) -> httpx.AsyncClient:
        if self._tls is None:  # it takes longer to make than a request on the same machine
            self._tls = self._httpx.create_ssl_context()
        timeout = self._httpx.Timeout(self._silence_seconds, connect=self._connect_seconds)
        return self._httpx.AsyncClient(timeout=timeout, verify=self._tls)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key.reveal()}"} if self._key else {}

    def _body(self, query: Any, exchanges: list[dict[str, Any]]) -> dict[str, Any]:
        messages: list[Any] = [{"role": "system", "content": self._system}] if self._system else []
        if isinstance(query, list):
            messages += query
        elif isinstance(query, str):
            for said in exchanges:
                messages += [
                    {"role": "user", "content": said["query"]},
                    {"role": "assistant", "content": said["answer"]},
                ]
            messages.append({"role": "user", "content": query})
        else:
            raise Discard(f"a model is asked with text or a list of messages, not with a {type(query).__name__}")
        body: dict[str, Any] = {"model": self.model, "messages": messages}
        if self._stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return {name: value for name, value in {**body, **self._parameters}.items() if value is not None}

    async def _body_of(self, response: httpx.Response, most_bytes: int) -> bytes:
        body = b""
        async for received in response.aiter_bytes():
            body += received
            if len(body) > most_bytes:
                raise ValueError(f"the answer is longer than {most_bytes:,} bytes")
        return body

    async def _error_body(self, response: httpx.Response) -> str:
        try:
            return error_in(await self._body_of(response, 65_536))
        except (ValueError, self._httpx.RequestError):  # the status says enough
            return ""

    def _refusal(self, response: httpx.Response, said: str) -> Exception:
        status = response.status_code
        shown = self._clean(f"{self.base_url} has answered {status}" + (f": {said}" if said else ""))
        if status in _PASSING:
            return Retry(retry_after_seconds(response.headers), shown)
        hint = "base_url leads elsewhere" if 300 <= status < 400 else _HINTS.get(status)
        return Discard(shown + (f" ({hint})" if hint else ""))

    def _clean(self, text: str) -> str:
        """Return a text without the key, which some servers repeat in their errors."""
        text = text.replace(self._key.reveal(), "***") if self._key else text
        return text[:_MOST_SAID_CHARS]


def _checked_url(url: str) -> str:
    parts = urlsplit(url.strip())
    # none of these is shown in the message: what should not be there may be a secret
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(
            "base_url of a ChatModel (or OPENAI_BASE_URL) is no address such as http://localhost:8000/v1"
        )
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise SettingsError(
            "base_url of a ChatModel (or OPENAI_BASE_URL) has a user, a password or a query in it, which logs would "
            "show: leave it out and give the key as api_key or OPENAI_API_KEY"
        )
    return url.strip().rstrip("/").removesuffix("/chat/completions")


def _checked_key(key: str) -> Secret:
    bare = (key.reveal() if isinstance(key, Secret) else key).strip()
    if not (bare.isascii() and bare.isprintable()) or " " in bare:
        raise SettingsError("api_key of a ChatModel (or OPENAI_API_KEY) has characters that no key has")
    return Secret(bare)
