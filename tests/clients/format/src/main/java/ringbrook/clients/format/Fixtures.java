package ringbrook.clients.format;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;

/**
 * Lets Apache Kafka write log dirs and keeps them as fixtures of the engine's tests: one after a
 * clean stop, one after SIGKILL, and what Kafka's own recovery made of the latter. Each archive
 * holds the log dir, without Kafka's metadata log, and `expected.txt` with what a consumer read.
 */
final class Fixtures {
    /** Small indices would hide Kafka's preallocation; one topic keeps the default of 10 MiB. */
    private static final Map<String, String> SMALL_INDEX = Map.of("segment.index.bytes", "65536");

    private final KafkaNode node;
    private final Path work;
    private final List<TopicPartition> partitions = Session.partitions();
    private String bootstrap;

    private Fixtures(Path work) {
        this.work = work;
        this.node = new KafkaNode(work.resolve("kafka"));
    }

    /** Writes the archives into {@code out}. */
    static void generate(Path work, Path out) throws Exception {
        Fixtures fixtures = new Fixtures(work);
        try {
            fixtures.writeAll(out);
        } finally {
            fixtures.node.close();
        }
    }

    private void start() throws Exception {
        bootstrap = node.start(Map.of(
            "log.cleaner.backoff.ms", "100", "log.initial.task.delay.ms", "100",
            "log.flush.offset.checkpoint.interval.ms", "200",
            "replica.high.watermark.checkpoint.interval.ms", "200",
            "offsets.topic.num.partitions", "1"));
    }

    private void writeAll(Path out) throws Exception {
        start();
        try (Workload workload = new Workload(bootstrap)) {
            writeFirst(workload);
        }
        node.stop();
        start();
        writeEpoch("second", 20_000);
        node.kill();
        start();
        writeEpoch("third", 40_000);
        leaveOpenTransaction("left-open", 60_000);
        List<String> expected = expected();
        node.stop();
        keep(out, "clean", expected);
        start();
        try (Workload workload = new Workload(bootstrap)) {
            workload.writeTimed("rolled", Workload.START_MS + 100_000, 9, 4000);
            workload.writeTransactions("transactions", "more", Workload.START_MS + 100_000);
            workload.writeCodecs(3);
        }
        writeEpoch("fourth", 80_000);
        leaveOpenTransaction("open-at-kill", 160_000);
        expected = expected();
        node.kill();
        keep(out, "unclean", expected);
        start();
        expected = expected();
        node.stop();
        keep(out, "recovered", expected);
    }

    private void writeFirst(Workload workload) throws Exception {
        workload.create("codecs", Workload.CODECS.size(), SMALL_INDEX);
        workload.create("stamped", 1, with("message.timestamp.type", "LogAppendTime"));
        workload.create("rolled", 1, Map.of());
        workload.create("transactions", 1, SMALL_INDEX);
        workload.create("compacted", 1, with("cleanup.policy", "compact",
            "min.cleanable.dirty.ratio", "0.001"));
        workload.create("epochs", 1, SMALL_INDEX);
        workload.writeCodecs(4);
        workload.writeTimed("stamped", Workload.START_MS, 3, 1000);
        workload.writeTimed("rolled", Workload.START_MS, 12, 4000);
        workload.writeTransactions("transactions", "first", Workload.START_MS);
        workload.writeKeys("compacted");
        workload.writePlain("epochs", "first", Workload.START_MS);
        workload.commitOffsets("readers", "codecs");
        Compaction.await(node.logDir());
    }

    private static Map<String, String> with(String... pairs) {
        Map<String, String> configs = new TreeMap<>(SMALL_INDEX);
        for (int i = 0; i < pairs.length; i += 2) {
            configs.put(pairs[i], pairs[i + 1]);
        }
        return configs;
    }

    /** A batch of this run's leader epoch. */
    private void writeEpoch(String word, long later) throws Exception {
        try (Workload workload = new Workload(bootstrap)) {
            workload.writePlain("epochs", word, Workload.START_MS + later);
        }
    }

