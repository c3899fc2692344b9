package ringbrook.clients.rbk;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A case as it is written in a file of {@code cases}: command lines that one side runs after the
 * other. README.md explains the form.
 *
 * @param name the claim in snake_case
 * @param masks what may differ between two runs, such as ids
 * @param steps what to do, in order
 */
record Script(String name, List<Pattern> masks, List<Step> steps) {
    /** How outputs are compared. */
    enum Mode {
        /** Line by line. */
        EXACT,
        /** The same lines in any order. */
        SORTED,
        /** Only the exit code. */
        EXIT_CODE,
        /** Not at all: Kafka's tool runs for both sides, and has to succeed. */
        SETUP
    }

    /**
     * One step: a file to write, or a command to run.
     *
     * @param file the file's name, or null for a command
     * @param words the command line, or the file's content as its only word
     * @param input what the command reads from its standard input
     * @param mode how its outputs are compared
     * @param isEventual whether the outputs may differ for a while
     * @param isApart whether Kafka's tool needs a process of its own
     */
    record Step(String file, List<String> words, String input, Mode mode, boolean isEventual,
            boolean isApart) {
    }

    /** The cases of all files in a directory, by file name. */
    static List<Script> readAll(Path dir) throws IOException {
        List<Path> files;
        try (Stream<Path> found = Files.list(dir)) {
            files = found.filter(file -> file.toString().endsWith(".txt")).sorted().toList();
        }
        List<Script> scripts = new ArrayList<>();
        for (Path file : files) {
            read(file, scripts);
        }
        return scripts;
    }

    private static void read(Path file, List<Script> scripts) throws IOException {
        Script script = null;
        String input = "";
        for (String line : Files.readAllLines(file)) {
            String text = line.strip();
            if (text.isEmpty() || text.startsWith("#")) {
                continue;
            }
            String rest = text.substring(Math.min(text.length(), text.indexOf(' ') + 1));
            if (text.startsWith("case ")) {
                script = new Script(rest, new ArrayList<>(), new ArrayList<>());
                scripts.add(script);
            } else if (script == null) {
                throw new IOException(file + ": a case has to come before <" + text + ">");
            } else if (text.startsWith("mask ")) {
                script.masks.add(Pattern.compile(rest));
            } else if (text.startsWith("input ")) {
                input = unescaped(rest);
            } else if (text.startsWith("file ")) {
                String[] parts = rest.split(" ", 2);
                script.steps.add(new Step(parts[0], List.of(unescaped(parts[1])), "", Mode.EXACT,
                    false, false));
            } else {
                script.steps.add(command(text, input));
                input = "";
            }
        }
    }

    private static Step command(String text, String input) {
        List<String> words = words(text);
        Mode mode = Mode.EXACT;
        boolean isEventual = false;
        boolean isApart = false;
        while (true) {
            switch (words.get(0)) {
                case "sorted" -> mode = Mode.SORTED;
                case "exit-code" -> mode = Mode.EXIT_CODE;
                case "setup" -> mode = Mode.SETUP;
                case "eventually" -> isEventual = true;
                case "apart" -> isApart = true;
                default -> {
                    return new Step(null, words, input, mode, isEventual, isApart);
                }
            }
            words.remove(0);
        }
    }

    private static String unescaped(String text) {
        return text.replace("\\n", "\n").replace("\\t", "\t");
    }

    /** Splits at blanks; single and double quotes hold together what they enclose. */
    private static List<String> words(String text) {
        List<String> words = new ArrayList<>();
        StringBuilder word = new StringBuilder();
        boolean isWord = false;
        char quote = 0;
        for (char c : text.toCharArray()) {
            if (quote != 0 && c == quote) {
                quote = 0;
            } else if (quote == 0 && (c == '\'' || c == '"')) {
                quote = c;
                isWord = true;
            } else if (quote == 0 && c == ' ') {
                if (isWord) {
                    words.add(word.toString());
                }
                word.setLength(0);
                isWord = false;
            } else {
                word.append(c);
                isWord = true;
            }
        }
        if (isWord) {
            words.add(word.toString());
        }
        return words;
    }
}
