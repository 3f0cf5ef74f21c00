import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.IntStream;

/** 200 threads that live at the same time, and what they change together. */
class Threads {
    private static final int COUNT = 200;
    private static long locked;

    static void run() throws InterruptedException {
        ConcurrentHashMap<Integer, LongAdder> map = new ConcurrentHashMap<>();
        AtomicLong atomic = new AtomicLong();
        Object lock = new Object();
        CountDownLatch started = new CountDownLatch(COUNT);
        List<Thread> threads = new ArrayList<>();
        for (int index = 0; index < COUNT; index++) {
            int number = index;
            Thread thread = new Thread(() -> {
                started.countDown();
                awaitAll(started);
                for (int round = 0; round < 100; round++) {
                    map.computeIfAbsent(round % 64, key -> new LongAdder()).add(number);
                    atomic.addAndGet(round);
                    synchronized (lock) {
                        locked++;
                    }
                }
            }, "worker " + index);
            thread.start();
            threads.add(thread);
        }
        for (Thread thread : threads) thread.join();
        long sum = map.values().stream().mapToLong(LongAdder::sum).sum();
        System.out.println("threads: " + map.size() + " keys, sums " + sum + " " + atomic + " " + locked);
        System.out.println("parallel: " + IntStream.range(0, 100_000).parallel().asLongStream().sum());
    }

    private static void awaitAll(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
    }
}
