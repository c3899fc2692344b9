package ringbrook.clients.rbk;

import java.util.HashMap;
import java.util.Map;

/** The main class of each of Kafka's tools, by the name of its script without {@code kafka-}. */
final class KafkaTools {
    private static final String TOOLS = "org.apache.kafka.tools.";
    private static final Map<String, String> CLASSES = new HashMap<>();

    static {
        CLASSES.put("configs", "kafka.admin.ConfigCommand");
        CLASSES.put("acls", TOOLS + "AclCommand");
        CLASSES.put("broker-api-versions", TOOLS + "BrokerApiVersionsCommand");
        CLASSES.put("client-metrics", TOOLS + "ClientMetricsCommand");
        CLASSES.put("cluster", TOOLS + "ClusterTool");
        CLASSES.put("console-consumer", TOOLS + "consumer.ConsoleConsumer");
        CLASSES.put("console-producer", TOOLS + "ConsoleProducer");
        CLASSES.put("consumer-groups", TOOLS + "consumer.group.ConsumerGroupCommand");
        CLASSES.put("consumer-perf-test", TOOLS + "ConsumerPerformance");
        CLASSES.put("delegation-tokens", TOOLS + "DelegationTokenCommand");
        CLASSES.put("delete-records", TOOLS + "DeleteRecordsCommand");
        CLASSES.put("dump-log", TOOLS + "DumpLogSegments");
        CLASSES.put("e2e-latency", TOOLS + "EndToEndLatency");
        CLASSES.put("features", TOOLS + "FeatureCommand");
        CLASSES.put("get-offsets", TOOLS + "GetOffsetShell");
        CLASSES.put("groups", TOOLS + "GroupsCommand");
        CLASSES.put("leader-election", TOOLS + "LeaderElectionCommand");
        CLASSES.put("log-dirs", TOOLS + "LogDirsCommand");
        CLASSES.put("metadata-quorum", TOOLS + "MetadataQuorumCommand");
        CLASSES.put("producer-perf-test", TOOLS + "ProducerPerformance");
        CLASSES.put("reassign-partitions", TOOLS + "reassign.ReassignPartitionsCommand");
        CLASSES.put("streams-application-reset", TOOLS + "StreamsResetter");
        CLASSES.put("topics", TOOLS + "TopicCommand");
        CLASSES.put("transactions", TOOLS + "TransactionsCommand");
        CLASSES.put("verifiable-consumer", TOOLS + "VerifiableConsumer");
        CLASSES.put("verifiable-producer", TOOLS + "VerifiableProducer");
    }

    private KafkaTools() {
    }

    static String mainClass(String tool) {
        String found = CLASSES.get(tool);
        if (found == null) {
            throw new IllegalArgumentException("no tool of Kafka's is called " + tool);
        }
        return found;
    }
}
