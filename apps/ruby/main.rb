puts "hello from #{RUBY_ENGINE}"
jobs, results = Queue.new, Queue.new
workers = 4.times.map { Thread.new { while (n = jobs.pop) do results << n * n end } }
(1..100).each { |n| jobs << n }
jobs.close
workers.each(&:join)
puts "squares of 1 to 100: #{Array.new(results.size) { results.pop }.sum}"
fiber = Fiber.new { 3.times { |n| Fiber.yield n } }
puts "fiber: #{3.times.map { fiber.resume }.join(' ')}"
