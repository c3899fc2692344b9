package ringbrook.clients.streams;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;
import ringbrook.clients.Broker;
import ringbrook.clients.Case;
import ringbrook.clients.Check;
import ringbrook.clients.cli.Cli;

/** A word count with exactly_once_v2 gives exact results, whatever happens to its processes. */
final class StreamsCases {
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final List<String> WORDS = List.of("the", "brook", "runs", "in", "a", "ring",
        "and", "never", "ends");

    private final Path work;

    /** State goes below {@code work}. */
    StreamsCases(Path work) {
        this.work = work;
    }

    List<Case> all() {
        return List.of(
            new Case("streams_counts_exactly_over_kills_and_restarts", this::kills),
            new Case("streams_store_is_queried_and_restored", this::query),
            new Case("streams_application_reset_lets_it_begin_again", this::reset));
    }

    /** Input and output of one application. */
    private record Topics(String input, String output) {
        static Topics create(Broker broker, String suffix) throws Exception {
            return new Topics(broker.createTopic(suffix + "-lines", 3),
                broker.createTopic(suffix + "-output", 2));
        }
    }

    private WordCount.Settings settings(Broker broker, Topics topics, String application,
            String instance) {
        return new WordCount.Settings(broker.bootstrap(), broker.name(application),
            topics.input(), topics.output(), work.resolve(application).resolve(instance));
    }

    /** Lines of four words each; returns how often each word is in them. */
    private static Map<String, Long> produce(Broker broker, Topics topics, int from, int to) {
        Map<String, Long> counts = new HashMap<>();
        try (Producer<byte[], byte[]> producer = broker.producer()) {
            for (int line = from; line < to; line++) {
                List<String> words = new ArrayList<>();
                for (int i = 0; i < 4; i++) {
                    String word = WORDS.get((line * 7 + i * i) % WORDS.size());
                    words.add(word);
                    counts.merge(word, 1L, Long::sum);
                }
                producer.send(new ProducerRecord<>(topics.input(), line % 3, null,
                    Broker.utf8(String.join(" ", words))));
            }
        }
        return counts;
    }

    private static Map<String, Long> sum(Map<String, Long> one, Map<String, Long> two) {
        Map<String, Long> all = new TreeMap<>(one);
        two.forEach((word, count) -> all.merge(word, count, Long::sum));
        return all;
    }

    /** The output as read_committed shows it: the counts of each word in their order. */
    private static final class Output implements AutoCloseable {
        private final Consumer<byte[], byte[]> consumer;
        private final Map<String, List<Long>> counts = new TreeMap<>();

        Output(Broker broker, Topics topics) {
            consumer = broker.consumer(ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed");
            consumer.assign(Set.of(new TopicPartition(topics.output(), 0),
                new TopicPartition(topics.output(), 1)));
        }

        private Map<String, List<Long>> poll() {
            consumer.poll(Duration.ofMillis(50)).forEach(r -> counts
                .computeIfAbsent(Broker.text(r.key()), word -> new ArrayList<>())
                .add(Long.valueOf(Broker.text(r.value()))));
            return counts;
        }

        long size() {
            return poll().values().stream().mapToLong(List::size).sum();
        }

        /** Waits until this many counts are there. */
        void await(long size, Application... running) throws Exception {
            Check.eventually(size + " counts are in the output", PATIENCE, () -> {
                for (Application application : running) {
                    application.failIfEnded();
                }
                return size <= size();
            });
        }

        /** Waits for all; fails unless each word was counted 1, 2, 3 and so on, exactly. */
        void awaitExactly(Map<String, Long> expected, Application... running) throws Exception {
            await(expected.values().stream().mapToLong(n -> n).sum(), running);
            Map<String, List<Long>> exact = new TreeMap<>();
            expected.forEach((word, count) ->
                exact.put(word, LongStream.rangeClosed(1, count).boxed().toList()));
            Check.same("counts of each word", exact, poll());
        }

        @Override
        public void close() {
            consumer.close();
        }
    }

    private void kills(Broker broker) throws Exception {
        Topics topics = Topics.create(broker, "streams-kills");
        WordCount.Settings left = settings(broker, topics, "streams-kills", "left");
        WordCount.Settings right = settings(broker, topics, "streams-kills", "right");
        Map<String, Long> expected = produce(broker, topics, 0, 200);
        try (Output output = new Output(broker, topics);
             Application stays = new Application(left).awaitRunning();
             Application dies = new Application(right).awaitRunning()) {
            output.awaitExactly(expected, stays, dies);
            // Killed in the middle: some of these are in the output, more are not.
            expected = sum(expected, produce(broker, topics, 200, 2000));
            output.await(1000, stays, dies);
            dies.kill();
            expected = sum(expected, produce(broker, topics, 2000, 2200));
            // It finds its files, which it must not trust, as it was killed.
            try (Application again = new Application(right)) {
                output.awaitExactly(expected, stays, again);
                // The other one ends in good order and gives its tasks away.
                expected = sum(expected, produce(broker, topics, 2200, 2600));
                stays.stop();
                output.awaitExactly(expected, again);
            }
        }
    }

    private static ReadOnlyKeyValueStore<String, Long> store(KafkaStreams streams) {
        return streams.store(StoreQueryParameters.fromNameAndType(WordCount.STORE,
            QueryableStoreTypes.keyValueStore()));
    }

