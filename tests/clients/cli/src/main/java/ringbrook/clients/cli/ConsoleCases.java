package ringbrook.clients.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.producer.ProducerRecord;
import ringbrook.clients.Broker;
import ringbrook.clients.Case;
import ringbrook.clients.Check;

/** kafka-console-producer and kafka-console-consumer. */
final class ConsoleCases {
    private ConsoleCases() {
    }

    static List<Case> all() {
        List<Case> cases = new ArrayList<>();
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            cases.add(new Case("console_lines_come_back_with_" + codec, b -> lines(b, codec)));
        }
        cases.add(new Case("console_keys_headers_and_nulls_come_back", ConsoleCases::properties));
        cases.add(new Case("console_producer_waits_for_each_line_with_sync", ConsoleCases::sync));
        cases.add(new Case("console_consumer_reads_one_partition_from_an_offset",
            ConsoleCases::partition));
        cases.add(new Case("console_consumer_goes_on_where_its_group_stopped",
            ConsoleCases::group));
        cases.add(new Case("console_consumer_ends_after_its_timeout", ConsoleCases::timeout));
        cases.add(new Case("console_consumer_reads_topics_by_expression", ConsoleCases::include));
        cases.add(new Case("console_consumer_reads_committed_records", ConsoleCases::committed));
        return cases;
    }

    private static void lines(Broker broker, String codec) throws Exception {
        String topic = broker.createTopic("console-" + codec, 1);
        String lines = IntStream.range(0, 100).mapToObj(i -> "line " + i + " gr\u00fc\u00dfe\n")
            .collect(Collectors.joining());
        Cli.produce(broker, lines, "--topic", topic, "--compression-codec", codec).good();
        Tool.Output read = Cli.consume(broker, "--topic", topic, "--from-beginning",
            "--max-messages", "100", "--timeout-ms", "20000");
        Check.same("output", lines, read.good());
        Check.contains("errors", read.err(), "Processed a total of 100 messages");
    }

    private static void properties(Broker broker) throws Exception {
        String topic = broker.createTopic("console-properties", 1);
        Cli.produce(broker, "h1:v1,h1:v2\tk1\tv1\nh:NULL\tNULL\tNULL\n", "--topic", topic,
            "--reader-property", "parse.key=true", "--reader-property", "parse.headers=true",
            "--reader-property", "null.marker=NULL").good();
        List<String> lines = Cli.consume(broker, "--topic", topic, "--from-beginning",
            "--max-messages", "2", "--timeout-ms", "20000",
            "--formatter-property", "print.key=true", "--formatter-property", "print.headers=true",
            "--formatter-property", "print.timestamp=true",
            "--formatter-property", "print.offset=true",
            "--formatter-property", "print.partition=true").lines();
        Check.same("lines", 2, lines.size());
        Check.isTrue("timestamp first: " + lines, lines.stream()
            .allMatch(l -> l.matches("CreateTime:\\d{13}\t.*")));
        Check.contains("first", lines.get(0), "Partition:0\tOffset:0\th1:v1,h1:v2\tk1\tv1");
        Check.contains("second", lines.get(1), "Partition:0\tOffset:1\th:null\tnull\tnull");
    }

    private static void sync(Broker broker) throws Exception {
        String topic = broker.createTopic("console-sync", 1);
        Cli.produce(broker, "a\nb\nc\n", "--topic", topic, "--sync", "--request-required-acks",
            "1", "--timeout", "0").good();
        Check.same("log end", 3L, broker.endOffset(topic, 0));
    }

    private static void partition(Broker broker) throws Exception {
        String topic = broker.createTopic("console-partition", 2);
        broker.produce(topic, "0", "1", "2", "3");
        Check.same("lines", List.of("2", "3"), Cli.consume(broker, "--topic", topic,
            "--partition", "0", "--offset", "2", "--max-messages", "2", "--timeout-ms", "20000")
            .lines());
    }

    private static void group(Broker broker) throws Exception {
        String topic = broker.createTopic("console-group", 1);
        broker.produce(topic, "0", "1", "2");
        String group = broker.name("console-group");
        Check.same("first run", List.of("0", "1"), Cli.consume(broker, "--topic", topic, "--group",
            group, "--from-beginning", "--max-messages", "2", "--timeout-ms", "20000").lines());
        Check.same("second run", List.of("2"), Cli.consume(broker, "--topic", topic, "--group",
            group, "--max-messages", "1", "--timeout-ms", "20000").lines());
    }

    private static void timeout(Broker broker) throws Exception {
        String topic = broker.createTopic("console-timeout", 1);
        broker.produce(topic, "0");
        Tool.Output read = Cli.consume(broker, "--topic", topic, "--from-beginning",
            "--timeout-ms", "1500");
        Check.same("lines", List.of("0"), read.lines());
        Check.contains("errors", read.err(), "Processed a total of 1 messages");
    }

    private static void include(Broker broker) throws Exception {
        broker.produce(broker.createTopic("console-include-a", 1), "a");
        broker.produce(broker.createTopic("console-include-b", 1), "b");
        Check.same("lines", List.of("a", "b"), Cli.consume(broker, "--include",
            broker.name("console-include-") + ".*", "--from-beginning", "--max-messages", "2",
            "--timeout-ms", "20000").lines().stream().sorted().toList());
    }

    private static void committed(Broker broker) throws Exception {
        String topic = broker.createTopic("console-committed", 1);
        try (var producer = broker.transactional(topic)) {
            producer.initTransactions();
            for (String value : List.of("gone", "kept", "gone too", "kept too")) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(topic, 0, null, Broker.utf8(value)));
                producer.flush();
                if (value.startsWith("gone")) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }
        Check.same("committed", List.of("kept", "kept too"), Cli.consume(broker, "--topic", topic,
            "--from-beginning", "--isolation-level", "read_committed", "--max-messages", "2",
            "--timeout-ms", "20000").lines());
        Check.same("uncommitted", List.of("gone", "kept", "gone too", "kept too"),
            Cli.consume(broker, "--topic", topic, "--from-beginning", "--isolation-level",
                "read_uncommitted", "--max-messages", "4", "--timeout-ms", "20000").lines());
    }
}
