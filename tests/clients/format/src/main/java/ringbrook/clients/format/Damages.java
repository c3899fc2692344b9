package ringbrook.clients.format;

import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import ringbrook.clients.Check;

/**
 * Does the damages of the engine's table (engine/tests/fixtures/damages.txt, which explains itself)
 * to partitions of Apache Kafka, each to a topic of its own, and compares what Kafka keeps with what
 * the table says that Ringbrook keeps.
 */
final class Damages {
    private static final String RECOVERY_POINTS = "recovery-point-offset-checkpoint";

    private final Session session;
    private final Path fixtures = Path.of(System.getProperty("ringbrook.fixtures"));

    private static final class Damage {
        String name;
        String archive;
        String partition;
        String recoveryPoint;
        long end;
        boolean isCompared = true;
        boolean isLeftBroken;
        final List<String[]> edits = new ArrayList<>();

        TopicPartition topic() {
            return new TopicPartition(name, 0);
        }
    }

    Damages(Session session) {
        this.session = session;
    }

    /** Compares the damages that were done to this archive. */
    void kafkaAgrees(String archive, boolean isClean) throws Exception {
        List<Damage> damages = table().stream()
            .filter(it -> it.isCompared && it.archive.equals(archive)).toList();
        Check.isTrue("there are damages of " + archive, 10 <= damages.size());
        Path logDir = session.work().resolve("damaged-" + archive);
        Files.createDirectories(logDir);
        Node.command(Map.of(), List.of("tar", "--extract", "--gzip",
            "--file=" + fixtures.resolve(archive + ".tar.gz"), "--directory=" + logDir));
        try (Node kafka = new KafkaNode(session.work().resolve("kafka-damaged-" + archive))) {
            String bootstrap = kafka.start(Exchange.KEEPS_ALL);
            try (Workload workload = new Workload(bootstrap)) {
                for (Damage damage : damages) {
                    workload.create(damage.name, 1, Map.of());
                }
            }
            kafka.stop();
            for (Damage damage : damages) {
                apply(damage, logDir, kafka.logDir());
            }
            if (!isClean) {
                Files.delete(kafka.logDir().resolve(".kafka_cleanshutdown"));
            }
            String again = kafka.start(Exchange.KEEPS_ALL);
            List<String> wrong = new ArrayList<>();
            for (Damage damage : damages) {
                try {
                    compare(damage, logDir, again);
                } catch (AssertionError e) {
                    wrong.add(damage.name + ": " + e.getMessage());
                }
            }
            Check.same("damages that Kafka treats in another way", List.of(), wrong);
            kafka.stop();
        }
    }

    private static void compare(Damage damage, Path logDir, String bootstrap) throws Exception {
        if (damage.isLeftBroken) {
            // A consumer fails at the broken batch, as it does with Ringbrook.
            Check.same("log end", damage.end, Content.logEnd(bootstrap, damage.topic()));
            return;
        }
        List<String> found = Content.records(bootstrap, damage.topic());
        List<String> expected = new ArrayList<>();
        Exchange.expected(logDir).forEach((partition, lines) -> {
            if (partition.toString().equals(damage.partition)) {
                expected.addAll(lines);
            }
        });
        expected.removeIf(line -> line.startsWith("record ")
            && damage.end <= Long.parseLong(line.split(" ")[1]));
        expected.set(0, "offsets 0 " + damage.end);
        Check.same("lines", expected, found);
    }

    private List<Damage> table() throws Exception {
        List<Damage> damages = new ArrayList<>();
        Damage damage = null;
        for (String line : Files.readAllLines(fixtures.resolve("damages.txt"))) {
            if (line.isEmpty() || line.startsWith("#")) {
                continue;
            }
            String[] words = line.split(" ", 3);
            switch (words[0]) {
                case "damage" -> {
                    damage = new Damage();
                    damage.name = words[1];
                    damages.add(damage);
                }
                case "of" -> {
                    damage.archive = words[1];
                    damage.partition = words[2];
                }
                case "end" -> damage.end = Long.parseLong(words[1]);
                case "recovery-point" -> damage.recoveryPoint = words[1];
                case "kafka-differs" -> damage.isCompared = false;
                case "damage-stays" -> damage.isLeftBroken = true;
                case "cuts", "producers-change" -> { }
                default -> damage.edits.add(words);
            }
        }
        return damages;
    }

    private static void apply(Damage damage, Path from, Path logDir) throws Exception {
        Path target = logDir.resolve(damage.name + "-0");
        byte[] identity = Files.readAllBytes(target.resolve("partition.metadata"));
        Node.command(Map.of(), List.of("rm", "-r", target.toString()));
        Node.copy(from.resolve(damage.partition), target);
        Files.write(target.resolve("partition.metadata"), identity);
        for (String[] words : damage.edits) {
            edit(target, words);
        }
        String point = damage.recoveryPoint;
        for (String line : Files.readAllLines(from.resolve(RECOVERY_POINTS))) {
            String[] fields = line.split(" ");
            if (point == null && fields.length == 3
                    && damage.partition.equals(fields[0] + "-" + fields[1])) {
                point = fields[2];
            }
        }
        Path points = logDir.resolve(RECOVERY_POINTS);
        List<String> lines = new ArrayList<>(Files.readAllLines(points));
        lines.removeIf(line -> line.startsWith(damage.name + " 0 "));
        lines.add(damage.name + " 0 " + point);
        lines.set(1, "" + (lines.size() - 2));
        Files.write(points, lines);
    }

    /** Does one edit of the table, to files below {@code directory}. */
    static void edit(Path directory, String[] words) throws Exception {
        Path file = directory.resolve(words[1]);
        switch (words[0]) {
            case "flip" -> {
                byte[] bytes = Files.readAllBytes(file);
                bytes[Integer.parseInt(words[2])] ^= 1;
                Files.write(file, bytes);
            }
            case "cut" -> setLength(file, Long.parseLong(words[2]));
            case "zeros" -> setLength(file, Files.size(file) + Long.parseLong(words[2]));
            case "text" -> Files.writeString(file, words[2].replace("\\n", "\n"));
            case "copy" -> Files.copy(file, directory.resolve(words[2]));
            case "move" -> Files.move(file, directory.resolve(words[2]));
            case "remove" -> Files.delete(file);
            default -> throw new AssertionError("no edit is named " + words[0]);
        }
    }

    private static void setLength(Path file, long length) throws Exception {
        try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw")) {
            open.setLength(length);
        }
    }
}
