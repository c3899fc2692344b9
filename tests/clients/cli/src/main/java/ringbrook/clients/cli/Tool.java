package ringbrook.clients.cli;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.common.utils.Exit;
import ringbrook.clients.Check;

/**
 * Runs the main program of one of Kafka's command-line tools inside this virtual machine, so a
 * case costs milliseconds instead of a start of Java. The class is the one that the script of
 * Kafka's bin directory names. Standard streams and Kafka's exit procedure belong to the whole
 * process: one tool runs at a time.
 */
public final class Tool {
    private Tool() {
    }

    /** What a tool left behind. */
    public record Output(int exit, String out, String err) {
        /** Fails unless the exit code was 0; returns the standard output. */
        public String good() {
            Check.same("exit code (" + out + err + ")", 0, exit);
            return out;
        }

        /** Fails unless the exit code was not 0; returns both outputs. */
        public String bad() {
            Check.isTrue("the exit code is not 0 (" + out + err + ")", exit != 0);
            return out + err;
        }

        /**
         * The fields of the first line of standard output that has {@code word} as a field; fails
         * unless the exit code was 0.
         */
        public List<String> row(String word) {
            return good().lines().map(l -> Arrays.asList(l.trim().split("\\s+")))
                .filter(fields -> fields.contains(word)).findFirst()
                .orElseThrow(() -> new AssertionError("no line with " + word + " in <" + out
                    + ">, errors <" + err + ">"));
        }

        /** Standard output, line by line. */
        public List<String> lines() {
            return out.lines().toList();
        }
    }

    /** Ends a tool where it asks to exit. An Error, as the tools catch exceptions. */
    private static final class Exited extends Error {
        private static final long serialVersionUID = 1;
    }

    /** Runs {@code mainClass} with nothing on its standard input. */
    public static Output run(String mainClass, String... args) throws Exception {
        return runWithInput("", mainClass, args);
    }

    /** Runs {@code mainClass} with {@code input} as its standard input. */
    public static synchronized Output runWithInput(String input, String mainClass, String... args)
            throws Exception {
        List<Integer> exits = new ArrayList<>();
        List<Runnable> hooks = new ArrayList<>();
        Exit.Procedure exit = (status, message) -> {
            exits.add(status);
            throw new Exited();
        };
        Exit.setExitProcedure(exit);
        Exit.setHaltProcedure(exit);
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        InputStream in = System.in;
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream outBytes = new ByteArrayOutputStream();
        ByteArrayOutputStream errBytes = new ByteArrayOutputStream();
        try {
            System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
            System.setOut(new PrintStream(outBytes, true, StandardCharsets.UTF_8));
            System.setErr(new PrintStream(errBytes, true, StandardCharsets.UTF_8));
            Class.forName(mainClass).getMethod("main", String[].class)
                .invoke(null, (Object) args);
        } catch (InvocationTargetException e) {
            if (!(e.getCause() instanceof Exited)) {
                exits.add(1);
                e.getCause().printStackTrace(System.err);
            }
        } finally {
            // The producer of kafka-console-producer sends what it still has in such a hook.
            hooks.forEach(Runnable::run);
            System.out.flush();
            System.setIn(in);
            System.setOut(out);
            System.setErr(err);
            Exit.resetExitProcedure();
            Exit.resetHaltProcedure();
            Exit.resetShutdownHookAdder();
        }
        return new Output(exits.isEmpty() ? 0 : exits.get(0),
            outBytes.toString(StandardCharsets.UTF_8), errBytes.toString(StandardCharsets.UTF_8));
    }
}
