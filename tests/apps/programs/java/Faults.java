/** Exceptions that the JVM makes of signals: null checks of compiled code, the guard pages of stacks. */
class Faults {
    private int field = 1;

    static void run() throws InterruptedException {
        System.out.println("null: " + nullChecks());
        System.out.println("deep: " + deep());
        boolean[] caught = {false};
        Thread thread = new Thread(null, () -> caught[0] = deep(), "deep", 256 << 10);
        thread.start();
        thread.join();
        System.out.println("deep in a thread: " + caught[0]);
        System.out.println("division: " + divisions());
        System.out.println("index: " + indexes());
    }

    /** Hot enough to be compiled with an implicit check, which is a load that faults. */
    private static int nullChecks() {
        Faults there = new Faults();
        int caught = 0, sum = 0;
        for (int round = 0; round < 60_000; round++) {
            try {
                sum += field(round % 20_000 == 19_999 ? null : there);
            } catch (NullPointerException exception) {
                caught++;
            }
        }
        return sum * 10 + caught;
    }

    private static int field(Faults of) {
        return of.field;
    }

    private static boolean deep() {
        for (int round = 0; round < 3; round++) {
            try {
                recurse(0);
                return false;
            } catch (StackOverflowError error) {
                continue;
            }
        }
        return true;
    }

    private static int recurse(int depth) {
        return recurse(depth + 1) + depth;
    }

    private static int divisions() {
        int caught = 0;
        for (int round = 0; round < 30_000; round++) {
            try {
                caught += 1 / (round % 10_000) == 5 ? 1 : 0;
            } catch (ArithmeticException exception) {
                caught++;
            }
        }
        return caught;
    }

    private static String indexes() {
        try {
            int[] numbers = new int[3];
            return "none: " + numbers[Integer.parseInt("3")];
        } catch (ArrayIndexOutOfBoundsException exception) {
            return exception.getMessage();
        }
    }
}
