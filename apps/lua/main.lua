print("hello from " .. _VERSION)
local tasks, log = {}, {}
for _, name in ipairs({ "a", "b", "c" }) do
  tasks[#tasks + 1] = coroutine.wrap(function()
    for step = 1, 2 do log[#log + 1] = name .. step; coroutine.yield(true) end
  end)
end
while #tasks > 0 do
  local task = table.remove(tasks, 1)
  if task() then tasks[#tasks + 1] = task end
end
print("tasks: " .. table.concat(log, " "))
