package ringbrook.clients;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Runs the Java client's cases; arguments are words of which a case's name must contain one. */
public final class Main {
    private Main() {
    }

    /** Exits with 1 if a case failed. */
    public static void main(String[] words) throws Exception {
        List<Case> cases = new ArrayList<>();
        // Group cases wait for session time-outs; begun first, they end while others still run.
        cases.addAll(TransactionOffsetCases.all());
        cases.addAll(TransactionCases.all(true));
        cases.addAll(ConsumerProtocolCases.all());
        cases.addAll(MigrationCases.all());
        cases.addAll(StaticMemberCases.all());
        cases.addAll(GroupCases.all());
        cases.addAll(GroupAdminCases.all());
        cases.addAll(ConsumeCases.all());
        cases.addAll(OffsetCases.all());
        cases.addAll(ProduceCases.all());
        cases.addAll(ProduceErrorCases.all());
        cases.addAll(TopicCases.all());
        cases.addAll(TopicErrorCases.all());
        cases.addAll(ConfigCases.all());
        cases.addAll(ClusterCases.all());
        cases.addAll(TransactionAdminCases.all());
        cases.addAll(FeatureCases.all());
        int failed;
        try (Broker broker = Broker.fromEnvironment()) {
            failed = new Runner("java", 4, Duration.ofSeconds(60))
                .run(broker, Runner.selected(cases, words));
        }
        System.exit(failed == 0 ? 0 : 1);
    }
}
