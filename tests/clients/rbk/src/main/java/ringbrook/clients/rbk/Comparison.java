package ringbrook.clients.rbk;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import ringbrook.clients.Broker;
import ringbrook.clients.Check;
import ringbrook.clients.cli.Tool;

/**
 * Runs a script's steps with Kafka's tools and with rbk, each side with topics and groups of its
 * own, and fails at the first step whose exit codes or outputs differ.
 */
final class Comparison {
    private static final Pattern PLACEHOLDER = Pattern.compile("\\{([a-z][a-z0-9-]*)}");
    private static final Duration PATIENCE = Duration.ofSeconds(15);
    private static final boolean SHOWS = System.getenv("SHOW") != null;

    private final Broker broker;
    private final Path rbk;

    Comparison(Broker broker, Path rbk) {
        this.broker = broker;
        this.rbk = rbk;
    }

    void run(Script script) throws Exception {
        Path dir = Files.createTempDirectory("rbk-cases");
        try {
            Side kafka = new Side(true, script, Files.createDirectory(dir.resolve("k")));
            Side ours = new Side(false, script, Files.createDirectory(dir.resolve("r")));
            for (Script.Step step : script.steps()) {
                compare(step, kafka, ours);
            }
        } finally {
            deleteAll(dir);
        }
    }

    private void compare(Script.Step step, Side kafka, Side ours) throws Exception {
        if (step.file() != null) {
            kafka.write(step);
            ours.write(step);
            return;
        }
        if (step.mode() == Script.Mode.SETUP) {
            for (Side side : List.of(kafka, ours)) {
                Tool.Output output = side.runKafkas(side.words(step), step);
                Check.same("exit code of " + step.words() + ": " + output, 0, output.exit());
            }
            return;
        }
        AtomicReference<AssertionError> last = new AtomicReference<>();
        try {
            Check.eventually("", step.isEventual() ? PATIENCE : Duration.ZERO, () -> {
                try {
                    same(step, kafka.run(step), ours.run(step));
                    return true;
                } catch (AssertionError e) {
                    last.set(e);
                    return false;
                }
            });
        } catch (AssertionError e) {
            throw last.get();
        }
    }

    private static void same(Script.Step step, Outcome kafka, Outcome ours) {
        String command = String.join(" ", step.words());
        if (SHOWS) {
            System.out.println("### " + command + "\n" + kafka.show("kafka") + ours.show("rbk"));
        }
        Check.same("exit code of " + command + " (Kafka: " + kafka.show("") + "; rbk: "
            + ours.show("") + ")", kafka.exit(), ours.exit());
        if (step.mode() == Script.Mode.EXIT_CODE) {
            return;
        }
        List<String> expected = lines(step, kafka.out());
        List<String> found = lines(step, ours.out());
        for (int i = 0; i < Math.max(expected.size(), found.size()); i++) {
            Check.same("line " + (i + 1) + " of " + command, at(expected, i), at(found, i));
        }
        if (kafka.exit() != 0) {
            Check.same("error of " + command, kafka.firstError(), ours.firstError());
        }
    }

    private static String at(List<String> lines, int index) {
        return index < lines.size() ? lines.get(index) : "no line";
    }

    private static List<String> lines(Script.Step step, String out) {
        List<String> lines = withoutStackTrace(out.lines().toList());
        if (step.mode() == Script.Mode.SORTED) {
            lines.sort(null);
        }
        return lines;
    }

    /** Some of Kafka's tools end with a stack trace on standard output. */
    private static List<String> withoutStackTrace(List<String> lines) {
        int end = 0;
        while (end < lines.size() && !lines.get(end).startsWith("\tat ")) {
            end++;
        }
        // The line before the trace names the exception.
        return new ArrayList<>(end < lines.size() ? lines.subList(0, Math.max(0, end - 1)) : lines);
    }

    private static void deleteAll(Path dir) throws IOException {
        try (var found = Files.walk(dir)) {
            for (Path path : found.sorted((a, b) -> b.compareTo(a)).toList()) {
                Files.delete(path);
            }
        }
    }

