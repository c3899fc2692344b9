package ringbrook.clients;

/**
 * One claim about a broker, with the code that checks it. The body throws when the claim does not
 * hold; it uses topic and group names of its own, so cases run at the same time.
 *
 * @param name the claim in snake_case, as printed
 * @param body what to do against the broker
 */
public record Case(String name, Body body) {
    /** The code of a case. */
    @FunctionalInterface
    public interface Body {
        /** Checks the claim against {@code broker}; any exception or assertion is a failure. */
        void run(Broker broker) throws Exception;
    }
}
