# Ruby: threads with queues, a condition variable, a pipe between threads, fibers, a ractor.
require "timeout"
require "json"
require "digest"
require "socket"
require_relative "concurrency_part"

jobs = Queue.new
results = SizedQueue.new(10)
workers = 8.times.map { Thread.new { while (n = jobs.pop) != :stop; results << n * n; end } }
adder = Thread.new { 1000.times.sum { results.pop } }
1000.times { |n| jobs << n }
8.times { jobs << :stop }
workers.each(&:join)
puts adder.value

mutex = Mutex.new
condition = ConditionVariable.new
ready = false
waiter = Thread.new { mutex.synchronize { condition.wait(mutex) until ready; puts "woken" } }
mutex.synchronize { ready = true; condition.signal }
waiter.join
count = 0
10.times.map { Thread.new { 200.times { mutex.synchronize { count += 1 } } } }.each(&:join)
puts count

fiber = Fiber.new { 3.times { |n| Fiber.yield n }; :done }
p 4.times.map { fiber.resume }
numbers = Enumerator.new { |y| a = b = 1; loop { y << a; a, b = b, a + b } }
p numbers.lazy.select(&:even?).first(5), numbers.next, numbers.next, numbers.next
ractor = Ractor.new { Ractor.receive * 2 }
ractor.send(21)
p ractor.take

begin
  Timeout.timeout(0.05) { sleep }
rescue Timeout::Error => error
  puts "late: #{error.class}"
end
reader, writer = IO.pipe
Thread.new { writer.puts "through a pipe"; writer.close }
puts reader.read
left, right = UNIXSocket.pair
echo = Thread.new { right.write(right.gets.upcase) }
left.puts "socket"
echo.join
puts left.readpartial(10)
trap("USR1") { puts "signal" }
Process.kill("USR1", Process.pid)
sleep 0.01
puts JSON.generate({ a: [1, 2.5, nil] }), Digest::SHA256.hexdigest("krait"), PART
Thread.new { Thread.current.report_on_exception = false; raise "in a thread" }.join rescue puts $!.message
at_exit { puts "at exit" }
warn "to standard error"
exit 9
