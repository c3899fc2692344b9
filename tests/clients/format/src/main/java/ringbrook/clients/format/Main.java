package ringbrook.clients.format;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import ringbrook.clients.Runner;

/**
 * Without arguments, or with words of which a case's name must contain one: runs the cases.
 * `generate DIR` lets Apache Kafka write the fixtures of the engine's tests into DIR, `generate-own
 * DIR NAME` keeps what the engine writes. `run` sets the system properties that say where things
 * are.
 */
public final class Main {
    private Main() {
    }

    /** Exits with 1 if a case failed. */
    public static void main(String[] words) throws Exception {
        Path work = Path.of(System.getProperty("ringbrook.work"));
        if (words.length == 2 && words[0].equals("generate")) {
            Fixtures.generate(work, Path.of(words[1]));
            return;
        }
        if (words.length == 3 && words[0].equals("generate-own")) {
            Fixtures.generateOwn(work, Path.of(words[1]), words[2]);
            return;
        }
        int failed;
        try (Session session = new Session(work)) {
            // One after another: the tool's output is taken from the process's own streams.
            failed = new Runner("format", 1, Duration.ofSeconds(180))
                .run(null, Runner.selected(FormatCases.all(session), words));
        }
        System.exit(failed == 0 ? 0 : 1);
    }
}
