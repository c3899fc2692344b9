package ringbrook.clients.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import ringbrook.clients.Broker;
import ringbrook.clients.Case;
import ringbrook.clients.Check;

/**
 * kafka-consumer-groups --reset-offsets by every strategy, for groups of both protocols, tried and
 * done, written to a file and read from one.
 */
final class GroupResetCases {
    private static final long HOUR_MS = 3_600_000;
    /** The time of the first records; each next pair is an hour later. */
    private static final long START_MS = System.currentTimeMillis() - 12 * HOUR_MS;
    private static final DateTimeFormatter TIME =
        DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS").withZone(ZoneOffset.UTC);

    private GroupResetCases() {
    }

    static List<Case> all() {
        List<Case> cases = new ArrayList<>();
        for (String protocol : List.of("classic", "consumer")) {
            cases.add(new Case("reset_by_every_strategy_of_a_" + protocol + "_group",
                b -> strategies(b, protocol)));
        }
        cases.add(new Case("reset_dry_run_changes_nothing", GroupResetCases::dryRun));
        cases.add(new Case("reset_is_exported_and_read_from_a_file", GroupResetCases::file));
        cases.add(new Case("reset_of_some_partitions_leaves_the_others", GroupResetCases::some));
        cases.add(new Case("reset_of_all_topics_and_all_groups", GroupResetCases::all));
        cases.add(new Case("reset_of_a_new_group_creates_its_offsets", GroupResetCases::fresh));
        cases.add(new Case("reset_without_scope_or_strategy_is_refused",
            GroupResetCases::incomplete));
        return cases;
    }

