import java.lang.ref.Cleaner;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** More objects than the heap holds, from several threads, with some kept; then an OutOfMemoryError. */
class Garbage {
    private static final int THREADS = 4;

    static void run() throws InterruptedException {
        long[] sums = new long[THREADS];
        Thread[] threads = new Thread[THREADS];
        for (int index = 0; index < THREADS; index++) {
            int number = index;
            threads[index] = new Thread(() -> sums[number] = work(number));
            threads[index].start();
        }
        for (Thread thread : threads) thread.join();
        System.out.println("garbage: " + Arrays.toString(sums));
        WeakReference<Object> weak = new WeakReference<>(new Object());
        boolean[] cleaned = {false};
        Cleaner.create().register(new Object(), () -> cleaned[0] = true);
        System.gc();
        for (int round = 0; round < 1000 && !cleaned[0]; round++) Thread.sleep(5);
        System.out.println("cleared: " + (weak.get() == null) + ", cleaned: " + cleaned[0]);
        System.out.println(exhaust());
    }

    private static long work(int number) {
        List<byte[]> kept = new ArrayList<>();
        long sum = 0;
        for (int round = 0; round < 4_000; round++) {
            byte[] block = new byte[1000 + round % 3000];
            block[round % 1000] = (byte) (number + round);
            sum += block[round % 1000];
            if (round % 16 == 0) kept.add(block);
            if (kept.size() == 200) kept = new ArrayList<>(kept.subList(100, 200));
        }
        for (byte[] block : kept) sum += block.length;
        return sum;
    }

    private static String exhaust() {
        try {
            long[][] blocks = new long[100_000][];
            for (int index = 0; index < blocks.length; index++) blocks[index] = new long[1 << 17];
            return "not exhausted: " + blocks.length;
        } catch (OutOfMemoryError error) {
            return "exhausted: " + error.getMessage();
        }
    }
}
