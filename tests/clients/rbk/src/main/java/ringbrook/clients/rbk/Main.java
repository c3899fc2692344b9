package ringbrook.clients.rbk;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import ringbrook.clients.Broker;
import ringbrook.clients.Case;
import ringbrook.clients.Runner;

/** Runs the scripts of {@code RBK_CASES}; arguments are words of which a case's name contains one. */
public final class Main {
    private Main() {
    }

    /** Exits with 1 if a case failed. */
    public static void main(String[] words) throws Exception {
        Path rbk = Path.of(System.getenv("RINGBROOK_RBK"));
        List<Case> cases = new ArrayList<>();
        for (Script script : Script.readAll(Path.of(System.getenv("RBK_CASES")))) {
            cases.add(new Case(script.name(), broker -> new Comparison(broker, rbk).run(script)));
        }
        cases.add(new Case("dumped_logs_are_those_that_kafka_dumps",
            broker -> new DumpLogCase(broker, rbk).run()));
        int failed;
        try (Broker broker = Broker.fromEnvironment()) {
            // One at a time: Kafka's tools write to the process's standard streams.
            failed = new Runner("rbk", 1, Duration.ofSeconds(120))
                .run(broker, Runner.selected(cases, words));
        }
        System.exit(failed == 0 ? 0 : 1);
    }
}