    private void leaveOpenTransaction(String id, long later) throws Exception {
        try (Workload workload = new Workload(bootstrap)) {
            KafkaProducer<byte[], byte[]> producer = workload.transactional(id);
            producer.beginTransaction();
            Workload.send(producer, List.of(Workload.record("transactions", 0,
                Workload.START_MS + later, id, "is never ended")));
            producer.close(java.time.Duration.ZERO);
            workload.writePlain("transactions", id, Workload.START_MS + later);
        }
    }

    private List<String> expected() throws Exception {
        List<String> lines = new ArrayList<>();
        for (TopicPartition partition : partitions) {
            lines.add("partition " + partition.topic() + " " + partition.partition());
            lines.addAll(Content.served(bootstrap, partition));
        }
        return lines;
    }

    /** Packs the log dir as it is. */
    private void keep(Path out, String name, List<String> served) throws Exception {
        Path kept = work.resolve(name);
        Node.copy(node.logDir(), kept);
        List<String> lines = new ArrayList<>();
        for (String line : served) {
            lines.add(line);
            if (line.startsWith("partition ")) {
                Path directory = kept.resolve(line.substring(10).replace(' ', '-'));
                lines.addAll(Content.batches(directory));
            }
        }
        Files.write(kept.resolve("expected.txt"), lines);
        for (Path partition : Dump.partitions(kept)) {
            if (partition.getFileName().toString().startsWith("__transaction_state-")) {
                Node.command(Map.of(), List.of("rm", "-r", partition.toString()));
            }
        }
        pack(kept, out, "kafka-" + version() + "-" + name);
    }

    private static void pack(Path kept, Path out, String name) throws Exception {
        Files.createDirectories(out);
        // The same bytes for the same files, but for times and ids that Kafka made up.
        Node.command(Map.of(), List.of("tar", "--create", "--format=ustar",
            "--use-compress-program=gzip -9n",
            "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mode=go=rX,u+rw",
            "--exclude=__cluster_metadata-0", "--exclude=.lock",
            "--file=" + out.resolve(name + ".tar.gz").toAbsolutePath(),
            "--directory=" + kept, "."));
    }

    /**
     * Keeps what the engine's example writes, intact and damaged, under {@code name}. What to expect
     * of it is what Apache Kafka makes of it, but for producers, which Kafka forgets by the time of
     * their records.
     */
    static void generateOwn(Path work, Path out, String name) throws Exception {
        keepOwn(work.resolve("intact"), out, name, true, List.of());
        keepOwn(work.resolve("damaged"), out, name + "-damaged", false, List.of(
            "cut transactions-0/00000000000000000048.log 3050",
            "text transactions-0/00000000000000000048.index no index at all",
            "zeros codecs-0/00000000000000000048.log 100",
            "flip epochs-0/00000000000000000048.snapshot 12",
            "flip codecs-2/00000000000000000000.log 2000",
            "copy codecs-3/00000000000000000000.log codecs-3/00000000000000000000.log.cleaned"));
    }

    private static void keepOwn(Path dir, Path out, String name, boolean isClean,
            List<String> damages) throws Exception {
        Path kept = dir.resolve("kept");
        List<String> words = new ArrayList<>(
            List.of(System.getProperty("ringbrook.example"), kept.toString()));
        if (!isClean) {
            words.add("killed");
        }
        Files.createDirectories(dir);
        Node.command(Map.of(), words);
        for (String damage : damages) {
            Damages.edit(kept, damage.split(" ", 3));
        }
        List<TopicPartition> partitions = new ArrayList<>(Session.partitions());
        partitions.removeIf(it -> !Files.exists(kept.resolve(it.toString())));
        List<String> lines = new ArrayList<>();
        try (KafkaNode kafka = new KafkaNode(dir.resolve("kafka"))) {
            String bootstrap = Exchange.put(kafka, Map.of(), kept, isClean, partitions);
            for (TopicPartition partition : partitions) {
                lines.add("partition " + partition.topic() + " " + partition.partition());
                lines.addAll(Content.batches(kafka.logDir().resolve(partition.toString())));
                lines.addAll(Content.served(bootstrap, partition));
            }
            kafka.stop();
        }
        lines.removeIf(line -> line.startsWith("producer "));
        Files.write(kept.resolve("expected.txt"), lines);
        pack(kept, out, name);
    }

    private static String version() {
        return org.apache.kafka.common.utils.AppInfoParser.getVersion();
    }
}
