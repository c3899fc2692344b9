package ringbrook.clients.connect;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import ringbrook.clients.Broker;
import ringbrook.clients.Case;
import ringbrook.clients.Check;

/** Lines go from a file to a topic and from a topic to a file, by Connect's file connectors. */
final class ConnectCases {
    private final Path work;

    /** Files go below {@code work}. */
    ConnectCases(Path work) {
        this.work = work;
    }

    List<Case> all() {
        return List.of(
            new Case("connect_distributed_exactly_once_source_outlives_a_kill",
                this::exactlyOnce),
            new Case("connect_distributed_workers_share_and_take_over", this::distributed),
            new Case("connect_standalone_copies_a_file_and_goes_on_after_a_restart",
                this::standalone));
    }

    private static Map<String, String> worker(Broker broker, Map<String, String> more) {
        Map<String, String> all = new HashMap<>(Map.of(
            "bootstrap.servers", broker.bootstrap(),
            "key.converter", "org.apache.kafka.connect.storage.StringConverter",
            "value.converter", "org.apache.kafka.connect.storage.StringConverter",
            "offset.flush.interval.ms", "200",
            "listeners", "http://127.0.0.1:0",
            "plugin.discovery", "service_load",
            // How often a sink task looks for records at most, and a consumer for its group.
            "consumer.heartbeat.interval.ms", "300",
            "consumer.session.timeout.ms", "6000"));
        all.putAll(more);
        return all;
    }

    /** A distributed worker of the cluster {@code name}, with its three topics. */
    private static Map<String, String> distributed(Broker broker, String name,
            Map<String, String> more) {
        String prefix = broker.name(name);
        Map<String, String> all = worker(broker, Map.of(
            "group.id", prefix,
            "config.storage.topic", prefix + "-configs",
            "offset.storage.topic", prefix + "-offsets",
            "status.storage.topic", prefix + "-status",
            "config.storage.replication.factor", "1",
            "offset.storage.replication.factor", "1",
            "status.storage.replication.factor", "1",
            "offset.storage.partitions", "3",
            "session.timeout.ms", "6000",
            "heartbeat.interval.ms", "300"));
        all.put("scheduled.rebalance.max.delay.ms", "1000");
        all.putAll(more);
        return all;
    }

    private static Map<String, String> source(Path file, String topic) {
        return Map.of("name", topic + "-source", "connector.class",
            "org.apache.kafka.connect.file.FileStreamSourceConnector", "tasks.max", "1",
            "file", file.toString(), "topic", topic);
    }

    private static Map<String, String> sink(Path file, String topic) {
        return Map.of("name", topic + "-sink", "connector.class",
            "org.apache.kafka.connect.file.FileStreamSinkConnector", "tasks.max", "1",
            "file", file.toString(), "topics", topic);
    }

    private static List<String> lines(int from, int to) {
        return IntStream.range(from, to).mapToObj(i -> "line " + i).toList();
    }

