/** What `bench/programs.py` starts. */
public class Hello {
    public static void main(String[] arguments) {
        System.out.println("hello");
    }
}
