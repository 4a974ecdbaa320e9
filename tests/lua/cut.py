"""Scripts with a short way, cut in two, so that a test sees which one a call takes and that both end alike."""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha1

from taskq.protocol.operations import load_scripts
from taskq.protocol.scripts import Script

LONG_WAY = "it takes the long way"
_BEGIN, _END = "\nrepeat\n", "\nuntil true\n"
# the call and the line that returns what it has answered
_ALONE = re.compile(r"^    local reply = alone\(\)\n.*\n", re.MULTILINE)


def ways_of(name: str) -> tuple[Script, Script]:
    """Return a script without its long way, which then fails, and without its short one."""
    script = load_scripts("shifted_clock")[name]
    before, _, rest = script.source.partition(_BEGIN)
    short, _, long = rest.partition(_END)
    assert short, f"the short way of {name} begins with 'repeat'"
    assert long, f"the short way of {name} ends with 'until true'"
    failing = f"return redis.error_reply('ERR {LONG_WAY}')\n"
    return rewritten(script, before + _BEGIN + short + _END + failing), rewritten(script, before + "\n" + long)


def turns_of_one() -> tuple[Script, Script]:
    """Return ``turn`` with nothing but the way of one task alone, and without that way."""
    script = load_scripts("shifted_clock")["turn"]
    short, _ = ways_of("turn")
    failing = f"    do return redis.error_reply('ERR {LONG_WAY}') end\n"
    only, number = _ALONE.subn(lambda found: found[0] + failing, short.source)
    assert number == 1, "the way of one task alone ends with a reply"
    return rewritten(script, only), rewritten(script, _ALONE.sub("", script.source))


def rewritten(script: Script, source: str) -> Script:
    """Return a script with another text."""
    return replace(script, source=source, sha=sha1(source.encode(), usedforsecurity=False).hexdigest())
