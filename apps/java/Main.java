import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

public class Main {
    public static void main(String[] arguments) throws Exception {
        System.out.println("hello from java");
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<Integer>> squares = new ArrayList<>();
        for (int n = 1; n <= 100; n++) {
            int number = n;
            squares.add(pool.submit(() -> number * number));
        }
        int sum = 0;
        for (Future<Integer> square : squares) sum += square.get();
        pool.shutdown();
        System.out.println("squares of 1 to 100: " + sum);
    }
}
