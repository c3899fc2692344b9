package ringbrook.clients.format;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import ringbrook.clients.Case;
import ringbrook.clients.Check;

/** Kafka's tools and classes read what the broker and the engine wrote. */
final class FormatCases {
    private FormatCases() {
    }

    static List<Case> all(Session session) {
        List<Case> cases = new ArrayList<>(List.of(
            new Case("dump_reads_every_file_after_a_clean_stop",
                it -> dumpClean(session)),
            new Case("dump_reads_every_log_after_a_kill",
                it -> dumpKilled(session)),
            new Case("dump_reads_every_file_after_a_kill_and_recovery",
                it -> Dump.everything(session.recovered(), 60)),
            new Case("dump_complains_about_every_kind_of_damage",
                it -> complain(session)),
            new Case("kafka_serves_what_was_stopped_cleanly",
                it -> Exchange.kafkaServes(session, session.recovered(), true)),
            new Case("kafka_serves_what_was_killed",
                it -> Exchange.kafkaServes(session, session.killed(), false)),
            new Case("kafka_agrees_about_damage_after_a_clean_stop",
                it -> new Damages(session).kafkaAgrees("kafka-4.3.1-clean", true)),
            new Case("kafka_agrees_about_damage_after_a_kill",
                it -> new Damages(session).kafkaAgrees("kafka-4.3.1-unclean", false)),
            new Case("kafkas_classes_read_checkpoints_and_metadata",
                it -> KafkasClasses.readSmallFiles(session.clean())),
            new Case("kafkas_classes_read_checkpoints_and_metadata_after_recovery",
                it -> KafkasClasses.readSmallFiles(session.recovered()))));
        if (!Session.isReference()) {
            cases.add(new Case("kafkas_classes_load_the_producers",
                it -> KafkasClasses.loadProducers(session.recovered(),
                    session.work().resolve("producers"))));
            cases.add(new Case("dump_reads_what_only_the_engine_can_write_yet",
                it -> dumpEngine(session)));
            cases.add(new Case("ringbrook_serves_what_kafka_stopped_cleanly",
                it -> Exchange.ringbrookServes(session, "clean")));
            cases.add(new Case("ringbrook_serves_what_was_left_by_a_killed_kafka",
                it -> Exchange.ringbrookServes(session, "unclean")));
        }
        return cases;
    }

    private static void dumpClean(Session session) throws Exception {
        String said = Dump.everything(session.clean(), 40);
        says(said, "compresscodec: none",
            "compresscodec: gzip", "compresscodec: snappy", "compresscodec: lz4",
            "compresscodec: zstd", "LogAppendTime: ", "CreateTime: ",
            "headerKeys: [twice,other,twice,null,,gr\u00fc\u00df]",
            "\"group\":\"readers\",\"topic\":\"codecs\",\"partition\":0", "\"metadata\":\"a note\"",
            "\"protocolType\":\"consumer\"", "producerEpoch: 0 coordinatorEpoch: -1",
            "deleteHorizonMs: OptionalLong[", "endTxnMarker: COMMIT", "endTxnMarker: ABORT",
            "\"transactionalId\":\"first-a\"", "\"transactionStatus\":1",
            "\"transactionStatus\":2", "\"transactionStatus\":3", "\"transactionStatus\":4",
            "\"transactionStatus\":5", "\"topic\":\"transactions\"");
    }

    private static void dumpKilled(Session session) throws Exception {
        Path cut = session.work().resolve("killed-cut");
        int zeros = ZerosAhead.cut(session.killed(), cut);
        Check.isTrue(zeros + " logs had zeros ahead", Session.isReference() == (zeros == 0));
        Dump.logsOnly(cut);
    }

    private static void dumpEngine(Session session) throws Exception {
        Path directory = session.work().resolve("engine");
        Node.command(Map.of(),
            List.of(System.getProperty("ringbrook.example"), directory.toString()));
        String said = Dump.everything(directory, 40);
        says(said, "endTxnMarker: COMMIT",
            "endTxnMarker: ABORT coordinatorEpoch: 3", "version: 0 producerId: 70 firstOffset: ",
            "\"transactionalId\":\"payments\"", "\"transactionStatus\":3",
            "producerId: 72 producerEpoch: 4 coordinatorEpoch: -1 currentTxnFirstOffset: OptionalLong[80]");
        KafkasClasses.readSmallFiles(directory);
    }

    /** The cases above can fail: one byte changed in a file of each kind is noticed. */
    private static void complain(Session session) throws Exception {
        Path damaged = session.work().resolve("damaged");
        for (String suffix : List.of(".log", ".index", ".timeindex", ".snapshot")) {
            Node.copy(session.clean().resolve("rolled-0"), damaged.resolve("rolled-0"));
            Path file = Content.files(damaged.resolve("rolled-0"), suffix).get(0);
            byte[] bytes = Files.readAllBytes(file);
            // The last byte of the first entry; in a log, of the first batch's first records.
            bytes[suffix.equals(".log") ? 100 : suffix.equals(".timeindex") ? 11 : 7] ^= 1;
            Files.write(file, bytes);
            Check.fails(AssertionError.class, () -> Dump.everything(damaged, 1));
            Node.command(Map.of(), List.of("rm", "-r", damaged.toString()));
        }
    }

    private static void says(String said, String... parts) {
        for (String part : parts) {
            Check.isTrue("DumpLogSegments says <" + part + ">", said.contains(part));
        }
    }
}
