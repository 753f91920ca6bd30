-- The health of a DatabaseMigration for Argo CD, of its kstatus conditions.
-- Healthy: the database has what the spec asks for. Suspended: a person decides, as planned. Degraded: a person is needed.
-- Progressing: everything else, also what waits for a Secret or a server: it goes on by itself.
local decided_by_people = { Suspended = true, ApprovalPending = true, AwaitingCutover = true }

local health = { status = "Progressing", message = "waits for the operator" }
if obj.metadata.deletionTimestamp ~= nil then
  health.message = "is being deleted"
  return health
end

-- What was judged for an older spec says nothing about this one.
local function condition(type)
  if obj.status == nil or obj.status.conditions == nil then
    return nil
  end
  for _, found in ipairs(obj.status.conditions) do
    local current = found.observedGeneration == nil or found.observedGeneration == obj.metadata.generation
    if found.type == type and current then
      return found
    end
  end
  return nil
end

local ready = condition("Ready")
if ready == nil then
  return health
end
health.message = ready.reason
if ready.message ~= nil and ready.message ~= "" then
  health.message = ready.reason .. ": " .. ready.message
end

local stalled = condition("Stalled")
if ready.status == "True" then
  health.status = "Healthy"
elseif stalled ~= nil and stalled.status == "True" then
  if decided_by_people[stalled.reason] then
    health.status = "Suspended"
  else
    health.status = "Degraded"
  end
end
return health
