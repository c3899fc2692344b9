package ringbrook.clients.format;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * A broker process of our own, which may be stopped, killed and started again over its files.
 * Ended when closed. One thread at a time.
 */
public abstract class Node implements AutoCloseable {
    /** Whether Kafka itself is looked at, to see that the cases are right. */
    public static boolean isReference() {
        return "kafka".equals(System.getProperty("ringbrook.matrix.broker"));
    }

    /** A broker of the kind that the matrix runs against, with its files below {@code dir}. */
    public static Node ofMatrix(Path dir) {
        return isReference() ? new KafkaNode(dir.resolve("kafka"))
            : new RingbrookNode(dir.resolve("ringbrook"));
    }

    /** Starts the broker, over the files it left if it ran before, and returns its address. */
    public abstract String start(Map<String, String> properties) throws Exception;

    /** Stops the broker cleanly; its files are closed when this returns. */
    public abstract void stop() throws Exception;

    /** Ends the broker without warning (SIGKILL). */
    public abstract void kill() throws Exception;

    /** The log dir. */
    public abstract Path logDir();

    @Override
    public void close() throws Exception {
        kill();
    }

    /** Runs a command to its end; returns its standard output, and fails if it does. */
    static String command(Map<String, String> environment, List<String> words) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(words)
            .redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment().putAll(environment);
        Process process = builder.start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes());
        if (process.waitFor() != 0) {
            throw new IOException(words + " ended with " + process.exitValue() + ": " + output);
        }
        return output;
    }

    /** Copies a directory with all in it. */
    static void copy(Path from, Path to) throws Exception {
        Files.createDirectories(to.getParent());
        command(Map.of(), List.of("cp", "-a", from.toString(), to.toString()));
    }
}
