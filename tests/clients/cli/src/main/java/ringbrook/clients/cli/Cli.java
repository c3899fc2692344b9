package ringbrook.clients.cli;

import java.util.ArrayList;
import java.util.List;
import ringbrook.clients.Broker;

/** Each of Kafka's tools by the name of its script, with the broker's address filled in. */
public final class Cli {
    private static final String TOOLS = "org.apache.kafka.tools.";

    private Cli() {
    }

    static Tool.Output topics(Broker broker, String... args) throws Exception {
        return run(broker, TOOLS + "TopicCommand", args);
    }

    static Tool.Output configs(Broker broker, String... args) throws Exception {
        return run(broker, "kafka.admin.ConfigCommand", args);
    }

    static Tool.Output consumerGroups(Broker broker, String... args) throws Exception {
        return run(broker, TOOLS + "consumer.group.ConsumerGroupCommand", args);
    }

    static Tool.Output transactions(Broker broker, String... args) throws Exception {
        return run(broker, TOOLS + "TransactionsCommand", args);
    }

    /** Public, as the client that changes feature levels uses it too. */
    public static Tool.Output features(Broker broker, String... args) throws Exception {
        return run(broker, TOOLS + "FeatureCommand", args);
    }

    /** kafka-streams-application-reset, which the client named streams runs. */
    public static Tool.Output streamsReset(Broker broker, String... args) throws Exception {
        return run(broker, TOOLS + "StreamsResetter", args);
    }

    static Tool.Output groups(Broker broker, String... args) throws Exception {
        return run(broker, TOOLS + "GroupsCommand", args);
    }

    static Tool.Output offsets(Broker broker, String... args) throws Exception {
        return run(broker, TOOLS + "GetOffsetShell", args);
    }

    static Tool.Output deleteRecords(Broker broker, String... args) throws Exception {
        return run(broker, TOOLS + "DeleteRecordsCommand", args);
    }

    static Tool.Output logDirs(Broker broker, String... args) throws Exception {
        return run(broker, TOOLS + "LogDirsCommand", args);
    }

    static Tool.Output apiVersions(Broker broker, String... args) throws Exception {
        return run(broker, TOOLS + "BrokerApiVersionsCommand", args);
    }

    static Tool.Output clusterId(Broker broker) throws Exception {
        return Tool.run(TOOLS + "ClusterTool", "cluster-id", "--bootstrap-server",
            broker.bootstrap());
    }

    static Tool.Output producerPerf(Broker broker, String... args) throws Exception {
        return run(broker, TOOLS + "ProducerPerformance", args);
    }

    static Tool.Output consumerPerf(Broker broker, String... args) throws Exception {
        return run(broker, TOOLS + "ConsumerPerformance", args);
    }

    /** The console producer with {@code lines} typed into it. */
    static Tool.Output produce(Broker broker, String lines, String... args) throws Exception {
        return Tool.runWithInput(lines, TOOLS + "ConsoleProducer", with(broker, args));
    }

    static Tool.Output consume(Broker broker, String... args) throws Exception {
        return run(broker, TOOLS + "consumer.ConsoleConsumer", args);
    }

    private static Tool.Output run(Broker broker, String mainClass, String... args)
            throws Exception {
        return Tool.run(mainClass, with(broker, args));
    }

    private static String[] with(Broker broker, String... args) {
        List<String> all = new ArrayList<>(List.of("--bootstrap-server", broker.bootstrap()));
        all.addAll(List.of(args));
        return all.toArray(String[]::new);
    }
}
