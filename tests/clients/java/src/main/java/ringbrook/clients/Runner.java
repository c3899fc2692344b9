package ringbrook.clients;

import java.time.Duration;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Runs cases on a few threads, each case within a limit of time, and prints a line per case and one
 * at the end. A plain main program instead of a test framework: it starts in a quarter second, and
 * the lines are those that the runner of the whole matrix reads.
 */
public final class Runner {
    private final String client;
    private final int workers;
    private final Duration limit;

    /**
     * @param client the name in the last line
     * @param workers how many cases run at the same time
     * @param limit how long one case may take
     */
    public Runner(String client, int workers, Duration limit) {
        this.client = client;
        this.workers = workers;
        this.limit = limit;
    }

    /** Runs every case, prints the closing line and returns how many failed. */
    public int run(Broker broker, List<Case> cases) throws InterruptedException {
        int failures = runPart(broker, workers, cases);
        close(cases.size(), failures);
        return failures;
    }

    /** The line that the runner of the matrix waits for, when the cases ran in parts. */
    public void close(int cases, int failures) {
        System.out.println(client + ": " + (cases - failures) + " passed, " + failures
            + " failed");
    }

    /** Runs some of the cases, on {@code workers} threads, and returns how many failed. */
    public int runPart(Broker broker, int workers, List<Case> cases) throws InterruptedException {
        Queue<Case> waiting = new ConcurrentLinkedQueue<>(cases);
        AtomicInteger failed = new AtomicInteger();
        CountDownLatch done = new CountDownLatch(workers);
        for (int i = 0; i < workers; i++) {
            Thread worker = new Thread(() -> {
                for (Case next = waiting.poll(); next != null; next = waiting.poll()) {
                    if (!passes(broker, next)) {
                        failed.incrementAndGet();
                    }
                }
                done.countDown();
            }, "worker-" + i);
            worker.setDaemon(true);
            worker.start();
        }
        done.await();
        return failed.get();
    }

    /** The cases whose name contains one of {@code words}; all of them if there are no words. */
    public static List<Case> selected(List<Case> cases, String[] words) {
        if (words.length == 0) {
            return cases;
        }
        return cases.stream()
            .filter(c -> List.of(words).stream().anyMatch(c.name()::contains))
            .toList();
    }

    private boolean passes(Broker broker, Case next) {
        AtomicReference<Throwable> thrown = new AtomicReference<>();
        Thread body = new Thread(() -> {
            try {
                next.body().run(broker);
            } catch (Throwable e) {
                thrown.set(e);
            }
        }, next.name());
        body.setDaemon(true);
        long start = System.nanoTime();
        body.start();
        String reason = null;
        try {
            body.join(limit.toMillis());
            if (body.isAlive()) {
                reason = "still running after " + limit.toSeconds() + " s, at " + place(body);
                body.interrupt();
            } else if (thrown.get() != null) {
                reason = describe(thrown.get());
            }
        } catch (InterruptedException e) {
            reason = "the runner was interrupted";
        }
        long ms = (System.nanoTime() - start) / 1_000_000;
        System.out.println(reason == null
            ? "ok " + next.name() + " (" + ms + " ms)"
            : "FAILED " + next.name() + ": " + reason);
        if (thrown.get() != null) {
            thrown.get().printStackTrace();
        }
        return reason == null;
    }

    /** The innermost frame that is ours: where a case that ran out of time waits. */
    private static String place(Thread thread) {
        for (StackTraceElement frame : thread.getStackTrace()) {
            if (frame.getClassName().startsWith("ringbrook.")) {
                return frame.toString();
            }
        }
        return "an unknown place";
    }

    private static String describe(Throwable thrown) {
        StringBuilder chain = new StringBuilder();
        for (Throwable e = thrown; e != null; e = e.getCause()) {
            chain.append(chain.isEmpty() ? "" : "; cause: ").append(e);
        }
        return chain.toString().replaceAll("\\s*\\R\\s*", " | ");
    }
}
