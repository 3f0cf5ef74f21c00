/** Ends in the way that the first argument names. */
public class Ends {
    public static void main(String[] arguments) throws Exception {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
        switch (arguments[0]) {
            case "exit" -> System.exit(Integer.parseInt(arguments[1]));
            case "exit in a thread" -> {
                new Thread(() -> System.exit(9)).start();
                Thread.sleep(60_000);
            }
            case "halt" -> Runtime.getRuntime().halt(4);
            case "uncaught" -> throw new IllegalStateException("on purpose", new RuntimeException("cause"));
            case "uncaught in a thread" -> {
                Thread thread = new Thread(() -> {
                    throw new IllegalStateException("in a thread");
                }, "other");
                thread.start();
                thread.join();
                System.out.println("main goes on");
            }
            case "input" -> System.out.println("read: " + new String(System.in.readAllBytes()));
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }
}
