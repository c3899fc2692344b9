package ringbrook.clients;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs the cases that an older kafka-clients on the class path can do: the one of 3.9 knows
 * transactions of version 1 only. Started by java39/run; arguments are words of which a case's name
 * must contain one.
 */
public final class OlderClient {
    private OlderClient() {
    }

    /** Exits with 1 if a case failed. */
    public static void main(String[] words) throws Exception {
        List<Case> cases = new ArrayList<>(TransactionOffsetCases.all());
        cases.addAll(TransactionCases.all(false));
        int failed;
        try (Broker broker = Broker.fromEnvironment()) {
            failed = new Runner("java39", 4, Duration.ofSeconds(60))
                .run(broker, Runner.selected(cases, words));
        }
        System.exit(failed == 0 ? 0 : 1);
    }
}
