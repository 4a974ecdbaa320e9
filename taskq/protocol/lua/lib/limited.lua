-- limited: say which tasks are counted, so that claims look at no others
-- USES limits gates circuits limited
-- The types that have a limit, a circuit or a pause, '*' for all of them; before them '#' if any key has, and ':' if that is the
-- whole key of tasks, not its name alone.

-- reads only; '' if nothing is counted
local function limited_text()
  local types, keyed, whole = '', '', ''
  for _, hash in ipairs({LIMITS, GATES, CIRCUITS}) do
    local words = call('HGETALL', hash)
    for i = 1, #words, 2 do
      local word = string.match(words[i], '^!?(.*)$')
      local kind = string.match(word, '^type:(.*)$')
      if word == 'type' then
        types = types .. '*'
      elseif kind then
        types = types .. ' ' .. kind .. ' '
      else
        keyed = '#'
        if word == words[i] and string.find(word, ':', 1, true) then whole = ':' end
      end
    end
  end
  return keyed .. whole .. types
end

local function write_limited()
  local text = limited_text()
  if text == '' then call('DEL', LIMITED) else call('SET', LIMITED, text) end
end

-- reads only: whether it names all that is counted; it may name more, for what was counted once
local function names_all()
  local wanted, text = limited_text(), call('GET', LIMITED) or ''
  for _, mark in ipairs({'#', ':'}) do
    if string.find(wanted, mark, 1, true) and not string.find(text, mark, 1, true) then return false end
  end
  if string.find(text, '*', 1, true) then return true end
  for kind in string.gmatch(string.match(wanted, '^#?:?(.*)$'), '[^ ]+') do
    if not string.find(text, kind == '*' and '*' or ' ' .. kind .. ' ', 1, true) then return false end
  end
  return true
end
