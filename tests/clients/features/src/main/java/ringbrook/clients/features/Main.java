package ringbrook.clients.features;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import ringbrook.clients.Broker;
import ringbrook.clients.Case;
import ringbrook.clients.Runner;
import ringbrook.clients.TransactionCases;
import ringbrook.clients.TransactionOffsetCases;
import ringbrook.clients.format.Node;

/**
 * Runs what needs a broker of its own: first the changes of feature levels, one by one, then the
 * cases of transactions at the older levels. Arguments are words of which a case's name must
 * contain one; `run` sets the system properties that say where things are.
 */
public final class Main {
    private static final Map<String, String> PROPERTIES = Map.of(
        "group.consumer.heartbeat.interval.ms", "200",
        "group.consumer.min.heartbeat.interval.ms", "200",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms", "500");

    private final Runner runner = new Runner("features", 1, Duration.ofSeconds(90));
    private final String[] words;
    private int count;
    private int failures;

    private Main(String[] words) {
        this.words = words;
    }

    /** Exits with 1 if a case failed. */
    public static void main(String[] words) throws Exception {
        Main main = new Main(words);
        try (Node node = Node.ofMatrix(Path.of(System.getProperty("ringbrook.work")))) {
            main.run(node);
        }
        main.runner.close(main.count, main.failures);
        System.exit(main.failures == 0 ? 0 : 1);
    }

    private void run(Node node) throws Exception {
        String bootstrap = node.start(PROPERTIES);
        try (Broker broker = new Broker(bootstrap, "features")) {
            part(broker, 1, LevelCases.all());
            for (int level = 0; level <= 1; level++) {
                LevelCases.change(broker, "transaction.version", level);
                part(broker, 4, olderTransactions(level));
            }
        }
        part(null, 1, RestartCases.all(node, PROPERTIES));
    }

    /** The cases of transactions, named for the level of transaction.version they run at. */
    private static List<Case> olderTransactions(int level) {
        List<Case> cases = new ArrayList<>(TransactionOffsetCases.all());
        cases.addAll(TransactionCases.all(false));
        return cases.stream().map(c -> new Case("at_level_" + level + "_" + c.name(),
            broker -> {
                try (Broker named = new Broker(broker.bootstrap(), "level-" + level)) {
                    c.body().run(named);
                }
            })).toList();
    }

    private void part(Broker broker, int workers, List<Case> cases) throws InterruptedException {
        List<Case> selected = Runner.selected(cases, words);
        count += selected.size();
        failures += runner.runPart(broker, workers, selected);
    }
}
