-- verdict: when a family is done, by its policy
-- returns whether a family is done, and how: 'completed', 'failed', or nil
local function verdict(policy, need, total, completed, failed)
  if policy == 'fail_fast' and failed > 0 then return 'failed' end
  if policy == 'quorum' and completed >= need then return 'completed' end
  if policy == 'quorum' and failed > total - need then return 'failed' end
  return completed + failed >= total and 'completed' or nil
end