    /** What a command left behind, without what differs between any two runs. */
    private record Outcome(int exit, String out, String err) {
        /** The first line of standard error that is neither a log line nor a stack trace. */
        String firstError() {
            return err.lines().map(String::strip)
                .filter(line -> !line.isEmpty() && !line.startsWith("[") && !line.startsWith("at ")
                    && !line.startsWith("Caused by: ") && !line.startsWith("... ")
                    && !line.equals("null") && !line.contains("Tool$Exited"))
                .findFirst().orElse("");
        }

        String show(String side) {
            return side + " exit " + exit + "\n" + out + (err.isEmpty() ? "" : "--- " + err);
        }
    }

    /** One of the two that are compared. */
    private final class Side {
        private final boolean isKafka;
        private final Script script;
        private final Path dir;
        private final String prefix;

        Side(boolean isKafka, Script script, Path dir) {
            this.isKafka = isKafka;
            this.script = script;
            this.dir = dir;
            // Of the same length, so that columns are equally wide.
            this.prefix = broker.name((isKafka ? "k" : "r") + "-"
                + Integer.toHexString(script.name().hashCode()) + "-");
        }

        void write(Script.Step step) throws IOException {
            Files.writeString(dir.resolve(step.file()), filled(step.words().get(0)));
        }

        /** The command line with the side's own names. */
        List<String> words(Script.Step step) {
            List<String> words = new ArrayList<>();
            for (String word : step.words()) {
                if (word.equals("@")) {
                    words.addAll(List.of("--bootstrap-server", broker.bootstrap()));
                } else {
                    words.add(filled(word));
                }
            }
            return words;
        }

        Outcome run(Script.Step step) throws Exception {
            List<String> words = words(step);
            Tool.Output output = isKafka ? runKafkas(words, step) : runOurs(words, step);
            return new Outcome(output.exit(), masked(output.out()), masked(output.err()));
        }

        Tool.Output runKafkas(List<String> words, Script.Step step) throws Exception {
            List<String> rest = words.subList(1, words.size());
            if (step.isApart()) {
                List<String> command = new ArrayList<>(List.of(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "-XX:TieredStopAtLevel=1", "-Xshare:auto",
                    "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
                    "-cp", System.getProperty("java.class.path"),
                    KafkaTools.mainClass(words.get(0))));
                command.addAll(rest);
                return process(command, step);
            }
            String[] arguments = rest.toArray(String[]::new);
            return Tool.runWithInput(filled(step.input()), KafkaTools.mainClass(words.get(0)),
                arguments);
        }

        private Tool.Output runOurs(List<String> words, Script.Step step) throws Exception {
            List<String> command = new ArrayList<>(List.of(rbk.toString()));
            command.addAll(words);
            return process(command, step);
        }

        private Tool.Output process(List<String> command, Script.Step step) throws Exception {
            Process process = new ProcessBuilder(command).start();
            try {
                var err = CompletableFuture.supplyAsync(() -> text(process.getErrorStream()));
                var out = CompletableFuture.supplyAsync(() -> text(process.getInputStream()));
                try (OutputStream input = process.getOutputStream()) {
                    input.write(filled(step.input()).getBytes(StandardCharsets.UTF_8));
                } catch (IOException e) {
                    // It did not want all of the input, which is its right.
                    System.err.println(command + " did not read its input: " + e);
                }
                if (!process.waitFor(60, TimeUnit.SECONDS)) {
                    throw new AssertionError("still runs after 60 s: " + command);
                }
                return new Tool.Output(process.exitValue(), out.get(), err.get());
            } finally {
                process.destroyForcibly();
            }
        }

        private String filled(String text) {
            Matcher matcher = PLACEHOLDER.matcher(text);
            return matcher.replaceAll(found -> Matcher.quoteReplacement(switch (found.group(1)) {
                case "server" -> broker.bootstrap();
                case "dir" -> dir.toString();
                default -> prefix + found.group(1);
            }));
        }

        private String masked(String text) {
            String masked = text.replace(prefix, "").replace(dir.toString(), "DIR");
            for (Pattern mask : script.masks()) {
                masked = mask.matcher(masked).replaceAll("*");
            }
            return masked;
        }
    }

    private static String text(InputStream stream) {
        try (stream) {
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
