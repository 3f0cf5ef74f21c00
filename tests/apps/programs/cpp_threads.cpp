// What C++20 has for threads, once each; prints only what is certain.
#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <future>
#include <iostream>
#include <latch>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <queue>
#include <semaphore>
#include <shared_mutex>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
constexpr int THREADS = 8;

template <typename Body> void together(Body body)
{
    std::vector<std::jthread> threads;
    for (int n = 0; n < THREADS; n++)
        threads.emplace_back(body, n);
}

struct Counted {
    static std::atomic<int> alive;
    int value = ++alive;
    ~Counted() { alive--; }
};
std::atomic<int> Counted::alive;
thread_local Counted counted;

int slow_square(int n)
{
    std::this_thread::sleep_for(1ms);
    return n * n;
}

int main()
{
    { // futures
        std::vector<std::future<int>> squares;
        for (int n = 1; n <= 50; n++)
            squares.push_back(std::async(n % 5 ? std::launch::async : std::launch::deferred, slow_square, n));
        int sum = 0;
        for (auto &square : squares)
            sum += square.get();
        std::cout << "async " << sum << std::endl;
        std::promise<std::string> promise;
        auto shared = promise.get_future().share();
        std::atomic<int> got = 0;
        {
            std::jthread first([&] { got += shared.get().size(); }), second([&] { got += shared.get().size(); });
            std::cout << "not ready " << (shared.wait_for(5ms) == std::future_status::timeout) << std::endl;
            promise.set_value("value");
        }
        std::cout << "promise " << got << std::endl;
        std::packaged_task<int()> task([]() -> int { throw std::runtime_error("in a task"); });
        auto result = task.get_future();
        std::thread(std::move(task)).join();
        try {
            result.get();
        } catch (const std::runtime_error &error) {
            std::cout << "caught " << error.what() << std::endl;
        }
        try {
            auto abandoned = std::promise<int>().get_future();
            abandoned.get();
        } catch (const std::future_error &error) {
            std::cout << "broken " << (error.code() == std::future_errc::broken_promise) << std::endl;
        }
    }
    { // mutexes
        std::mutex mutex;
        std::recursive_mutex recursive;
        std::timed_mutex timed;
        std::shared_mutex shared;
        std::shared_timed_mutex shared_timed;
        long plain = 0, nested = 0, both = 0, written = 0;
        std::atomic<bool> torn = false;
        together([&](int n) {
            for (int i = 0; i < 500; i++) {
                { std::lock_guard hold(mutex); plain++; }
                { std::lock_guard outer(recursive); std::lock_guard inner(recursive); nested++; }
                { std::scoped_lock hold(mutex, timed, recursive); both++; }
                if (n == 0) {
                    std::unique_lock hold(shared);
                    written++;
                    written++;
                } else {
                    std::shared_lock hold(shared);
                    if (written % 2)
                        torn = true;
                }
            }
        });
        std::cout << "mutexes " << plain << " " << nested << " " << both << " " << written << " " << torn << std::endl;
        std::lock_guard hold(timed);
        std::shared_lock reading(shared_timed);
        std::jthread([&] {
            std::cout << "timed " << timed.try_lock_for(5ms) << shared_timed.try_lock_for(5ms)
                      << shared_timed.try_lock_shared_for(5ms) << std::endl;
            shared_timed.unlock_shared();
        }).join();
    }
    { // conditions, with a stop token
        std::mutex mutex;
        std::condition_variable_any condition;
        std::queue<int> queue;
        std::atomic<long> sum = 0;
        {
            std::vector<std::jthread> workers;
            for (int n = 0; n < THREADS; n++)
                workers.emplace_back([&](std::stop_token stop) {
                    std::unique_lock hold(mutex);
                    while (condition.wait(hold, stop, [&] { return !queue.empty(); })) {
                        sum += queue.front();
                        queue.pop();
                    }
                });
            for (int n = 1; n <= 1000; n++) {
                std::lock_guard hold(mutex);
                queue.push(n);
                condition.notify_one();
            }
            while (sum != 500500)
                std::this_thread::yield();
        } // asks each to stop, and joins
        std::cout << "stopped " << sum << " " << queue.size() << std::endl;
        std::condition_variable plain;
        std::unique_lock hold(mutex);
        std::cout << "late " << (plain.wait_for(hold, 5ms) == std::cv_status::timeout)
                  << (plain.wait_until(hold, std::chrono::system_clock::now() + 5ms) == std::cv_status::timeout) << std::endl;
        std::stop_source source;
        int called = 0;
        std::stop_callback callback(source.get_token(), [&] { called++; });
        source.request_stop();
        std::cout << "callback " << called << std::endl;
    }
    { // latch, barrier, semaphore, atomic wait
        std::latch latch(THREADS);
        std::atomic<int> arrived = 0, wrong = 0, phases = 0;
        std::barrier barrier(THREADS, [&]() noexcept { phases++; });
        std::counting_semaphore<3> slots(3);
        std::atomic<int> inside = 0, most = 0, turn = 0;
        together([&](int n) {
            arrived++;
            latch.arrive_and_wait();
            if (arrived != THREADS)
                wrong++;
            for (int i = 0; i < 20; i++)
                barrier.arrive_and_wait();
            for (int i = 0; i < 50; i++) {
                slots.acquire();
                int now = ++inside, seen = most;
                while (seen < now && !most.compare_exchange_weak(seen, now))
                    ;
                inside--;
                slots.release();
            }
            for (int round = 0; round < 20; round++) { // each in its turn
                int mine = round * THREADS + n;
                for (int now = turn; now != mine; now = turn)
                    turn.wait(now);
                turn++;
                turn.notify_all();
            }
        });
        std::cout << "latch " << wrong << " barrier " << phases << " semaphore " << (most <= 3) << " turns " << turn << std::endl;
        std::binary_semaphore none(0);
        std::cout << "none " << none.try_acquire() << none.try_acquire_for(5ms) << std::endl;
        std::atomic_flag flag;
        std::jthread setter([&] { flag.test_and_set(); flag.notify_one(); });
        flag.wait(false);
        auto pointer = std::make_shared<std::atomic<long>>(0);
        together([pointer](int) { for (int i = 0; i < 1000; i++) pointer->fetch_add(1, std::memory_order_relaxed); });
        std::atomic<std::shared_ptr<int>> published;
        std::jthread publisher([&] { published.store(std::make_shared<int>(42)); });
        while (!published.load())
            std::this_thread::yield();
        std::cout << "atomics " << flag.test() << *pointer << *published.load() << std::endl;
    }
    { // thread-local objects, once, exceptions across threads
        std::once_flag once;
        std::atomic<int> calls = 0, tries = 0, most = 0;
        together([&](int) {
            most = std::max<int>(most, counted.value > 0);
            try {
                std::call_once(once, [&] { if (++tries < 3) throw 1; calls++; });
            } catch (int) {
            }
        });
        std::cout << "locals " << most << " left " << Counted::alive << " once " << calls << " tries " << tries << std::endl;
        std::exception_ptr caught;
        std::thread([&] { try { std::map<int, int>().at(1); } catch (...) { caught = std::current_exception(); } }).join();
        try {
            std::rethrow_exception(caught);
        } catch (const std::out_of_range &) {
            std::cout << "rethrown" << std::endl;
        }
        static std::vector<int> initialised = [] { std::this_thread::sleep_for(1ms); return std::vector<int>(3); }();
        std::cout << "sizes " << initialised.size() << std::endl;
    }
    std::thread unnoticed([] { throw std::runtime_error("nobody catches this"); });
    unnoticed.join();
}