    private static void append(Path file, List<String> lines) throws Exception {
        Files.write(file, lines, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    private static List<String> read(Path file) throws Exception {
        return Files.exists(file) ? Files.readAllLines(file) : List.of();
    }

    private static long end(Broker broker, String topic) {
        return broker.endOffset(topic, 0);
    }

    private static List<String> values(Broker broker, String topic, int count) {
        return Broker.values(broker.read(topic, 0, count));
    }

    private void standalone(Broker broker) throws Exception {
        Path dir = Files.createDirectories(work.resolve("standalone"));
        String topic = broker.createTopic("connect-standalone", 1);
        Path in = dir.resolve("in.txt");
        Path out = dir.resolve("out.txt");
        append(in, lines(0, 100));
        Path source = dir.resolve("source.properties");
        Path sink = dir.resolve("sink.properties");
        Worker.write(source, source(in, topic));
        Worker.write(sink, sink(out, topic));
        Map<String, String> properties = worker(broker,
            Map.of("offset.storage.file.filename", dir.resolve("offsets").toString()));
        try (Worker worker = new Worker("ConnectStandalone", dir, properties, source, sink)
                .awaitStarted()) {
            worker.eventually("all lines are in the topic", () -> end(broker, topic) == 100);
            worker.eventually("all lines are in the file", () -> read(out).equals(lines(0, 100)));
            Check.same("connectors", 2, worker.get("/connectors").good().size());
            worker.stop();
        }
        append(in, lines(100, 150));
        // The source goes on behind its stored offset, the sink behind its group's.
        try (Worker worker = new Worker("ConnectStandalone", dir, properties, source, sink)
                .awaitStarted()) {
            worker.eventually("the new lines too", () -> read(out).size() == 150);
            Check.same("the file", lines(0, 150), read(out));
            Check.same("the topic", lines(0, 150), values(broker, topic, 150));
            Check.same("log end", 150L, end(broker, topic));
        }
    }

    private void distributed(Broker broker) throws Exception {
        Path dir = Files.createDirectories(work.resolve("distributed"));
        String topic = broker.createTopic("connect-distributed", 1);
        Path in = dir.resolve("in.txt");
        Path out = dir.resolve("out.txt");
        append(in, lines(0, 50));
        Map<String, String> properties = distributed(broker, "connect-distributed", Map.of());
        String source = topic + "-source";
        String sink = topic + "-sink";
        try (Worker first = new Worker("ConnectDistributed", dir, properties);
             Worker second = new Worker("ConnectDistributed", dir, properties)) {
            first.awaitStarted();
            second.awaitStarted();
            first.create(source, source(in, topic));
            second.create(sink, sink(out, topic));
            first.eventually("the lines are copied", () -> read(out).equals(lines(0, 50)));
            internalTopics(broker, broker.name("connect-distributed"));
            pause(first, second, in, out, sink);
            offsets(broker, first, topic, out);
            append(in, lines(70, 80));
            first.eventually("the next lines", () -> read(out).size() == 150);
            second.kill();
            append(in, lines(80, 100));
            first.awaitState(source, "RUNNING");
            first.awaitState(sink, "RUNNING");
            first.eventually("what is left does all", () -> read(out).size() >= 170);
            // Without exactly-once support the source may repeat what it had not committed.
            Check.same("lines of the topic", new HashSet<>(lines(0, 100)),
                new HashSet<>(values(broker, topic, (int) end(broker, topic))));
            delete(broker, first, source, sink);
        }
    }

    /** Connect asks for compacted topics of its own with these many partitions. */
    private static void internalTopics(Broker broker, String prefix) throws Exception {
        for (var wanted : Map.of("-configs", 1, "-offsets", 3, "-status", 5).entrySet()) {
            String topic = prefix + wanted.getKey();
            var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            Check.same("cleanup of " + topic, "compact", broker.admin().describeConfigs(
                Set.of(resource)).all().get().get(resource).get("cleanup.policy").value());
            Check.same("partitions of " + topic, wanted.getValue(), broker.admin().describeTopics(
                Set.of(topic)).allTopicNames().get().get(topic).partitions().size());
        }
    }

    private static void pause(Worker first, Worker second, Path in, Path out, String sink)
            throws Exception {
        first.put("/connectors/" + sink + "/pause", null).good();
        second.awaitState(sink, "PAUSED");
        append(in, lines(50, 70));
        first.put("/connectors/" + sink + "/resume", null).good();
        first.awaitState(sink, "RUNNING");
        first.eventually("the lines came after the pause", () -> read(out).equals(lines(0, 70)));
        first.post("/connectors/" + sink + "/restart?includeTasks=true", null).good();
        first.awaitState(sink, "RUNNING");
    }

    /** The sink's offsets are shown, altered while it is stopped, and taken up again. */
    private static void offsets(Broker broker, Worker worker, String topic, Path out)
            throws Exception {
        String sink = "/connectors/" + topic + "-sink";
        worker.eventually("the offset is committed", () -> {
            JsonNode found = worker.get(sink + "/offsets").good().path("offsets");
            return found.size() == 1
                && found.get(0).path("offset").path("kafka_offset").asLong() == 70
                && found.get(0).path("partition").path("kafka_topic").asText().equals(topic);
        });
        worker.put(sink + "/stop", null).good();
        worker.eventually("it is stopped", () -> worker.get(sink + "/status").body()
            .path("connector").path("state").asText().equals("STOPPED")
            && worker.get(sink + "/status").body().path("tasks").isEmpty());
        Map<String, Object> offset = Map.of(
            "partition", Map.of("kafka_topic", topic, "kafka_partition", 0),
            "offset", Map.of("kafka_offset", 60));
        worker.patch(sink + "/offsets", Map.of("offsets", List.of(offset))).good();
        var group = broker.admin().listConsumerGroupOffsets("connect-" + topic + "-sink")
            .partitionsToOffsetAndMetadata().get();
        Check.same("the group's offset", 60L, group.get(new TopicPartition(topic, 0)).offset());
        worker.delete(sink + "/offsets").good();
        worker.put(sink + "/resume", null).good();
        worker.awaitState(topic + "-sink", "RUNNING");
        // Without an offset it begins at the start, and appends everything once more.
        List<String> twice = new ArrayList<>(lines(0, 70));
        twice.addAll(lines(0, 70));
        worker.eventually("all lines again", () -> read(out).equals(twice));
    }

    private static void delete(Broker broker, Worker worker, String... names) throws Exception {
        for (String name : names) {
            worker.eventually(name + " is deleted",
                () -> worker.delete("/connectors/" + name).status() == 204);
        }
        worker.eventually("none is left", () -> worker.get("/connectors").good().isEmpty());
    }

    private void exactlyOnce(Broker broker) throws Exception {
        Path dir = Files.createDirectories(work.resolve("exactly-once"));
        String topic = broker.createTopic("connect-once", 1);
        String source = topic + "-source";
        Path in = dir.resolve("in.txt");
        append(in, lines(0, 40));
        Map<String, String> properties = distributed(broker, "connect-once",
            Map.of("exactly.once.source.support", "enabled"));
        try (Worker worker = new Worker("ConnectDistributed", dir, properties).awaitStarted()) {
            worker.create(source, source(in, topic));
            worker.eventually("the first lines", () -> 40 < end(broker, topic));
            Check.same("committed", lines(0, 40), broker.committed(topic, 0));
            offsetsOfSource(worker, source);
            // Killed while it copies: each poll of the file is a transaction.
            for (int line = 40; line < 2000; line += 20) {
                append(in, lines(line, line + 20));
                if (line == 1000) {
                    worker.eventually("it has begun", () -> 41 < end(broker, topic));
                    worker.kill();
                }
            }
        }
        try (Worker again = new Worker("ConnectDistributed", dir, properties).awaitStarted()) {
            append(in, lines(2000, 2010));
            again.awaitState(source, "RUNNING");
            again.eventually("every line is there", () -> {
                try (var consumer = broker.consumer("isolation.level", "read_committed")) {
                    TopicPartition at = new TopicPartition(topic, 0);
                    consumer.assign(Set.of(at));
                    consumer.seek(at, Math.max(0, consumer.endOffsets(Set.of(at)).get(at) - 10));
                    List<String> last = new ArrayList<>();
                    consumer.poll(java.time.Duration.ofMillis(500))
                        .forEach(r -> last.add(Broker.text(r.value())));
                    return last.contains("line 2009");
                }
            });
            // A record of ours has the last word, so that all of the source's have been read.
            try (var producer = broker.producer()) {
                producer.send(new ProducerRecord<>(topic, 0, null, Broker.utf8("end"))).get();
            }
            List<String> expected = new ArrayList<>(lines(0, 2010));
            expected.add("end");
            Check.same("lines, each once", expected, broker.committed(topic, 0));
        }
    }

    private static void offsetsOfSource(Worker worker, String source) throws Exception {
        JsonNode found = worker.get("/connectors/" + source + "/offsets").good().path("offsets");
        Check.same("partitions", 1, found.size());
        Check.isTrue("a position in the file: " + found,
            0 < found.get(0).path("offset").path("position").asLong());
    }
}
