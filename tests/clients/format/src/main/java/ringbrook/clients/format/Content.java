package ringbrook.clients.format;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.record.internal.FileLogInputStream.FileChannelRecordBatch;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * What a partition holds, as lines of text: what a broker serves, and what Kafka's classes find in
 * the files. A line is a word and its fields, separated by blanks. Bytes are `null`, `x` and
 * hexadecimal digits, or for long ones `#length:crc32c`.
 */
final class Content {
    private Content() {
    }

    static String show(byte[] bytes) {
        if (bytes == null) {
            return "null";
        }
        if (bytes.length <= 40) {
            return "x" + HexFormat.of().formatHex(bytes);
        }
        CRC32C crc = new CRC32C();
        crc.update(bytes);
        return "#" + bytes.length + ":" + Long.toHexString(crc.getValue());
    }

    /** All that the broker at {@code bootstrap} says about a partition. */
    static List<String> served(String bootstrap, TopicPartition partition) throws Exception {
        List<String> lines = new ArrayList<>();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            long start = offset(admin, partition, OffsetSpec.earliest(), "READ_UNCOMMITTED");
            long end = offset(admin, partition, OffsetSpec.latest(), "READ_UNCOMMITTED");
            long stable = offset(admin, partition, OffsetSpec.latest(), "READ_COMMITTED");
            lines.add("offsets " + start + " " + end + " " + stable);
            lines.addAll(producers(admin, partition));
            for (ConsumerRecord<byte[], byte[]> each : read(bootstrap, partition, "read_uncommitted",
                    end)) {
                lines.add(record(each));
            }
            for (ConsumerRecord<byte[], byte[]> each : read(bootstrap, partition, "read_committed",
                    stable)) {
                lines.add("committed " + each.offset());
            }
        }
        return lines;
    }

    /** The log end offset. */
    static long logEnd(String bootstrap, TopicPartition partition) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            return offset(admin, partition, OffsetSpec.latest(), "READ_UNCOMMITTED");
        }
    }

    /** Only the offsets and the records, as a reader without transactions gets them. */
    static List<String> records(String bootstrap, TopicPartition partition) throws Exception {
        List<String> lines = new ArrayList<>();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            long start = offset(admin, partition, OffsetSpec.earliest(), "READ_UNCOMMITTED");
            long end = offset(admin, partition, OffsetSpec.latest(), "READ_UNCOMMITTED");
            lines.add("offsets " + start + " " + end);
            for (ConsumerRecord<byte[], byte[]> each : read(bootstrap, partition, "read_uncommitted",
                    end)) {
                lines.add(record(each));
            }
        }
        return lines;
    }

    private static long offset(Admin admin, TopicPartition partition, OffsetSpec spec, String level)
            throws Exception {
        ListOffsetsOptions options = new ListOffsetsOptions(IsolationLevel.valueOf(level));
        return admin.listOffsets(Map.of(partition, spec), options).partitionResult(partition).get()
            .offset();
    }

    private static List<String> producers(Admin admin, TopicPartition partition) throws Exception {
        return admin.describeProducers(List.of(partition)).partitionResult(partition).get()
            .activeProducers().stream().map(Content::producer).sorted().toList();
    }

    private static String producer(ProducerState it) {
        return "producer " + it.producerId() + " " + it.producerEpoch() + " " + it.lastSequence()
            + " " + it.lastTimestamp() + " " + it.coordinatorEpoch().orElse(-1) + " "
            + it.currentTransactionStartOffset().orElse(-1);
    }

    private static String record(ConsumerRecord<byte[], byte[]> it) {
        StringBuilder line = new StringBuilder("record " + it.offset() + " " + it.timestamp() + " "
            + it.timestampType() + " " + show(it.key()) + " " + show(it.value()));
        for (Header header : it.headers()) {
            line.append(' ').append(show(Workload.bytes(header.key()))).append('=')
                .append(show(header.value()));
        }
        return line.toString();
    }

    /** Reads up to {@code end}, exclusive. */
    private static List<ConsumerRecord<byte[], byte[]>> read(String bootstrap,
            TopicPartition partition, String isolation, long end) {
        Properties configs = new Properties();
        configs.put("bootstrap.servers", bootstrap);
        configs.put("isolation.level", isolation);
        configs.put("enable.auto.commit", "false");
        List<ConsumerRecord<byte[], byte[]>> found = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(configs,
                new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long deadline = System.nanoTime() + Duration.ofSeconds(30).toNanos();
            while (consumer.position(partition) < end) {
                consumer.poll(Duration.ofMillis(200)).records(partition).forEach(found::add);
                if (deadline < System.nanoTime()) {
                    throw new AssertionError(partition + " was read to "
                        + consumer.position(partition) + " only, not to " + end);
                }
            }
        }
        return found;
    }

    /** The batches in the files of a partition directory, as Kafka's classes read them. */
    static List<String> batches(Path directory) throws Exception {
        List<String> lines = new ArrayList<>();
        for (Path log : files(directory, ".log")) {
            try (FileRecords records = FileRecords.open(log.toFile(), false)) {
                long position = 0;
                for (FileChannelRecordBatch it : records.batches()) {
                    lines.add("batch " + log.getFileName().toString().replace(".log", "") + " "
                        + position + " " + it.sizeInBytes() + " " + it.baseOffset() + " "
                        + it.lastOffset() + " " + it.partitionLeaderEpoch() + " "
                        + it.compressionType().name + " " + it.timestampType() + " "
                        + it.maxTimestamp() + " " + it.producerId() + " " + it.producerEpoch() + " "
                        + it.baseSequence() + " " + it.countOrNull() + " " + it.isTransactional()
                        + " " + it.isControlBatch() + " " + it.deleteHorizonMs().orElse(-1));
                    position += it.sizeInBytes();
                }
            }
        }
        return lines;
    }

    /** The files of a directory with this suffix, by name. */
    static List<Path> files(Path directory, String suffix) throws Exception {
        try (Stream<Path> files = Files.list(directory)) {
            return files.filter(it -> it.getFileName().toString().endsWith(suffix)).sorted().toList();
        }
    }
}
