-- running: what is known of a task only while it runs, one line for each in one hash
-- USES running
-- "fence worker list attempt started [keys whose permits it holds] flags"; flags is '-', or h if the task has a state
-- besides, c if it is asked to stop, l if it holds permits of limits.
-- One hash for all, so that a turn reads, writes and deletes its tasks with one call each.
local function read_record(record)
  local fence, worker, list, attempt, started, held, flags =
    string.match(record or '', '^(%S+) (%S+) (%S+) (%d+) (%d+)(.*) ([-hcl]+)$')
  if not fence or (held ~= '') ~= (string.find(flags, 'l', 1, true) ~= nil) then return nil end
  return {fence = fence, worker = worker, list = list, attempt = tonumber(attempt), started = started,
    held = held ~= '' and string.sub(held, 2) or nil, flags = flags}
end

local function write_record(id, run)
  call('HSET', RUNNING, id, table.concat({run.fence, run.worker, run.list, run.attempt, run.started,
    run.held and run.held .. ' ' .. run.flags or run.flags}, ' '))
end

local function add_flag(id, run, flag)
  if string.find(run.flags, flag, 1, true) then return end
  run.flags = string.gsub(run.flags, '-', '') .. flag
  write_record(id, run)
end
