package ringbrook.clients.rbk;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import ringbrook.clients.Broker;
import ringbrook.clients.Check;
import ringbrook.clients.cli.Tool;

/**
 * Has Kafka's DumpLogSegments and rbk read what the broker wrote: batches of every codec, records
 * with headers and nulls, transactions that were committed and aborted, and what the coordinators
 * of groups and transactions keep. Both read the same copies, as the broker goes on writing.
 */
final class DumpLogCase {
    private final Broker broker;
    private final Path rbk;

    DumpLogCase(Broker broker, Path rbk) {
        this.broker = broker;
        this.rbk = rbk;
    }

    void run() throws Exception {
        String topic = write();
        List<Path> logDirs = logDirs();
        Path dir = Files.createTempDirectory("rbk-dump");
        try {
            for (Path logDir : logDirs) {
                copy(logDir, dir, topic);
            }
            compareAll(dir, topic);
        } finally {
            try (Stream<Path> found = Files.walk(dir)) {
                for (Path path : found.sorted((a, b) -> b.compareTo(a)).toList()) {
                    Files.delete(path);
                }
            }
        }
    }

    private void compareAll(Path dir, String topic) throws Exception {
        int batches = compare(dir, topic, ".log", "baseOffset:");
        Check.isTrue("there are batches in the logs of " + topic, batches > 5);
        compare(dir, topic, ".log", "| offset:", "--deep-iteration");
        int records = compare(dir, topic, ".log", "| offset:", "--print-data-log");
        Check.isTrue("there are records in the logs of " + topic, records > 5);
        compare(dir, topic, ".log", "key:", "--print-data-log", "--skip-record-metadata");
        compare(dir, topic, ".log", "baseOffset:", "--max-bytes", "300");
        compare(dir, topic, ".index", "offset:");
        compare(dir, topic, ".timeindex", "timestamp:");
        int aborted = compare(dir, topic, ".txnindex", "producerId:");
        Check.isTrue("an aborted transaction is in an index of " + topic, aborted > 0);
        int groups = compare(dir, "__consumer_offsets", ".log", "\"data\"", "--offsets-decoder");
        Check.isTrue("records of groups are shown", groups > 2);
        int transactions = compare(dir, "__transaction_state", ".log", "\"data\"",
            "--transaction-log-decoder");
        Check.isTrue("records of transactions are shown", transactions > 2);
    }

    /** Writes what is to be read; returns the topic. */
    private String write() throws Exception {
        String topic = broker.createTopic("dump", 2, "segment.bytes", "1048576",
            "index.interval.bytes", "100");
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            try (Producer<byte[], byte[]> producer = broker.producer("compression.type", codec)) {
                for (int i = 0; i < 5; i++) {
                    var record = new ProducerRecord<>(topic, i % 2,
                        i == 1 ? null : ("key " + i).getBytes(),
                        i == 2 ? null : ("값 " + codec + i).getBytes());
                    record.headers().add("header", new byte[] {1}).add("other", null);
                    producer.send(record).get();
                }
            }
        }
        try (Producer<byte[], byte[]> producer = broker.transactional(broker.name("dump-id"))) {
            producer.initTransactions();
            for (boolean commits : List.of(true, false)) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(topic, 0, null, "in".getBytes())).get();
                if (commits) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
        }
        for (String protocol : List.of("classic", "consumer")) {
            try (Consumer<byte[], byte[]> consumer = broker.consumer(
                    "group.id", broker.name("dump-" + protocol), "group.protocol", protocol,
                    "auto.offset.reset", "earliest")) {
                consumer.subscribe(List.of(topic));
                Check.eventually("the group reads", Broker.PATIENCE,
                    () -> !consumer.poll(java.time.Duration.ofMillis(100)).isEmpty());
                consumer.commitSync();
            }
        }
        return topic;
    }

    private List<Path> logDirs() throws Exception {
        Set<Integer> nodes = new TreeSet<>();
        broker.admin().describeCluster().nodes().get().forEach(node -> nodes.add(node.id()));
        List<Path> dirs = new ArrayList<>();
        for (var ofBroker : broker.admin().describeLogDirs(nodes).allDescriptions().get().values()) {
            ofBroker.keySet().forEach(dir -> dirs.add(Path.of(dir)));
        }
        Check.isTrue("the broker's log dirs are on this machine: " + dirs,
            dirs.stream().allMatch(Files::isDirectory));
        return dirs;
    }

    private static void copy(Path from, Path to, String topic) throws IOException {
        try (Stream<Path> files = Files.walk(from, 2)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                String partition = file.getParent().getFileName().toString();
                if (Stream.of(topic, "__consumer_offsets", "__transaction_state")
                        .anyMatch(name -> partition.startsWith(name + "-"))) {
                    Files.createDirectories(to.resolve(partition));
                    Files.copy(file, to.resolve(partition).resolve(file.getFileName()));
                }
            }
        }
    }

    /** Dumps all such files of a topic; returns how many lines contain {@code word}. */
    private int compare(Path dir, String topic, String suffix, String word, String... options)
            throws Exception {
        String files;
        try (Stream<Path> found = Files.walk(dir)) {
            files = found.filter(file -> file.toString().endsWith(suffix)
                    && file.getParent().getFileName().toString().startsWith(topic + "-"))
                .sorted().map(Path::toString).collect(Collectors.joining(","));
        }
        if (files.isEmpty()) {
            return 0;
        }
        List<String> arguments = new ArrayList<>(List.of("--files", files));
        arguments.addAll(List.of(options));
        Tool.Output kafka = Tool.run(KafkaTools.mainClass("dump-log"),
            arguments.toArray(String[]::new));
        List<String> command = new ArrayList<>(List.of(rbk.toString(), "dump-log"));
        command.addAll(arguments);
        Path out = Files.createTempFile(dir, "rbk", ".out");
        Process process = new ProcessBuilder(command).redirectOutput(out.toFile())
            .redirectError(ProcessBuilder.Redirect.INHERIT).start();
        String what = topic + "*" + suffix + " " + String.join(" ", options);
        Check.same("exit code for " + what + ": " + kafka.err(), kafka.exit(), process.waitFor());
        List<String> expected = kafka.out().lines().toList();
        List<String> ours = Files.readAllLines(out);
        for (int i = 0; i < Math.max(expected.size(), ours.size()); i++) {
            Check.same("line " + (i + 1) + " of " + what,
                i < expected.size() ? expected.get(i) : "no line",
                i < ours.size() ? ours.get(i) : "no line");
        }
        return (int) expected.stream().filter(line -> line.contains(word)).count();
    }
}
