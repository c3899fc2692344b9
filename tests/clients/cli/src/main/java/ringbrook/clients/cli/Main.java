package ringbrook.clients.cli;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import ringbrook.clients.Broker;
import ringbrook.clients.Case;
import ringbrook.clients.Runner;

/** Runs the tools' cases; arguments are words of which a case's name must contain one. */
public final class Main {
    private Main() {
    }

    /** Exits with 1 if a case failed. */
    public static void main(String[] words) throws Exception {
        List<Case> cases = new ArrayList<>();
        cases.addAll(TopicToolCases.all());
        cases.addAll(ConsoleCases.all());
        cases.addAll(GroupToolCases.all());
        cases.addAll(GroupResetCases.all());
        cases.addAll(ProtocolGroupToolCases.all());
        cases.addAll(TransactionToolCases.all());
        cases.addAll(FeatureToolCases.all());
        cases.addAll(ConfigToolCases.all());
        cases.addAll(OffsetToolCases.all());
        cases.addAll(PerfToolCases.all());
        int failed;
        try (Broker broker = Broker.fromEnvironment()) {
            // One at a time: the tools write to the process's standard streams.
            failed = new Runner("cli", 1, Duration.ofSeconds(60))
                .run(broker, Runner.selected(cases, words));
        }
        System.exit(failed == 0 ? 0 : 1);
    }
}
