package ringbrook.clients.format;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Ringbrook's binary on a free port. */
final class RingbrookNode extends Node {
    private static final Pattern ADDRESS = Pattern.compile("PLAINTEXT://([0-9.]+:[0-9]+)");

    private final Path binary = Path.of(System.getProperty("ringbrook.binary"));
    private final Path dir;
    private Process process;

    /** A node with its data in {@code dir}. */
    RingbrookNode(Path dir) {
        this.dir = dir;
    }

    @Override
    public String start(Map<String, String> properties) throws Exception {
        Files.createDirectories(dir);
        List<String> words = new ArrayList<>(List.of(binary.toString(),
            "--data-dir", logDir().toString(),
            "--override", "listeners=PLAINTEXT://127.0.0.1:0",
            "--override", "node.id=1",
            "--override", "offsets.topic.num.partitions=4",
            "--override", "group.initial.rebalance.delay.ms=0"));
        properties.forEach((key, value) -> {
            words.add("--override");
            words.add(key + "=" + value);
        });
        process = new ProcessBuilder(words)
            .redirectError(ProcessBuilder.Redirect.appendTo(dir.resolve("broker.log").toFile()))
            .start();
        // The first line names the addresses; it is written when they are served.
        BufferedReader output = new BufferedReader(new InputStreamReader(process.getInputStream()));
        String banner = output.readLine();
        Matcher address = ADDRESS.matcher(banner == null ? "" : banner);
        if (!address.find()) {
            throw new IOException("the broker did not start; see " + dir + "/broker.log");
        }
        return address.group(1);
    }

    @Override
    public void stop() throws Exception {
        process.destroy();
        if (!process.waitFor(30, TimeUnit.SECONDS) || process.exitValue() != 0) {
            throw new AssertionError("the broker did not stop; see " + dir + "/broker.log");
        }
    }

    @Override
    public void kill() throws Exception {
        if (process != null) {
            process.destroyForcibly().waitFor();
        }
    }

    @Override
    public Path logDir() {
        return dir.resolve("data");
    }
}
