// kgo's GroupTransactSession: the consume-transform-produce loop, with offsets in transactions, in
// groups of both protocols, while members join and leave.
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func transactSessionCases() []testCase {
	return []testCase{
		{"a_classic_group_transforms_exactly_once", transforms(kgo.CooperativeStickyBalancer())},
		{"a_server_balanced_group_transforms_exactly_once",
			transforms(kgo.StickyBalancer(), kgo.ServerSideBalancer())},
		{"offsets_in_a_transaction_count_only_once_it_is_committed", offsetsInTransactions},
	}
}

// transformer is a worker that moves every record of the source to the sink.
type transformer struct {
	run     *Run
	session *kgo.GroupTransactSession
	stop    context.CancelFunc
	done    chan error
}

// transformer starts a worker that aborts one in three transactions.
func (r *Run) transformer(name string, chance *lockedRand, options ...kgo.Opt) *transformer {
	common := []kgo.Opt{
		kgo.SeedBrokers(r.bootstrap),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.TransactionalID(r.name(name)),
		kgo.TransactionTimeout(30 * time.Second),
		kgo.ConsumerGroup(r.name("group")),
		kgo.ConsumeTopics(r.name("source")),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(250 * time.Millisecond),
		kgo.FetchMaxWait(100 * time.Millisecond),
		kgo.RequireStableFetchOffsets(),
		readCommitted,
	}
	session, err := kgo.NewGroupTransactSession(append(common, options...)...)
	r.must(err, "new session")
	ctx, stop := context.WithCancel(r.ctx)
	worker := &transformer{run: r, session: session, stop: stop, done: make(chan error, 1)}
	go func() { worker.done <- worker.loop(ctx, chance) }()
	return worker
}

func (t *transformer) loop(ctx context.Context, chance *lockedRand) error {
	defer t.session.Close()
	for {
		fetches := t.session.PollRecords(ctx, 15)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("poll: %w", err)
		}
		if err := t.session.Begin(); err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			moved := &kgo.Record{
				Topic: t.run.name("sink"), Partition: record.Partition, Key: record.Key, Value: record.Value,
			}
			t.session.Produce(t.run.ctx, moved, nil) // End finds out what failed
		})
		end := kgo.TransactionEndTry(chance.float64() < 0.67)
		if _, err := t.session.End(t.run.ctx, end); err != nil {
			return fmt.Errorf("end: %w", err)
		}
	}
}

// close ends the worker between two transactions; it leaves the group.
func (t *transformer) close() {
	t.stop()
	t.run.must(<-t.done, "worker")
}

// lockedRand is a source of chance for several goroutines.
type lockedRand struct {
	lock   sync.Mutex
	source *rand.Rand
}

func (l *lockedRand) float64() float64 {
	l.lock.Lock()
	defer l.lock.Unlock()
	return l.source.Float64()
}

func transforms(balancer kgo.GroupBalancer, options ...kgo.Opt) func(*Run) {
	return func(r *Run) {
		const partitions, count = 4, 240
		options := append(options, kgo.Balancers(balancer))
		chance := &lockedRand{source: rand.New(rand.NewSource(r.seed()))}
		r.createTopic(r.name("source"), partitions, nil)
		r.createTopic(r.name("sink"), partitions, nil)
		sent := numbered(count, "value", partitions)
		produceHalf := func(half []*kgo.Record) {
			r.must(r.produce(r.name("source"), half), "produce")
		}
		produceHalf(sent[:count/2])
		first := r.transformer("first", chance, options...)
		second := r.transformer("second", chance, options...)
		r.awaitCommitted(1)
		third := r.transformer("third", chance, options...)
		produceHalf(sent[count/2:])
		r.awaitCommitted(count * 2 / 3)
		first.close()
		r.awaitCommitted(count)
		second.close()
		third.close()
		r.claimMoved(sent, partitions)
	}
}

// awaitCommitted waits until the committed offsets of the group add up to at least `sum`.
func (r *Run) awaitCommitted(sum int64) {
	admin, found := r.admin(), int64(0)
	r.eventually(func() bool {
		offsets, err := admin.FetchOffsets(r.ctx, r.name("group"))
		r.must(errors.Join(err, offsets.Error()), "fetch offsets")
		found = 0
		offsets.Each(func(offset kadm.OffsetResponse) { found += offset.At })
		return sum <= found
	}, func() string { return fmt.Sprintf("%d of %d records committed", found, sum) })
}

// claimMoved claims that the sink's committed records are exactly those sent. A last record in
// each partition shows that nothing else is visible before it.
func (r *Run) claimMoved(sent []*kgo.Record, partitions int) {
	sink, admin := r.name("sink"), r.admin()
	last := numbered(partitions, "last", partitions)
	r.must(r.produce(sink, last), "produce the last records")
	starts := make(map[int32]kgo.Offset)
	for partition := range int32(partitions) {
		r.awaitStableIn(sink, partition, r.end(admin, sink, partition, false))
		starts[partition] = kgo.NewOffset().At(0)
	}
	found, err := r.read(sink, starts, len(sent)+len(last), readCommitted)
	r.must(err, "read")
	r.equal(valuesOf(found), valuesOf(slices.Concat(sent, last)), "values in the sink")
}

// valuesOf returns the values of records, sorted.
func valuesOf(records []*kgo.Record) []string {
	values := make([]string, len(records))
	for i, record := range records {
		values[i] = string(record.Value)
	}
	return sortedCopy(values)
}

func offsetsInTransactions(r *Run) {
	topic, admin := r.name(""), r.admin()
	r.createTopic(topic, 1, nil)
	r.must(r.produce(topic, numbered(20, "value", 1)), "produce")
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(r.bootstrap), kgo.TransactionalID(r.name("id")),
		kgo.ConsumerGroup(r.name("group")), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.RequireStableFetchOffsets(), readCommitted)
	r.must(err, "new session")
	defer session.Close()
	committed := func() int64 {
		found, err := admin.FetchOffsetsForTopics(r.ctx, r.name("group"), topic)
		r.must(errors.Join(err, found.Error()), "fetch offsets")
		offset, _ := found.Lookup(topic, 0)
		return offset.At
	}
	poll := func(count int) {
		for polled := 0; polled < count; {
			fetches := session.PollRecords(r.ctx, count-polled)
			r.must(fetches.Err(), "poll")
			polled += fetches.NumRecords()
		}
	}
	for _, step := range []struct {
		count int
		end   kgo.TransactionEndTry
		after int64
	}{{4, kgo.TryAbort, -1}, {7, kgo.TryCommit, 7}, {5, kgo.TryAbort, 7}, {13, kgo.TryCommit, 20}} {
		r.must(session.Begin(), "begin")
		poll(step.count)
		isCommitted, err := session.End(r.ctx, step.end)
		r.must(err, "end")
		r.equal(isCommitted, bool(step.end), "whether it was committed")
		r.eventually(func() bool { return committed() == step.after },
			func() string { return fmt.Sprintf("offset %d, not %d", step.after, committed()) })
	}
}
