package ringbrook.clients.format;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.metadata.properties.MetaProperties;
import org.apache.kafka.metadata.properties.MetaPropertiesVersion;
import org.apache.kafka.metadata.properties.PropertiesUtils;
import org.apache.kafka.storage.internals.checkpoint.CleanShutdownFileHandler;
import org.apache.kafka.storage.internals.checkpoint.LeaderEpochCheckpointFile;
import org.apache.kafka.storage.internals.checkpoint.OffsetCheckpointFile;
import org.apache.kafka.storage.internals.checkpoint.PartitionMetadata;
import org.apache.kafka.storage.internals.checkpoint.PartitionMetadataFile;
import org.apache.kafka.storage.internals.log.EpochEntry;
import org.apache.kafka.storage.internals.log.LogDirFailureChannel;
import org.apache.kafka.storage.internals.log.ProducerStateManager;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;
import ringbrook.clients.Check;

/** Reads the small files of a log dir after a clean stop with the classes that Kafka reads them with. */
final class KafkasClasses {
    private static final LogDirFailureChannel FAILURES = new LogDirFailureChannel(1);

    private KafkasClasses() {
    }

    static void readSmallFiles(Path logDir) throws Exception {
        Properties properties =
            PropertiesUtils.readPropertiesFile(logDir.resolve("meta.properties").toString());
        MetaProperties meta = new MetaProperties.Builder(properties).build();
        Check.same("version of meta.properties", MetaPropertiesVersion.V1, meta.version());
        Check.isTrue("a cluster id", meta.clusterId().isPresent());
        Check.isTrue("a directory id", meta.directoryId().isPresent());
        Check.isTrue("a marker of the clean stop",
            new CleanShutdownFileHandler(logDir.toString()).exists());
        List<Path> partitions = Dump.partitions(logDir);
        checkOffsets(logDir, partitions);
        for (Path partition : partitions) {
            checkPartition(partition);
        }
    }

    private static void checkOffsets(Path logDir, List<Path> partitions) throws Exception {
        Map<TopicPartition, Long> points = offsets(logDir, "recovery-point-offset-checkpoint");
        Map<TopicPartition, Long> marks = offsets(logDir, "replication-offset-checkpoint");
        offsets(logDir, "log-start-offset-checkpoint");
        if (Files.exists(logDir.resolve("compacted-0"))) {
            Check.isTrue("the cleaner's checkpoint names the compacted partition",
                offsets(logDir, "cleaner-offset-checkpoint")
                    .containsKey(new TopicPartition("compacted", 0)));
        }
        for (Path directory : partitions) {
            String name = directory.getFileName().toString();
            int dash = name.lastIndexOf('-');
            TopicPartition partition = new TopicPartition(name.substring(0, dash),
                Integer.parseInt(name.substring(dash + 1)));
            long end = 0;
            for (String batch : Content.batches(directory)) {
                end = Long.parseLong(batch.split(" ")[5]) + 1;
            }
            // A partition that was never written need not be named.
            Check.same("recovery point of " + name, end, points.getOrDefault(partition, 0L));
            Check.same("high watermark of " + name, end, marks.getOrDefault(partition, 0L));
        }
    }

    private static Map<TopicPartition, Long> offsets(Path logDir, String name) throws Exception {
        Path file = logDir.resolve(name);
        Check.isTrue(name + " exists", Files.exists(file));
        return new OffsetCheckpointFile(file.toFile(), FAILURES).read();
    }

    private static void checkPartition(Path directory) throws Exception {
        PartitionMetadata metadata = new PartitionMetadataFile(
            PartitionMetadataFile.newFile(directory.toFile()), FAILURES).read();
        Check.same("version of partition.metadata", 0, metadata.version());
        List<EpochEntry> epochs = new LeaderEpochCheckpointFile(
            LeaderEpochCheckpointFile.newFile(directory.toFile()), FAILURES).read();
        int at = -1;
        for (String batch : Content.batches(directory)) {
            String[] fields = batch.split(" ");
            long base = Long.parseLong(fields[4]);
            int epoch = Integer.parseInt(fields[6]);
            while (at + 1 < epochs.size() && epochs.get(at + 1).startOffset() <= base) {
                at++;
            }
            Check.same("epoch at offset " + base + " of " + directory.getFileName(), epoch,
                0 <= at ? epochs.get(at).epoch() : null);
        }
    }

    /**
     * Kafka loads the snapshots of a clean stop, in which each producer has an entry for each of its
     * last batches, and takes the newest.
     */
    static void loadProducers(Path logDir, Path copies) throws Exception {
        int producers = 0;
        for (Path directory : Dump.partitions(logDir)) {
            Map<Long, Long> expected = lastOffsets(directory);
            Path copy = copies.resolve(directory.getFileName());
            Node.copy(directory, copy);
            List<Path> snapshots = Content.files(copy, ".snapshot");
            if (snapshots.isEmpty() || expected.isEmpty()) {
                continue;
            }
            File newest = snapshots.get(snapshots.size() - 1).toFile();
            int entries = ProducerStateManager.readSnapshot(newest).size();
            long end = Long.parseLong(newest.getName().replace(".snapshot", ""));
            ProducerStateManager manager = new ProducerStateManager(
                new TopicPartition("any", 0), copy.toFile(), Integer.MAX_VALUE,
                new ProducerStateManagerConfig(Integer.MAX_VALUE, false), Time.SYSTEM);
            // At a time before all batches, so that none is too old.
            manager.truncateAndReload(0, end, 0);
            expected.forEach((id, offset) -> Check.same(
                "last offset of producer " + id + " of " + directory.getFileName(), offset,
                manager.lastEntry(id).orElseThrow().lastDataOffset()));
            if (manager.activeProducers().size() < entries) {
                producers += expected.size();
            }
        }
        Check.isTrue(producers + " producers with several entries", 3 <= producers);
    }

    /** The last offset of each producer without transactions. */
    private static Map<Long, Long> lastOffsets(Path directory) throws Exception {
        Map<Long, Long> offsets = new TreeMap<>();
        for (String batch : Content.batches(directory)) {
            String[] fields = batch.split(" ");
            long producerId = Long.parseLong(fields[10]);
            if (0 <= producerId && fields[14].equals("false")) {
                offsets.put(producerId, Long.parseLong(fields[5]));
            }
        }
        return offsets;
    }
}
