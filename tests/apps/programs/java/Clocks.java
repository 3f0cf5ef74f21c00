import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Timer;
import java.util.TimerTask;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** Timers, scheduled executors, and clocks that go forward. */
class Clocks {
    static void run() throws Exception {
        List<String> order = Collections.synchronizedList(new ArrayList<>());
        ScheduledExecutorService executor = Executors.newScheduledThreadPool(1);
        CountDownLatch ticks = new CountDownLatch(5);
        long started = System.nanoTime();
        executor.schedule(() -> order.add("soon"), 1, TimeUnit.MILLISECONDS);
        executor.schedule(() -> order.add("late " + (System.nanoTime() - started >= 100_000_000)), 100,
            TimeUnit.MILLISECONDS);
        executor.scheduleAtFixedRate(ticks::countDown, 0, 4, TimeUnit.MILLISECONDS);
        ticks.await();
        executor.shutdown();
        boolean ended = executor.awaitTermination(20, TimeUnit.SECONDS);
        System.out.println("scheduled: " + order + " " + ended);
        CountDownLatch fired = new CountDownLatch(3);
        Timer timer = new Timer("timer", true);
        timer.schedule(new TimerTask() {
            @Override
            public void run() {
                fired.countDown();
            }
        }, 1, 2);
        fired.await();
        timer.cancel();
        Instant wall = Instant.now();
        long monotonic = System.nanoTime();
        Thread.sleep(20);
        boolean slept = System.nanoTime() - monotonic >= 20_000_000;
        boolean forward = Duration.between(wall, Instant.now()).toMillis() >= 19;
        System.out.println("clocks: " + slept + " " + forward + " " + ZoneId.systemDefault());
    }
}