    private static Map<String, Long> stored(KafkaStreams streams) {
        Map<String, Long> found = new TreeMap<>();
        try (KeyValueIterator<String, Long> all = store(streams).all()) {
            all.forEachRemaining(entry -> found.put(entry.key, entry.value));
        }
        return found;
    }

    /** Runs it in this process, and lets {@code whileRunning} look at it. */
    private void with(WordCount.Settings settings, Body whileRunning) throws Exception {
        AtomicReference<KafkaStreams.State> state = new AtomicReference<>();
        KafkaStreams streams = WordCount.start(settings, (now, before) -> state.set(now));
        try {
            Check.eventually("it runs", PATIENCE,
                () -> state.get() == KafkaStreams.State.RUNNING);
            whileRunning.run(streams);
        } finally {
            Check.isTrue("it stopped", streams.close(PATIENCE));
        }
    }

    /** What a case does with a running application. */
    @FunctionalInterface
    private interface Body {
        void run(KafkaStreams streams) throws Exception;
    }

    private void query(Broker broker) throws Exception {
        Topics topics = Topics.create(broker, "streams-query");
        String application = broker.name("streams-query");
        Map<String, Long> first = produce(broker, topics, 0, 100);
        try (Output output = new Output(broker, topics)) {
            with(settings(broker, topics, "streams-query", "first"), streams -> {
                output.awaitExactly(first);
                Check.eventually("the store has all", PATIENCE,
                    () -> stored(streams).equals(new TreeMap<>(first)));
                Check.same("one word", first.get("brook"), store(streams).get("brook"));
                Check.same("no such word", null, store(streams).get("river"));
            });
            // Another state directory: the store comes back from its changelog.
            Map<String, Long> both = sum(first, produce(broker, topics, 100, 150));
            with(settings(broker, topics, "streams-query", "second"), streams -> {
                output.awaitExactly(both);
                Check.eventually("the store has all again", PATIENCE,
                    () -> stored(streams).equals(both));
            });
            internalTopics(broker, application, both);
        }
    }

    /** Checks the topics that Streams made for itself. */
    private static void internalTopics(Broker broker, String application, Map<String, Long> counts)
            throws Exception {
        String changelog = application + "-" + WordCount.STORE + "-changelog";
        String repartition = application + "-" + WordCount.STORE + "-repartition";
        for (String topic : List.of(changelog, repartition)) {
            Check.same("partitions of " + topic, 3, broker.admin().describeTopics(Set.of(topic))
                .allTopicNames().get().get(topic).partitions().size());
            var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
            Check.same("cleanup of " + topic, topic.equals(changelog) ? "compact" : "delete",
                broker.admin().describeConfigs(Set.of(resource)).all().get().get(resource)
                    .get("cleanup.policy").value());
        }
        Map<String, Long> logged = new TreeMap<>();
        try (var consumer = broker.consumer(ConsumerConfig.ISOLATION_LEVEL_CONFIG,
                "read_committed"); var number = new LongDeserializer()) {
            consumer.assign(IntStream.range(0, 3).mapToObj(p -> new TopicPartition(changelog, p))
                .toList());
            Check.eventually("the changelog has every count", PATIENCE, () -> {
                consumer.poll(Duration.ofMillis(50)).forEach(r ->
                    logged.put(Broker.text(r.key()), number.deserialize(changelog, r.value())));
                return logged.equals(counts);
            });
        }
    }

    private void reset(Broker broker) throws Exception {
        Topics topics = Topics.create(broker, "streams-reset");
        String application = broker.name("streams-reset");
        WordCount.Settings settings = settings(broker, topics, "streams-reset", "only");
        Map<String, Long> counts = produce(broker, topics, 0, 60);
        try (Output output = new Output(broker, topics)) {
            with(settings, streams -> {
                output.awaitExactly(counts);
                Tool.refused(broker, application, topics.input());
            });
        }
        Tool.reset(broker, application, topics.input());
        Set<String> left = broker.admin().listTopics().names().get();
        Check.isTrue("its own topics are gone: " + left,
            left.stream().noneMatch(t -> t.startsWith(application + "-counts")));
        // With its state gone too, it counts everything from the beginning once more.
        WordCount.Settings fresh = settings(broker, topics, "streams-reset", "fresh");
        with(fresh, streams -> {
            Check.eventually("it counts again", PATIENCE,
                () -> stored(streams).equals(new TreeMap<>(counts)));
        });
        long total = counts.values().stream().mapToLong(n -> n).sum();
        try (Output output = new Output(broker, topics)) {
            output.await(2 * total);
            Check.same("everything is in the output twice", 2 * total, output.size());
        }
    }

    /** kafka-streams-application-reset. */
    private static final class Tool {
        static void reset(Broker broker, String application, String input) throws Exception {
            // A Streams application that ends does not leave its group: force removes its members.
            Check.contains("output", Cli.streamsReset(broker, "--application-id", application,
                "--input-topics", input, "--force").good(), "Deleting inferred internal topics");
        }

        static void refused(Broker broker, String application, String input) throws Exception {
            Check.contains("output", Cli.streamsReset(broker, "--application-id", application,
                "--input-topics", input).bad(), "is still active");
        }
    }
}
