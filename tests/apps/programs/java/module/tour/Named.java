package tour;

import java.util.logging.Logger;

/** A class in a named module, which also lies in an archive with a manifest. */
public class Named {
    public static void main(String[] arguments) {
        System.out.println("module " + Named.class.getModule().getName() + ", " + Logger.getLogger("tour").getName() + " "
            + String.join(",", arguments));
    }
}