    /** A topic of two partitions with six records in each, an hour apart. */
    private static String topic(Broker broker, String suffix) throws Exception {
        String topic = broker.createTopic(suffix, 2);
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            for (int i = 0; i < 12; i++) {
                producer.send(new ProducerRecord<>(topic, i % 2, START_MS + i / 2 * HOUR_MS, null,
                    Broker.utf8("" + i)));
            }
        }
        return topic;
    }

    private static void commit(Broker broker, String group, String topic, long offset)
            throws Exception {
        broker.admin().alterConsumerGroupOffsets(group, Map.of(
            new TopicPartition(topic, 0), new OffsetAndMetadata(offset),
            new TopicPartition(topic, 1), new OffsetAndMetadata(offset))).all().get();
    }

    private static long committed(Broker broker, String group, String topic, int partition)
            throws Exception {
        return broker.admin().listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()
            .get().get(new TopicPartition(topic, partition)).offset();
    }

    private static Tool.Output reset(Broker broker, String group, String... args)
            throws Exception {
        List<String> all = new ArrayList<>(List.of("--reset-offsets", "--group", group));
        all.addAll(List.of(args));
        return Cli.consumerGroups(broker, all.toArray(String[]::new));
    }

    private static void strategies(Broker broker, String protocol) throws Exception {
        String topic = topic(broker, "reset-" + protocol);
        String group = broker.name("reset-" + protocol);
        // A member of the protocol makes the group what it is, and leaves.
        try (var consumer = broker.consumer(ConsumerConfig.GROUP_ID_CONFIG, group,
                ConsumerConfig.GROUP_PROTOCOL_CONFIG, protocol)) {
            consumer.subscribe(List.of(topic));
            Broker.poll(consumer, 12);
            consumer.commitSync();
        }
        String middle = TIME.format(Instant.ofEpochMilli(START_MS + 5 * HOUR_MS / 2));
        String duration = "PT" + (12 * 60 - 3 * 60 - 30) + "M";
        for (String[] row : List.of(
                new String[] {"0", "--to-earliest"},
                new String[] {"6", "--to-latest"},
                new String[] {"3", "--to-offset", "3"},
                new String[] {"3", "--to-current"},
                new String[] {"5", "--shift-by", "2"},
                new String[] {"1", "--shift-by", "-4"},
                new String[] {"0", "--shift-by", "-4"},
                new String[] {"6", "--to-offset", "77"},
                new String[] {"3", "--to-datetime", middle},
                new String[] {"3", "--to-datetime", middle + "Z"},
                new String[] {"4", "--by-duration", duration})) {
            List<String> args = new ArrayList<>(List.of(row).subList(1, row.length));
            args.addAll(List.of("--topic", topic, "--execute"));
            Tool.Output found = reset(broker, group, args.toArray(String[]::new));
            for (int partition = 0; partition < 2; partition++) {
                Check.same("line for " + args, List.of(group, topic, "" + partition, row[0]),
                    lineOf(found, group, partition));
                Check.same("committed by " + args, Long.parseLong(row[0]),
                    committed(broker, group, topic, partition));
            }
        }
    }

    private static List<String> lineOf(Tool.Output output, String group, int partition) {
        return output.good().lines().map(l -> List.of(l.trim().split("\\s+")))
            .filter(l -> l.get(0).equals(group) && l.get(2).equals("" + partition)).findFirst()
            .orElseThrow(() -> new AssertionError("no line of partition " + partition + " in "
                + output));
    }

    private static void dryRun(Broker broker) throws Exception {
        String topic = topic(broker, "reset-dry");
        commit(broker, topic, topic, 2);
        for (String[] mode : List.of(new String[] {}, new String[] {"--dry-run"})) {
            List<String> args = new ArrayList<>(List.of("--to-latest", "--topic", topic));
            args.addAll(List.of(mode));
            Tool.Output found = reset(broker, topic, args.toArray(String[]::new));
            Check.same("line", List.of(topic, topic, "1", "6"), lineOf(found, topic, 1));
            Check.same("committed", 2L, committed(broker, topic, topic, 1));
        }
    }

    private static void file(Broker broker) throws Exception {
        String topic = topic(broker, "reset-file");
        commit(broker, topic, topic, 2);
        String plan = reset(broker, topic, "--to-offset", "4", "--topic", topic, "--export",
            "--dry-run").good();
        Check.same("plan", List.of("\"" + topic + "\",0,4", "\"" + topic + "\",1,4"),
            plan.lines().filter(l -> !l.isBlank()).sorted().toList());
        Path file = Files.createTempFile("reset", ".csv");
        try {
            Files.writeString(file, plan);
            reset(broker, topic, "--from-file", file.toString(), "--dry-run").good();
            Check.same("only tried", 2L, committed(broker, topic, topic, 0));
            reset(broker, topic, "--from-file", file.toString(), "--execute").good();
        } finally {
            Files.delete(file);
        }
        Check.same("partition 0", 4L, committed(broker, topic, topic, 0));
        Check.same("partition 1", 4L, committed(broker, topic, topic, 1));
    }

    private static void some(Broker broker) throws Exception {
        String topic = topic(broker, "reset-some");
        commit(broker, topic, topic, 2);
        reset(broker, topic, "--to-latest", "--topic", topic + ":1", "--execute").good();
        Check.same("partition 0", 2L, committed(broker, topic, topic, 0));
        Check.same("partition 1", 6L, committed(broker, topic, topic, 1));
    }

    private static void all(Broker broker) throws Exception {
        String one = topic(broker, "reset-all-1");
        String two = topic(broker, "reset-all-2");
        commit(broker, one, one, 2);
        commit(broker, one, two, 2);
        reset(broker, one, "--to-latest", "--all-topics", "--execute").good();
        Check.same("first topic", 6L, committed(broker, one, one, 0));
        Check.same("second topic", 6L, committed(broker, one, two, 1));
    }

    private static void fresh(Broker broker) throws Exception {
        String topic = topic(broker, "reset-fresh");
        reset(broker, topic, "--to-offset", "3", "--topic", topic, "--execute").good();
        Check.same("committed", 3L, committed(broker, topic, topic, 0));
        Check.same("state", "Empty", Cli.consumerGroups(broker, "--list", "--state").row(topic)
            .get(1));
    }

    private static void incomplete(Broker broker) throws Exception {
        String topic = topic(broker, "reset-incomplete");
        commit(broker, topic, topic, 2);
        reset(broker, topic, "--to-latest", "--execute").bad();
        reset(broker, topic, "--topic", topic, "--execute").bad();
        reset(broker, topic, "--topic", topic, "--to-latest", "--to-earliest", "--execute").bad();
        Check.same("committed", 2L, committed(broker, topic, topic, 0));
    }
}
