package ringbrook.clients;

import java.time.Duration;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.common.KafkaFuture;

/** What a case asserts with. Every failure says what was expected and what came. */
public final class Check {
    private Check() {
    }

    /** Code that may throw, where a lambda must not. */
    @FunctionalInterface
    public interface Action {
        /** Runs it. */
        void run() throws Exception;
    }

    /** Fails unless {@code condition} holds. */
    public static void isTrue(String claim, boolean condition) {
        if (!condition) {
            throw new AssertionError("not so: " + claim);
        }
    }

    /** Fails unless both are equal; arrays are compared by content. */
    public static void same(String what, Object expected, Object found) {
        if (!Objects.deepEquals(expected, found)) {
            throw new AssertionError(what + ": expected " + show(expected) + ", found "
                + show(found));
        }
    }

    /** Fails unless {@code text} contains every one of {@code parts}. */
    public static void contains(String what, String text, String... parts) {
        for (String part : parts) {
            if (!text.contains(part)) {
                throw new AssertionError(what + ": expected <" + part + "> in <" + text + ">");
            }
        }
    }

    /**
     * Fails unless {@code action} throws an {@code expected}, by itself or as the cause that a
     * future wraps. Returns it for more checks.
     */
    public static <E extends Throwable> E fails(Class<E> expected, Action action) {
        try {
            action.run();
        } catch (Throwable thrown) {
            for (Throwable e = thrown; e != null; e = e.getCause()) {
                if (expected.isInstance(e)) {
                    return expected.cast(e);
                }
            }
            throw new AssertionError("expected " + expected.getSimpleName() + ", found "
                + thrown, thrown);
        }
        throw new AssertionError("expected " + expected.getSimpleName() + ", but it succeeded");
    }

    /** Fails unless the future fails with an {@code expected}; returns that. */
    public static <E extends Throwable> E fails(Class<E> expected, KafkaFuture<?> future) {
        return fails(expected, () -> future.get());
    }

    /**
     * Asks again and again until the answer is true, at most for {@code limit}. The answer comes
     * from the broker or another thread, so there is nothing to wait on but the question itself. It
     * is asked more and more slowly, so that the machine is left to those who work on the answer.
     * Errors of futures count as "not yet" and are shown when time is up.
     */
    public static void eventually(String claim, Duration limit, Callable<Boolean> question)
            throws Exception {
        long deadline = System.nanoTime() + limit.toNanos();
        Throwable last = null;
        long pauseMs = 5;
        do {
            try {
                if (question.call()) {
                    return;
                }
                last = null;
            } catch (ExecutionException e) {
                last = e.getCause();
            }
            Thread.sleep(pauseMs);
            pauseMs = Math.min(100, pauseMs + pauseMs / 2);
        } while (System.nanoTime() < deadline);
        throw new AssertionError("not so within " + limit.toMillis() + " ms: " + claim, last);
    }

    private static String show(Object value) {
        if (value instanceof byte[] bytes) {
            return bytes.length <= 64 ? Arrays.toString(bytes) : bytes.length + " bytes";
        }
        return "<" + value + ">";
    }
}
