-- limited: say which tasks are counted, so that claims look at no others
-- USES limits gates circuits limited
-- The types that have a limit, a circuit or a pause, '*' for all of them; '#' before them if any key has.
local function write_limited()
  local types, keyed = '', ''
  for _, hash in ipairs({LIMITS, GATES, CIRCUITS}) do
    local words = call('HGETALL', hash)
    for i = 1, #words, 2 do
      local word = string.match(words[i], '^!?(.*)$')
      local kind = string.match(word, '^type:(.*)$')
      if word == 'type' then types = types .. '*' elseif kind then types = types .. ' ' .. kind .. ' ' else keyed = '#' end
    end
  end
  if types == '' and keyed == '' then call('DEL', LIMITED) else call('SET', LIMITED, keyed .. types) end
end
