/** Runs the parts that the command line names, or all of them; each prints what it found. */
public class Tour {
    public static void main(String[] arguments) throws Exception {
        String[] parts = {"threads", "waiting", "garbage", "faults", "clocks", "files"};
        for (String part : arguments.length == 0 ? parts : arguments) {
            switch (part) {
                case "threads" -> Threads.run();
                case "waiting" -> Waiting.run();
                case "garbage" -> Garbage.run();
                case "faults" -> Faults.run();
                case "clocks" -> Clocks.run();
                case "files" -> Files.run();
                default -> throw new IllegalArgumentException(part);
            }
        }
    }
}
