package ringbrook.clients.streams;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

/**
 * Counts words: lines of the input topic are split, sent through a repartition topic to the task
 * that owns the word, counted in a store with a changelog, and every new count goes to the output
 * topic. Nothing is cached, so exactly-once means that the counts of a word in the output are 1, 2,
 * 3 and so on without a gap or a repetition. Runs within a case, or by its main program as a
 * process that can be killed.
 */
public final class WordCount {
    /** The store that may be queried. */
    static final String STORE = "counts";

    private WordCount() {
    }

    /** The arguments of the main program, in their order. */
    record Settings(String bootstrap, String applicationId, String input, String output,
            Path stateDir) {
        /** As the main program takes them. */
        String[] words() {
            return new String[] {bootstrap, applicationId, input, output, stateDir.toString()};
        }
    }

    /** Runs until the process is ended; says RUNNING whenever it does. Exits with 1 on an error. */
    public static void main(String[] words) {
        KafkaStreams streams = start(new Settings(words[0], words[1], words[2], words[3],
            Path.of(words[4])), (state, before) -> System.out.println(state));
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    }

    /** Starts it in this process. */
    static KafkaStreams start(Settings settings, KafkaStreams.StateListener listener) {
        Properties properties = new Properties();
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, settings.bootstrap());
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, settings.applicationId());
        properties.put(StreamsConfig.STATE_DIR_CONFIG, settings.stateDir().toString());
        properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        properties.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        properties.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG),
            "earliest");
        // A killed instance is missed and its open transaction ended within seconds.
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG),
            6000);
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG),
            300);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG),
            5000);
        KafkaStreams streams = new KafkaStreams(topology(settings), properties);
        streams.setStateListener((state, before) -> {
            listener.onChange(state, before);
            if (state == KafkaStreams.State.ERROR) {
                System.err.println(settings.applicationId() + " ended with an error");
            }
        });
        streams.start();
        return streams;
    }

    private static Topology topology(Settings settings) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.<String, String>stream(settings.input())
            .flatMapValues(line -> Arrays.asList(line.split(" ")))
            .groupBy((key, word) -> word)
            .count(Materialized.as(STORE))
            .toStream()
            .mapValues(count -> Long.toString(count))
            .to(settings.output(), Produced.with(Serdes.String(), Serdes.String()));
        return builder.build();
    }
}
