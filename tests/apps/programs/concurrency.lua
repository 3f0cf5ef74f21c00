-- Lua: coroutines as generators and as tasks of a round-robin scheduler, files, a required module.
local function numbers(n)
  return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end)
end
local sum = 0
for value in numbers(100000) do sum = sum + value end
print(sum)

local tasks, log = {}, {}
local function spawn(body, ...) tasks[#tasks + 1] = table.pack(coroutine.create(body), ...) end
for worker = 1, 5 do
  spawn(function(id)
    for step = 1, 3 do
      log[#log + 1] = id .. ":" .. step
      coroutine.yield()
    end
  end, worker)
end
while #tasks > 0 do
  local task = table.remove(tasks, 1)
  assert(coroutine.resume(table.unpack(task)))
  if coroutine.status(task[1]) ~= "dead" then tasks[#tasks + 1] = { task[1] } end
end
print(table.concat(log, " "))
local failing = coroutine.create(function() coroutine.yield(1); error("inside", 0) end)
print(coroutine.resume(failing)); print(coroutine.resume(failing)); print(coroutine.status(failing))
do local closed <close> = setmetatable({}, { __close = function() print("closed") end }) end

local part = require("concurrency_part")
print(part.name, pcall(require, "no_such_module") == false, _VERSION, #arg, arg[1])
local path = os.tmpname()
local file = assert(io.open(path, "w"))
file:write(("x"):rep(10000)); file:close()
print(#io.open(path):read("a"), os.remove(path), io.open(path) == nil)
print(os.date("!%F", 0), string.format("%5.2f %q %d", math.pi, "a\nb", 1 << 40), utf8.len("äö"), os.getenv("TZ"))
print(select("#", string.byte(string.pack("<i4d", 5, 1.5), 1, -1)), collectgarbage("count") > 10)
io.stderr:write("to standard error\n")
os.exit(3, true)
