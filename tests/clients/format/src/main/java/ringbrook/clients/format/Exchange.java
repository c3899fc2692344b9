package ringbrook.clients.format;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.kafka.common.TopicPartition;
import ringbrook.clients.Check;

/**
 * One broker serves the partition directories that the other wrote: topics of the same names are
 * created, the broker is stopped, its directories give way to the others under the topic ids it
 * gave, it is started, and a consumer must get the same records.
 */
final class Exchange {
    /** What Kafka logs when it does not trust a file that it opens. */
    private static final List<String> DISTRUST = List.of("orrupt", "ebuilding", "invalid messages",
        "truncat", "Truncat", "Could not find offset index", "ERROR");

    /** Fixtures age: tombstones and records whose time is over must stay to be compared. */
    static final Map<String, String> KEEPS_ALL =
        Map.of("log.cleaner.enable", "false", "log.retention.ms", "-1");

    private Exchange() {
    }

    /**
     * Kafka serves what is in {@code logDir}; with {@code isClean} it trusts all files in it,
     * otherwise it cuts off the zeros behind logs and nothing else.
     */
    static void kafkaServes(Session session, Path logDir, boolean isClean) throws Exception {
        try (KafkaNode kafka = new KafkaNode(session.work().resolve("kafka-serves-" + isClean))) {
            String bootstrap = put(kafka, Map.of(), logDir, isClean, Session.partitions());
            session.records().forEach((partition, expected) -> compare(partition, expected,
                () -> Content.records(bootstrap, partition)));
            List<String> distrusts = new ArrayList<>(kafka.log());
            distrusts.removeIf(line -> DISTRUST.stream().noneMatch(line::contains));
            if (!isClean) {
                forgiveZeros(distrusts, kafka.logDir(), logDir);
            }
            Check.same("lines of a Kafka that does not trust the files", List.of(), distrusts);
            kafka.stop();
        }
    }

    /** Ringbrook serves the fixture of this name. */
    static void ringbrookServes(Session session, String name) throws Exception {
        Path logDir = session.work().resolve("fixture-" + name);
        Files.createDirectories(logDir);
        Path archive;
        try (Stream<Path> files = Files.list(Path.of(System.getProperty("ringbrook.fixtures")))) {
            archive = files.filter(it -> it.toString().endsWith("-" + name + ".tar.gz"))
                .filter(it -> it.getFileName().toString().startsWith("kafka-")).findAny().get();
        }
        Node.command(Map.of(), List.of("tar", "--extract", "--gzip", "--file=" + archive,
            "--directory=" + logDir));
        try (Node node = new RingbrookNode(session.work().resolve("ringbrook-serves-" + name))) {
            String bootstrap =
                put(node, KEEPS_ALL, logDir, name.equals("clean"), Session.partitions());
            expected(logDir).forEach((partition, expected) -> compare(partition, expected,
                () -> Content.records(bootstrap, partition)));
            node.stop();
        }
    }

    /**
     * Takes out what Kafka says when its recovery cuts zeros off, of logs of which that is true:
     * of its files {@code served}, as they were in {@code logDir}.
     */
    private static void forgiveZeros(List<String> distrusts, Path served, Path logDir)
            throws Exception {
        Pattern cut = Pattern.compile(".* Found invalid messages in log segment "
            + Pattern.quote(served.toString()) + "/(\\S+)/(\\d+)\\.log at byte offset (\\d+)\\.");
        List<String> forgiven = new ArrayList<>();
        for (String line : distrusts) {
            Matcher it = cut.matcher(line);
            if (!it.matches()) {
                continue;
            }
            String file = it.group(1) + "/" + it.group(2) + ".log";
            if (ZerosAhead.isAllBehind(logDir.resolve(file), Long.parseLong(it.group(3)))) {
                forgiven.add(Pattern.quote(line));
                forgiven.add(".*CorruptRecordException: Found record size 0 .* in file "
                    + Pattern.quote(served.resolve(file) + "."));
                forgiven.add(".*" + Pattern.quote("partition=" + it.group(1) + ", dir=" + served
                    + "] Corruption found in segment " + Long.parseLong(it.group(2)) + ", truncating")
                    + " to offset \\d+");
            }
        }
        distrusts.removeIf(line -> forgiven.stream().anyMatch(line::matches));
    }

    @FunctionalInterface
    private interface Reader {
        List<String> read() throws Exception;
    }

    private static void compare(TopicPartition partition, List<String> expected, Reader reader) {
        List<String> found;
        try {
            found = reader.read();
        } catch (Exception e) {
            throw new AssertionError(partition + " cannot be read", e);
        }
        for (int i = 0; i < Math.min(expected.size(), found.size()); i++) {
            Check.same("line " + i + " of " + partition, expected.get(i), found.get(i));
        }
        Check.same("lines of " + partition, expected.size(), found.size());
    }

    /** Puts the directories into a new node and starts it; returns its address. */
    static String put(Node node, Map<String, String> settings, Path logDir, boolean isClean,
            List<TopicPartition> partitions) throws Exception {
        String bootstrap = node.start(settings);
        Map<String, Integer> topics = new TreeMap<>();
        partitions.forEach(it -> topics.merge(it.topic(), 1, Integer::sum));
        try (Workload workload = new Workload(bootstrap)) {
            for (Map.Entry<String, Integer> topic : topics.entrySet()) {
                workload.create(topic.getKey(), topic.getValue(), Session.configs(topic.getKey()));
            }
        }
        node.stop();
        for (TopicPartition partition : partitions) {
            Path target = node.logDir().resolve(partition.toString());
            byte[] identity = Files.readAllBytes(target.resolve("partition.metadata"));
            Node.command(Map.of(), List.of("rm", "-r", target.toString()));
            Node.copy(logDir.resolve(partition.toString()), target);
            Files.write(target.resolve("partition.metadata"), identity);
        }
        if (!isClean) {
            Files.delete(node.logDir().resolve(".kafka_cleanshutdown"));
        }
        return node.start(settings);
    }

    /** The offsets and records of each partition, from a fixture's expected.txt. */
    static Map<TopicPartition, List<String>> expected(Path logDir) throws Exception {
        Map<TopicPartition, List<String>> expected =
            new TreeMap<>(java.util.Comparator.comparing(TopicPartition::toString));
        List<String> lines = new ArrayList<>();
        for (String line : Files.readAllLines(logDir.resolve("expected.txt"))) {
            String[] words = line.split(" ");
            switch (words[0]) {
                case "partition" -> {
                    lines = new ArrayList<>();
                    expected.put(new TopicPartition(words[1], Integer.parseInt(words[2])), lines);
                }
                case "offsets" -> lines.add("offsets " + words[1] + " " + words[2]);
                case "record" -> lines.add(line);
                default -> { }
            }
        }
        return expected;
    }
}
