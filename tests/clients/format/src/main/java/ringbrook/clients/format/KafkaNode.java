package ringbrook.clients.format;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Apache Kafka, by the scripts of the client matrix. */
final class KafkaNode extends Node {
    private final Path scripts;
    private final Path dir;

    /** A node with its data and logs in {@code dir}. */
    KafkaNode(Path dir) {
        this.scripts = Path.of(System.getProperty("ringbrook.clients"), "kafka");
        this.dir = dir;
    }

    @Override
    public String start(Map<String, String> properties) throws Exception {
        boolean isAgain = Files.exists(dir.resolve("server.properties"));
        List<String> words = new ArrayList<>();
        words.add(scripts.resolve("start").toString());
        words.add(dir.toString());
        properties.forEach((key, value) -> words.add(key + "=" + value));
        String port = command(Map.of("KAFKA_AGAIN", isAgain ? "1" : "0"), words).trim();
        return "127.0.0.1:" + port;
    }

    @Override
    public void stop() throws Exception {
        command(Map.of(), List.of(scripts.resolve("stop").toString(), dir.toString()));
        if (!Files.exists(logDir().resolve(".kafka_cleanshutdown"))) {
            throw new AssertionError("Kafka did not stop cleanly; see " + dir + "/server.log");
        }
    }

    @Override
    public void kill() throws Exception {
        Path pid = dir.resolve("pid");
        if (!Files.exists(pid)) {
            return;
        }
        ProcessHandle process = ProcessHandle.of(Long.parseLong(Files.readString(pid).trim()))
            .orElse(null);
        Files.delete(pid);
        if (process != null) {
            process.destroyForcibly();
            process.onExit().get();
        }
    }

    @Override
    public Path logDir() {
        return dir.resolve("data");
    }

    /** The lines of the node's log since its last start. */
    List<String> log() throws Exception {
        return Files.readAllLines(dir.resolve("server.log"));
    }
}
