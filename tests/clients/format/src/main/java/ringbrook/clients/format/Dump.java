package ringbrook.clients.format;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import ringbrook.clients.Check;
import ringbrook.clients.cli.Tool;

/**
 * Lets Kafka's DumpLogSegments read every file of partition directories and fails at its first
 * complaint. Many files go into one call: the tool's own map of mismatches tells them apart.
 */
final class Dump {
    private static final String TOOL = "org.apache.kafka.tools.DumpLogSegments";
    /** What the tool writes to standard output although something is wrong. */
    private static final List<String> COMPLAINTS = List.of("invalid bytes at the end",
        "isvalid: false", "isValid: false", "Exception", "Could not decode", "unknown::");

    private Dump() {
    }

    /**
     * Reads all files of a log dir. Returns what the tool said about each partition's logs.
     *
     * @param minimumFiles as a check that the caller looked into the right directory
     */
    static String everything(Path logDir, int minimumFiles) throws Exception {
        StringBuilder said = new StringBuilder();
        int files = 0;
        for (Path partition : partitions(logDir)) {
            String name = partition.getFileName().toString();
            List<Path> logs = Content.files(partition, ".log");
            said.append("partition ").append(name).append('\n').append(logs(name, logs));
            List<Path> indices = new ArrayList<>(Content.files(partition, ".index"));
            indices.addAll(Content.files(partition, ".timeindex"));
            Check.same("indices of " + name, 2 * logs.size(), indices.size());
            run(indices, "--index-sanity-check");
            run(indices, "--verify-index-only");
            run(indices, "--deep-iteration");
            List<Path> others = new ArrayList<>(Content.files(partition, ".txnindex"));
            others.addAll(Content.files(partition, ".snapshot"));
            said.append(run(others, "--deep-iteration"));
            files += logs.size() + indices.size() + others.size();
        }
        Check.isTrue(files + " files are at least " + minimumFiles, minimumFiles <= files);
        return said.toString();
    }

    /** Reads the log files only: after SIGKILL nothing else is promised. */
    static void logsOnly(Path logDir) throws Exception {
        for (Path partition : partitions(logDir)) {
            logs(partition.getFileName().toString(), Content.files(partition, ".log"));
        }
    }

    /** The partition directories of a log dir, without Kafka's metadata log. */
    static List<Path> partitions(Path logDir) throws Exception {
        try (Stream<Path> entries = Files.list(logDir)) {
            return entries
                .filter(it -> Files.exists(it.resolve("partition.metadata")))
                .filter(it -> !it.getFileName().toString().startsWith("__cluster_metadata"))
                .sorted().toList();
        }
    }

    private static String logs(String partition, List<Path> logs) throws Exception {
        Check.isTrue(partition + " has a segment", !logs.isEmpty());
        List<String> options = new ArrayList<>(List.of("--deep-iteration", "--print-data-log"));
        if (partition.startsWith("__consumer_offsets-")) {
            options.add("--offsets-decoder");
        } else if (partition.startsWith("__transaction_state-")) {
            options.add("--transaction-log-decoder");
        }
        return run(logs, options.toArray(new String[0]));
    }

    private static String run(List<Path> files, String... options) throws Exception {
        if (files.isEmpty()) {
            return "";
        }
        String names = files.stream().map(Path::toString).collect(Collectors.joining(","));
        List<String> arguments = new ArrayList<>(List.of("--files", names));
        arguments.addAll(List.of(options));
        Tool.Output output = Tool.run(TOOL, arguments.toArray(new String[0]));
        Check.same("exit code for " + names + " (" + output.err() + ")", 0, output.exit());
        Check.same("complaints about " + names, "", complaints(output.err(), isCompacted(files)));
        for (String word : COMPLAINTS) {
            int at = output.out().indexOf(word);
            Check.isTrue("no <" + word + "> about " + names + ", but "
                + output.out().substring(Math.max(0, at - 200), at + 1), at < 0);
        }
        return output.out();
    }

    private static boolean isCompacted(List<Path> files) {
        return files.get(0).getParent().getFileName().toString().startsWith("compacted-");
    }

    /**
     * The tool's errors without those that are none: it calls the first record of every segment but
     * the first non-consecutive to offset -1, of Kafka's own too, and compaction leaves gaps.
     */
    private static String complaints(String errors, boolean mayHaveGaps) {
        String gap = mayHaveGaps ? "  -?[0-9]+ is followed by [0-9]+" : "  -1 is followed by [0-9]+";
        return errors.lines()
            .filter(it -> !it.startsWith("Non-consecutive offsets in") && !it.matches(gap))
            .collect(Collectors.joining("\n"));
    }
}
