package ringbrook.clients.connect;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import ringbrook.clients.Check;

/**
 * A Connect worker in a process of its own, told what to do by its REST interface. It listens on a
 * port that the system chooses, and its log says which.
 */
final class Worker implements AutoCloseable {
    /** How long a worker may take for anything: two of them start on two busy cores. */
    static final Duration PATIENCE = Duration.ofSeconds(100);

    private static final Pattern ADDRESS =
        Pattern.compile("REST server listening at (http://[0-9.]+:[0-9]+)/");
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    private final Process process;
    private final Path log;
    private String address;

    /** What a worker answered. */
    record Answer(int status, JsonNode body) {
        /** Fails unless the status says that all is well; returns the body. */
        JsonNode good() {
            Check.isTrue("a good answer: " + this, 200 <= status && status < 300);
            return body;
        }
    }

    /**
     * Starts {@code org.apache.kafka.connect.cli.<program>} with these properties.
     *
     * @param dir where its properties and its log are written
     * @param connectors properties of connectors that a standalone worker begins with
     */
    Worker(String program, Path dir, Map<String, String> properties, Path... connectors)
            throws Exception {
        Files.createDirectories(dir);
        log = Files.createTempFile(dir, "worker", ".log");
        Path file = Files.createTempFile(dir, "worker", ".properties");
        write(file, properties);
        List<String> words = new ArrayList<>(List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-Xmx192m",
            "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.connect.runtime.rest=info",
            "-cp", System.getProperty("java.class.path"),
            "org.apache.kafka.connect.cli." + program, file.toString()));
        for (Path connector : connectors) {
            words.add(connector.toString());
        }
        process = new ProcessBuilder(words).redirectErrorStream(true)
            .redirectOutput(log.toFile()).start();
        // Nothing may be left behind by a case that fails or is given up.
        Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
    }

    /** Writes a file of properties. */
    static void write(Path file, Map<String, String> properties) throws Exception {
        Properties all = new Properties();
        all.putAll(properties);
        try (var out = Files.newBufferedWriter(file)) {
            all.store(out, null);
        }
    }

    /** Waits until it answers. */
    Worker awaitStarted() throws Exception {
        eventually("the worker answers", () -> {
            Matcher found = ADDRESS.matcher(Files.readString(log));
            if (!found.find()) {
                return false;
            }
            address = found.group(1);
            return get("/connectors").status() == 200;
        });
        return this;
    }

    /** Waits until the claim holds, and fails early if the worker ended. */
    void eventually(String claim, java.util.concurrent.Callable<Boolean> question)
            throws Exception {
        Check.eventually(claim, PATIENCE, () -> {
            if (!process.isAlive()) {
                throw new AssertionError("the worker ended with " + process.exitValue() + ": "
                    + Files.readString(log));
            }
            return question.call();
        });
    }

    Answer get(String path) throws Exception {
        return send("GET", path, null);
    }

    Answer put(String path, Object body) throws Exception {
        return send("PUT", path, body);
    }

    Answer post(String path, Object body) throws Exception {
        return send("POST", path, body);
    }

    Answer patch(String path, Object body) throws Exception {
        return send("PATCH", path, body);
    }

    Answer delete(String path) throws Exception {
        return send("DELETE", path, null);
    }

    private Answer send(String method, String path, Object body) throws Exception {
        var publisher = body == null ? HttpRequest.BodyPublishers.noBody()
            : HttpRequest.BodyPublishers.ofString(JSON.writeValueAsString(body));
        HttpRequest request = HttpRequest.newBuilder(URI.create(address + path))
            .header("Content-Type", "application/json").timeout(PATIENCE)
            .method(method, publisher).build();
        HttpResponse<String> answer = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
        // Until the worker is ready its web server answers with pages of its own.
        boolean isJson = answer.headers().firstValue("Content-Type").orElse("").contains("json");
        JsonNode json = isJson ? JSON.readTree(answer.body())
            : JSON.getNodeFactory().textNode(answer.body());
        return new Answer(answer.statusCode(), json);
    }

    /** Creates a connector and waits until it and its task run. */
    void create(String name, Map<String, String> config) throws Exception {
        // While the workers find each other the answer is 409: ask again.
        eventually("the connector " + name + " is made", () -> {
            Answer answer = post("/connectors", Map.of("name", name, "config", config));
            if (answer.status() != 409) {
                answer.good();
            }
            return answer.status() == 201;
        });
        awaitState(name, "RUNNING");
    }

    /** Waits until a connector and its one task are in a state. */
    void awaitState(String name, String state) throws Exception {
        eventually(name + " is " + state, () -> {
            Answer found = get("/connectors/" + name + "/status");
            JsonNode tasks = found.body().path("tasks");
            return found.status() == 200
                && found.body().path("connector").path("state").asText().equals(state)
                && tasks.size() == 1 && tasks.get(0).path("state").asText().equals(state);
        });
    }

    /** Ends it in good order. */
    void stop() throws Exception {
        process.destroy();
        Check.isTrue("the worker stopped",
            process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS));
    }

    /** Ends it with SIGKILL, unless it has ended. */
    void kill() throws Exception {
        process.destroyForcibly().waitFor();
    }

    @Override
    public void close() throws Exception {
        kill();
    }
}
