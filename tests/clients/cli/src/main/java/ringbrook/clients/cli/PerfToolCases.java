package ringbrook.clients.cli;

import java.util.ArrayList;
import java.util.List;
import ringbrook.clients.Broker;
import ringbrook.clients.Case;
import ringbrook.clients.Check;

/** kafka-producer-perf-test and kafka-consumer-perf-test. */
final class PerfToolCases {
    private PerfToolCases() {
    }

    static List<Case> all() {
        List<Case> cases = new ArrayList<>();
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            cases.add(new Case("producer_perf_sends_every_record_with_" + codec,
                b -> producerPerf(b, codec)));
        }
        cases.add(new Case("producer_perf_sends_in_transactions", PerfToolCases::transactions));
        cases.add(new Case("consumer_perf_reads_every_record", PerfToolCases::consumerPerf));
        return cases;
    }

    private static void producerPerf(Broker broker, String codec) throws Exception {
        String topic = broker.createTopic("producer-perf-" + codec, 2);
        String found = Cli.producerPerf(broker, "--topic", topic, "--num-records", "20000",
            "--record-size", "200", "--throughput", "-1", "--command-property",
            "compression.type=" + codec).good();
        Check.contains("output", found, "20000 records sent, ", " records/sec", " ms 99.9th.");
        Check.same("log ends", 20_000L, broker.endOffset(topic, 0) + broker.endOffset(topic, 1));
    }

    private static void transactions(Broker broker) throws Exception {
        String topic = broker.createTopic("producer-perf-txn", 1);
        String found = Cli.producerPerf(broker, "--topic", topic, "--num-records", "3000",
            "--record-size", "100", "--throughput", "6000", "--transactional-id", topic,
            "--transaction-duration-ms", "50").good();
        Check.contains("output", found, "3000 records sent, ");
        Check.same("committed", 3000, broker.committed(topic, 0).size());
        Check.isTrue("several transactions have ended",
            3001 < broker.endOffset(topic, 0));
    }

    private static void consumerPerf(Broker broker) throws Exception {
        String topic = broker.createTopic("consumer-perf", 1);
        Cli.producerPerf(broker, "--topic", topic, "--num-records", "20000", "--record-size",
            "100", "--throughput", "-1").good();
        List<String> lines = Cli.consumerPerf(broker, "--topic", topic, "--num-records", "20000",
            "--group", broker.name("consumer-perf")).lines();
        Check.same("lines", 2, lines.size());
        Check.contains("header", lines.get(0), "data.consumed.in.nMsg");
        Check.same("records", "20000", lines.get(1).split(", ")[4]);
    }
}
