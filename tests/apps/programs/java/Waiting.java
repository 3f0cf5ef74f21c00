import java.util.ArrayDeque;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RecursiveTask;
import java.util.concurrent.locks.LockSupport;

/** Threads that wait for each other: monitors, queues, barriers, parking, interruption. */
class Waiting {
    static void run() throws Exception {
        monitors();
        queues();
        barriers();
        interruption();
        System.out.println("fork and join: " + new ForkJoinPool(8).invoke(new Fibonacci(18)));
    }

    private static void monitors() throws InterruptedException {
        ArrayDeque<Integer> ring = new ArrayDeque<>();
        Thread producer = new Thread(() -> {
            for (int number = 1; number <= 2000; number++) {
                synchronized (ring) {
                    while (ring.size() == 4) waitFor(ring);
                    ring.add(number);
                    ring.notifyAll();
                }
            }
        });
        producer.start();
        long sum = 0;
        for (int taken = 0; taken < 2000; taken++) {
            synchronized (ring) {
                while (ring.isEmpty()) ring.wait();
                sum += ring.remove();
                ring.notifyAll();
            }
        }
        producer.join();
        synchronized (ring) {
            long started = System.nanoTime();
            ring.wait(30);
            System.out.println("monitors: " + sum + ", slept " + (System.nanoTime() - started >= 29_000_000));
        }
    }

    private static void waitFor(Object monitor) {
        try {
            monitor.wait();
        } catch (InterruptedException interrupted) {
            throw new IllegalStateException(interrupted);
        }
    }

    private static void queues() throws InterruptedException {
        BlockingQueue<Integer> there = new ArrayBlockingQueue<>(1), back = new ArrayBlockingQueue<>(1);
        Thread echo = new Thread(() -> {
            try {
                for (int number = there.take(); number >= 0; number = there.take()) back.put(number + 1);
            } catch (InterruptedException interrupted) {
                throw new IllegalStateException(interrupted);
            }
        });
        echo.start();
        int value = 0;
        for (int round = 0; round < 1000; round++) {
            there.put(value);
            value = back.take();
        }
        there.put(-1);
        echo.join();
        System.out.println("queues: " + value);
    }

    private static void barriers() throws Exception {
        int[] rounds = {0};
        CyclicBarrier barrier = new CyclicBarrier(4, () -> rounds[0]++);
        Thread[] threads = new Thread[4];
        for (int index = 0; index < threads.length; index++) {
            threads[index] = new Thread(() -> {
                try {
                    for (int round = 0; round < 100; round++) barrier.await();
                } catch (Exception broken) {
                    throw new IllegalStateException(broken);
                }
            });
            threads[index].start();
        }
        for (Thread thread : threads) thread.join();
        System.out.println("barriers: " + rounds[0]);
    }

    private static void interruption() throws InterruptedException {
        boolean[] seen = {false, false};
        Thread sleeper = new Thread(() -> {
            try {
                Thread.sleep(60_000);
            } catch (InterruptedException interrupted) {
                seen[0] = true;
            }
            while (!seen[1]) LockSupport.parkNanos(1_000_000);
        });
        sleeper.start();
        sleeper.interrupt();
        seen[1] = true;
        LockSupport.unpark(sleeper);
        sleeper.join();
        System.out.println("interruption: " + seen[0]);
    }

    private static class Fibonacci extends RecursiveTask<Integer> {
        private final int number;

        Fibonacci(int number) {
            this.number = number;
        }

        @Override
        protected Integer compute() {
            if (number < 2) return number;
            Fibonacci other = new Fibonacci(number - 1);
            other.fork();
            return new Fibonacci(number - 2).compute() + other.join();
        }
    }
}
