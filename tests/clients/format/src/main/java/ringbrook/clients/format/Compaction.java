package ringbrook.clients.format;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import ringbrook.clients.Check;

/** Waits for a broker's cleaner. */
final class Compaction {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private Compaction() {
    }

    /** Waits until `compacted-0` is compacted up to its active segment, with a delete horizon. */
    static void await(Path logDir) throws Exception {
        Check.eventually("the log is compacted, with a delete horizon", PATIENCE,
            () -> isDone(logDir));
    }

    private static boolean isDone(Path logDir) throws Exception {
        Path directory = logDir.resolve("compacted-0");
        List<Path> logs = Content.files(directory, ".log");
        String active = "" + Long.parseLong(
            logs.get(logs.size() - 1).getFileName().toString().replace(".log", ""));
        Path checkpoint = logDir.resolve("cleaner-offset-checkpoint");
        return Files.exists(checkpoint)
            && Files.readAllLines(checkpoint).contains("compacted 0 " + active)
            && Content.batches(directory).stream().anyMatch(it -> !it.endsWith(" -1"));
    }
}
