-- families: what becomes of the families that a task has made when it leaves
-- USES family children gathered
-- families are their names, with spaces between them

-- What a task has gathered is kept as long as the task itself. With nothing left of its time (0) it is deleted: the id of a
-- task that is gone may come back, and the next one has children of its own.
local function expire_families(families, ttl)
  for name in string.gmatch(families or '', '[^ ]+') do
    for _, key in ipairs({FAMILY .. name, CHILDREN .. name, GATHERED .. name}) do call('PEXPIRE', key, ttl) end
  end
end
