package ringbrook.clients;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.CloseOptions.GroupMembershipOperation;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;

/**
 * A consumer in a group that polls on a thread of its own until it is stopped, and keeps what it
 * was assigned, what happened to it and what it read. The lists may be read by the case's thread
 * at any time.
 */
public final class Member implements AutoCloseable {
    private final Consumer<byte[], byte[]> consumer;
    private final Thread thread;
    private final List<String> events = new CopyOnWriteArrayList<>();
    private final List<ConsumerRecord<byte[], byte[]>> records = new CopyOnWriteArrayList<>();
    private volatile Set<Integer> assigned = Set.of();
    private volatile Set<TopicPartition> partitions = Set.of();
    private volatile ConsumerGroupMetadata metadata;
    private volatile Throwable error;
    private volatile boolean stopping;
    // Not the options themselves, which older clients do not have.
    private volatile java.util.function.Consumer<Consumer<byte[], byte[]>> ending =
        Consumer::close;

    /** How a member subscribes. */
    @FunctionalInterface
    public interface Subscription {
        /** Subscribes the consumer, with the listener. */
        void subscribe(Consumer<byte[], byte[]> consumer, ConsumerRebalanceListener listener);
    }

    /** Subscribes to {@code topic} as one more member of {@code group}. */
    public Member(Broker broker, String group, String topic, Object... settings) {
        this(broker, group, (consumer, listener) -> consumer.subscribe(Set.of(topic), listener),
            settings);
    }

    /** Subscribes in its own way as one more member of {@code group}. */
    public Member(Broker broker, String group, Subscription subscription, Object... settings) {
        List<Object> all = new ArrayList<>(List.of(ConsumerConfig.GROUP_ID_CONFIG, group));
        // The broker decides about these in the newer protocol.
        if (!List.of(settings).contains("consumer")) {
            all.addAll(List.of(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG, 6000,
                ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG, 100));
        }
        all.addAll(List.of(settings));
        consumer = broker.consumer(all.toArray());
        subscription.subscribe(consumer, new Listener());
        thread = new Thread(this::loop, "member of " + group);
        thread.setDaemon(true);
        thread.start();
    }

    /** The partitions that it has now, by number. */
    public Set<Integer> assigned() {
        return assigned;
    }

    /** The partitions that it has now, of every topic. */
    public Set<TopicPartition> partitions() {
        return partitions;
    }

    /** What happened: "assigned [0, 1]", "revoked [1]", "lost [0]" in order. */
    public List<String> events() {
        return events;
    }

    /** The values read so far. */
    public List<String> values() {
        return Broker.values(records);
    }

    /** The exception that ended it, or null. */
    public Throwable error() {
        return error;
    }

    /** The group's view of it, as the producer of a transaction needs it. */
    public ConsumerGroupMetadata metadata() {
        return metadata;
    }

    /** Waits until it has exactly these partitions. */
    public void awaitAssigned(Integer... partitions) throws Exception {
        Check.eventually("a member has " + List.of(partitions), Broker.PATIENCE, () -> {
            failIfEnded();
            return assigned.equals(Set.of(partitions));
        });
    }

    /** Waits until it has this many partitions. */
    public void awaitCount(int count) throws Exception {
        Check.eventually("a member has " + count + " partitions", Broker.PATIENCE, () -> {
            failIfEnded();
            return assigned.size() == count;
        });
    }

    /** Ends it without a word to the group, as a process that is killed: only time removes it. */
    public void vanish() throws Exception {
        ending = consumer -> consumer.close(
            CloseOptions.groupMembershipOperation(GroupMembershipOperation.REMAIN_IN_GROUP));
        close();
    }

    /** Ends it and leaves the group, for a static member too. */
    public void leave() throws Exception {
        ending = consumer -> consumer.close(
            CloseOptions.groupMembershipOperation(GroupMembershipOperation.LEAVE_GROUP));
        close();
    }

    /** Ends it in the default way: a dynamic member leaves the group, a static one stays. */
    @Override
    public void close() throws InterruptedException {
        stopping = true;
        consumer.wakeup();
        thread.join(Broker.PATIENCE.toMillis());
        Check.isTrue("the member's thread ended", !thread.isAlive());
    }

    private void failIfEnded() {
        if (error != null) {
            throw new AssertionError("the member ended: " + error, error);
        }
    }

    private void loop() {
        try {
            while (!stopping) {
                consumer.poll(Duration.ofMillis(100)).forEach(records::add);
            }
        } catch (WakeupException e) {
            // `close` wakes the poll.
        } catch (Throwable e) {
            error = e;
        } finally {
            ending.accept(consumer);
        }
    }

    private final class Listener implements ConsumerRebalanceListener {
        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            note("assigned", partitions);
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            note("revoked", partitions);
        }

        @Override
        public void onPartitionsLost(Collection<TopicPartition> partitions) {
            note("lost", partitions);
        }

        private void note(String what, Collection<TopicPartition> partitions) {
            Set<Integer> now = new TreeSet<>();
            Set<Integer> changed = new TreeSet<>();
            partitions.forEach(p -> changed.add(p.partition()));
            consumer.assignment().forEach(p -> now.add(p.partition()));
            if (!what.equals("assigned")) {
                now.removeAll(changed);
            }
            metadata = consumer.groupMetadata();
            events.add(what + " " + changed);
            Set<TopicPartition> all = new HashSet<>(consumer.assignment());
            if (!what.equals("assigned")) {
                all.removeAll(partitions);
            }
            assigned = now;
            Member.this.partitions = Set.copyOf(all);
        }
    }
}
