package ringbrook.clients.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import ringbrook.clients.Broker;
import ringbrook.clients.Case;
import ringbrook.clients.Check;

/** kafka-get-offsets, kafka-delete-records, kafka-log-dirs, kafka-broker-api-versions. */
final class OffsetToolCases {
    private OffsetToolCases() {
    }

    static List<Case> all() {
        return List.of(
            new Case("get_offsets_shows_ends_and_times", OffsetToolCases::offsets),
            new Case("get_offsets_of_chosen_partitions", OffsetToolCases::chosen),
            new Case("delete_records_shows_the_low_watermark", OffsetToolCases::deleteRecords),
            new Case("log_dirs_shows_partitions_as_json", OffsetToolCases::logDirs),
            new Case("broker_api_versions_lists_the_apis_of_a_client", OffsetToolCases::versions),
            new Case("cluster_id_is_that_of_describe_cluster", OffsetToolCases::clusterId));
    }

    private static void offsets(Broker broker) throws Exception {
        String topic = broker.createTopic("get-offsets", 2);
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            for (long timestamp : new long[] {1000, 3000, 2000}) {
                producer.send(new ProducerRecord<>(topic, 0, timestamp, null, new byte[0])).get();
            }
        }
        String[][] expected = {{"latest", "3", "0"}, {"-1", "3", "0"}, {"earliest", "0", "0"},
            {"-2", "0", "0"}, {"max-timestamp", "1", null}, {"2000", "1", null},
            {"3001", null, null}, {"earliest-local", "0", "0"}};
        for (String[] row : expected) {
            List<String> lines = Cli.offsets(broker, "--topic", topic, "--time", row[0]).lines()
                .stream().sorted().toList();
            List<String> wanted = new ArrayList<>();
            for (int partition = 0; partition < 2; partition++) {
                // The tool leaves out a partition that has no such offset.
                if (row[1 + partition] != null) {
                    wanted.add(topic + ":" + partition + ":" + row[1 + partition]);
                }
            }
            Check.same("at " + row[0], wanted, lines);
        }
    }

    private static void chosen(Broker broker) throws Exception {
        String topic = broker.createTopic("get-chosen", 3);
        broker.produce(topic, "a");
        Check.same("by partition", List.of(topic + ":2:0"), Cli.offsets(broker, "--topic", topic,
            "--partitions", "2").lines());
        Check.same("by range", List.of(topic + ":0:1", topic + ":1:0"), Cli.offsets(broker,
            "--topic-partitions", topic + ":0-2").lines().stream().sorted().toList());
    }

    private static void deleteRecords(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-delete-records", 1);
        broker.produce(topic, "0", "1", "2", "3");
        Path file = Files.createTempFile("delete-records", ".json");
        try {
            Files.writeString(file, "{\"partitions\":[{\"topic\":\"" + topic
                + "\",\"partition\":0,\"offset\":3}],\"version\":1}");
            Check.contains("output", Cli.deleteRecords(broker, "--offset-json-file",
                file.toString()).good(), "partition: " + topic + "-0\tlow_watermark: 3");
        } finally {
            Files.delete(file);
        }
        Check.same("earliest", List.of(topic + ":0:3"), Cli.offsets(broker, "--topic", topic,
            "--time", "earliest").lines());
    }

    private static void logDirs(Broker broker) throws Exception {
        String topic = broker.createTopic("tool-log-dirs", 1);
        broker.produce(topic, "some records");
        String found = Cli.logDirs(broker, "--describe", "--topic-list", topic).good();
        Check.contains("output", found, "{\"partition\":\"" + topic + "-0\",\"size\":",
            "\"offsetLag\":0,\"isFuture\":false", "\"logDir\":\"");
        Check.isTrue("the size is not zero", !found.contains("\"size\":0"));
    }

    private static void versions(Broker broker) throws Exception {
        String found = Cli.apiVersions(broker).good();
        Check.contains("output", found, broker.bootstrap() + " (id: ");
        for (String api : List.of("Produce(0)", "Fetch(1)", "ListOffsets(2)", "Metadata(3)",
                "OffsetCommit(8)", "OffsetFetch(9)", "FindCoordinator(10)", "JoinGroup(11)",
                "Heartbeat(12)", "LeaveGroup(13)", "SyncGroup(14)", "DescribeGroups(15)",
                "ListGroups(16)", "ApiVersions(18)", "CreateTopics(19)", "DeleteTopics(20)",
                "DeleteRecords(21)", "InitProducerId(22)", "OffsetForLeaderEpoch(23)",
                "DescribeConfigs(32)", "AlterConfigs(33)", "DescribeLogDirs(35)",
                "CreatePartitions(37)", "DeleteGroups(42)", "IncrementalAlterConfigs(44)",
                "OffsetDelete(47)", "DescribeCluster(60)", "DescribeTopicPartitions(75)")) {
            Check.isTrue(api + " is usable", found.lines().anyMatch(l ->
                l.trim().startsWith(api + ": ") && l.contains("[usable: ")));
        }
    }

    private static void clusterId(Broker broker) throws Exception {
        Check.same("output", "Cluster ID: " + broker.admin().describeCluster().clusterId().get(),
            Cli.clusterId(broker).good().trim());
    }
}
