package ringbrook.clients.format;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.TopicPartition;

/**
 * One broker's life, told once for all cases: it writes, is stopped cleanly, goes on, is killed,
 * recovers and is stopped again. Its log dir is kept after each of the three ends, with the records
 * that consumers read before.
 */
final class Session implements AutoCloseable {
    private final Path work;
    private final Node node;
    private final Map<TopicPartition, List<String>> records = new TreeMap<>(
        java.util.Comparator.comparing(TopicPartition::toString));
    private boolean isWritten;
    private Exception failure;

    Session(Path work) {
        this.work = work;
        this.node = Node.ofMatrix(work);
    }

    /** Whether Kafka itself is looked at, to see that the cases are right. */
    static boolean isReference() {
        return Node.isReference();
    }

    Path work() {
        return work;
    }

    @Override
    public void close() throws Exception {
        node.close();
    }

    /** The log dir after a clean stop. */
    Path clean() throws Exception {
        write();
        return work.resolve("clean");
    }

    /** The log dir after SIGKILL. */
    Path killed() throws Exception {
        write();
        return work.resolve("killed");
    }

    /** The log dir after SIGKILL, recovery and a clean stop. */
    Path recovered() throws Exception {
        write();
        return work.resolve("recovered");
    }

    /** The records of each partition before the kill, as a consumer got them. */
    Map<TopicPartition, List<String>> records() throws Exception {
        write();
        return records;
    }

    private void write() throws Exception {
        if (!isWritten) {
            isWritten = true;
            try {
                live();
            } catch (Exception e) {
                failure = e;
            }
        }
        if (failure != null) {
            throw new IllegalStateException("the files could not be written", failure);
        }
    }

    private void live() throws Exception {
        String bootstrap = start();
        try (Workload workload = new Workload(bootstrap)) {
            writeFirst(workload);
        }
        node.stop();
        Node.copy(node.logDir(), work.resolve("clean"));
        bootstrap = start();
        try (Workload workload = new Workload(bootstrap)) {
            workload.writeTimed("rolled", Workload.START_MS + 100_000, 9, 4000);
            workload.writeCodecs(3);
            workload.writePlain("epochs", "second", Workload.START_MS + 20_000);
            workload.writeTransactions("transactions", "more", Workload.START_MS + 100_000);
        }
        for (TopicPartition partition : partitions()) {
            records.put(partition, Content.records(bootstrap, partition));
        }
        node.kill();
        Node.copy(node.logDir(), work.resolve("killed"));
        start();
        node.stop();
        Node.copy(node.logDir(), work.resolve("recovered"));
    }

    private String start() throws Exception {
        return node.start(Map.of("log.cleaner.backoff.ms", "100",
            "log.initial.task.delay.ms", "100", "log.flush.offset.checkpoint.interval.ms", "200"));
    }

    /** The configuration of a topic, whichever broker has it. */
    static Map<String, String> configs(String topic) {
        return switch (topic) {
            case "stamped" -> Map.of("message.timestamp.type", "LogAppendTime");
            case "compacted" -> Map.of("cleanup.policy", "compact",
                "min.cleanable.dirty.ratio", "0.001");
            default -> Map.of();
        };
    }

    private void writeFirst(Workload workload) throws Exception {
        workload.create("codecs", Workload.CODECS.size(), Map.of());
        for (String topic : List.of("stamped", "rolled", "epochs", "transactions", "compacted")) {
            workload.create(topic, 1, configs(topic));
        }
        workload.writeCodecs(4);
        workload.writeTimed("stamped", Workload.START_MS, 3, 1000);
        workload.writeTimed("rolled", Workload.START_MS, 12, 4000);
        workload.writePlain("epochs", "first", Workload.START_MS);
        workload.writeTransactions("transactions", "first", Workload.START_MS);
        workload.writeKeys("compacted");
        workload.commitOffsets("readers", "codecs");
        Compaction.await(node.logDir());
    }

    /** The partitions of every session and fixture. */
    static List<TopicPartition> partitions() {
        List<TopicPartition> partitions = new ArrayList<>();
        for (int codec = 0; codec < Workload.CODECS.size(); codec++) {
            partitions.add(new TopicPartition("codecs", codec));
        }
        for (String topic : List.of("stamped", "rolled", "transactions", "compacted", "epochs")) {
            partitions.add(new TopicPartition(topic, 0));
        }
        return partitions;
    }
}
