/** Prints what the JVM thinks of the machine: CPUs, the largest heap in MiB, the collector. */
public class Machine {
    public static void main(String[] arguments) {
        Runtime runtime = Runtime.getRuntime();
        String collector = java.lang.management.ManagementFactory.getGarbageCollectorMXBeans().get(0).getName();
        System.out.println(runtime.availableProcessors() + " " + (runtime.maxMemory() >> 20) + " " + collector);
    }
}
