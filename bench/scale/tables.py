"""Tables of the server at rest: it doubles them as they fill, and moves a few entries with each write that follows."""

from __future__ import annotations

from collections.abc import Sequence

import redis

AT_ONCE = 10_000
# One that is not there is not made: the first member of a set cannot be taken out again without making it anew.
_STIR = """
local present = {}
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then present[#present + 1] = KEYS[i] end
end
for _ = 1, ARGV[1] do
  redis.call('SET', KEYS[1], '1', 'PX', 60000)
  redis.call('DEL', KEYS[1])
  for i = 1, #present do
    redis.call('SADD', present[i], 'stir')
    redis.call('SREM', present[i], 'stir')
  end
end
"""


def come_to_rest(admin: redis.Redis, sets: Sequence[str]) -> None:
    """Write and take back until the server has moved the tables of all keys, of all expiries, and of some sets."""
    sha = admin.script_load(_STIR)
    slots = max([admin.dbsize(), *(int(admin.scard(key)) for key in sets)])
    for _ in range(0, slots // 2, AT_ONCE):  # two writes each, and none moves less than the entries of one slot
        admin.evalsha(sha, 1 + len(sets), "stir", *sets, AT_ONCE)
