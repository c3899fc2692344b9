package ringbrook.clients.streams;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import ringbrook.clients.Check;

/** An instance of the word count in a process of its own, which may be stopped and killed. */
final class Application implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(40);

    private final Process process;
    private final Path log;

    /** Starts it; its output goes to a file beside its state. */
    Application(WordCount.Settings settings) throws Exception {
        Files.createDirectories(settings.stateDir());
        log = Files.createTempFile(settings.stateDir().getParent(), "instance", ".log");
        List<String> words = new ArrayList<>(List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx160m",
            "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-cp", System.getProperty("java.class.path"), WordCount.class.getName()));
        words.addAll(List.of(settings.words()));
        process = new ProcessBuilder(words).redirectErrorStream(true)
            .redirectOutput(log.toFile()).start();
        // Nothing may be left behind by a case that fails or is given up.
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
    }

    /** Waits until it processes. */
    Application awaitRunning() throws Exception {
        Check.eventually("the application runs", PATIENCE, () -> {
            failIfEnded();
            return Files.readAllLines(log).contains("RUNNING");
        });
        return this;
    }

    /** Fails if the process ended by itself. */
    void failIfEnded() throws Exception {
        if (!process.isAlive()) {
            throw new AssertionError("the application ended with " + process.exitValue() + ": "
                + Files.readString(log));
        }
    }

    /** Ends it in good order. */
    void stop() throws Exception {
        process.destroy();
        Check.isTrue("the application stopped",
            process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS));
    }

    /** Ends it with SIGKILL, unless it has ended. */
    void kill() throws Exception {
        process.destroyForcibly().waitFor();
    }

    @Override
    public void close() throws Exception {
        kill();
    }
}
