package ringbrook.clients.connect;

import java.nio.file.Path;
import java.time.Duration;
import ringbrook.clients.Broker;
import ringbrook.clients.Runner;

/** Runs the cases of Kafka Connect; arguments are words of which a name must contain one. */
public final class Main {
    private Main() {
    }

    /** Exits with 1 if a case failed. */
    public static void main(String[] words) throws Exception {
        ConnectCases cases = new ConnectCases(Path.of(System.getProperty("ringbrook.work")));
        int failed;
        try (Broker broker = Broker.fromEnvironment()) {
            failed = new Runner("connect", 2, Duration.ofSeconds(300))
                .run(broker, Runner.selected(cases.all(), words));
        }
        System.exit(failed == 0 ? 0 : 1);
    }
}
