// Transactions of kgo's producer: transaction version 2 (KIP-890), where partitions join by being
// produced to and every end bumps the epoch, or version 1 by requests of older versions.
package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

func transactionCases() []testCase {
	cases := []testCase{
		{"a_transaction_is_aborted_when_its_timeout_has_passed", timedOut},
		{"aborted_records_between_committed_ones_are_passed_over", abortedBetween},
		{"clients_of_transaction_version_1_still_work", version1},
		{"an_open_transaction_holds_back_readers_of_committed_records", openTransaction},
		{"a_second_producer_with_the_same_id_fences_the_first", fenced},
		{"every_end_of_a_transaction_bumps_the_epoch", bumpedEpochs},
		{"ending_and_beginning_in_one_call", endAndBegin},
		{"producers_interleave_their_transactions_on_one_partition", interleaved},
		{"one_transaction_spans_many_partitions_and_topics", manyPartitions},
		{"transaction_timeouts_above_the_limit_are_refused", timeoutAboveLimit},
	}
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "lz4": kgo.Lz4Compression(),
		"snappy": kgo.SnappyCompression(), "zstd": kgo.ZstdCompression(),
	} {
		body := func(r *Run) { compressedTransactions(r, codec) }
		cases = append(cases, testCase{name + "_transactions_round_trip", body})
	}
	return cases
}

// transactor returns a producer with the transactional id r.name(id) that has its producer id.
func (r *Run) transactor(id string, options ...kgo.Opt) *kgo.Client {
	common := []kgo.Opt{
		kgo.TransactionalID(r.name(id)),
		kgo.TransactionTimeout(time.Minute),
		kgo.ProducerLinger(5 * time.Millisecond),
	}
	created := r.client(append(common, options...)...)
	_, _, err := created.ProducerID(r.ctx)
	r.must(err, "producer id of "+id)
	return created
}

// send sends the records within the open transaction and returns their offsets.
func (r *Run) send(producer *kgo.Client, topic string, records []*kgo.Record) ([]int64, error) {
	offsets := make([]int64, len(records))
	for _, record := range records {
		record.Topic = topic
	}
	results := producer.ProduceSync(r.ctx, records...)
	for i, record := range records {
		offsets[i] = record.Offset
	}
	return offsets, results.FirstErr()
}

// transact sends the records in one transaction and returns their offsets.
func (r *Run) transact(
	producer *kgo.Client, topic string, records []*kgo.Record, end kgo.TransactionEndTry,
) []int64 {
	r.must(producer.BeginTransaction(), "begin")
	offsets, err := r.send(producer, topic, records)
	r.must(err, "send")
	r.must(producer.EndTransaction(r.ctx, end), "end")
	return offsets
}

// end returns the last stable offset or, not committed, the high watermark.
func (r *Run) end(admin *kadm.Client, topic string, partition int32, committed bool) int64 {
	list := admin.ListEndOffsets
	if committed {
		list = admin.ListCommittedOffsets
	}
	found, err := list(r.ctx, topic)
	r.must(errors.Join(err, found.Error()), "list offsets")
	offset, _ := found.Lookup(topic, partition)
	return offset.Offset
}

// awaitStable waits until the last stable offset of partition 0 is `offset`: markers may come
// after the answer to the producer.
func (r *Run) awaitStable(topic string, offset int64) { r.awaitStableIn(topic, 0, offset) }

func (r *Run) awaitStableIn(topic string, partition int32, offset int64) {
	admin, found := r.admin(), int64(-1)
	r.eventually(func() bool {
		found = r.end(admin, topic, partition, true)
		return found == offset
	}, func() string { return fmt.Sprintf("the last stable offset is %d, not %d", offset, found) })
}

var readCommitted = kgo.FetchIsolationLevel(kgo.ReadCommitted())

// claimRead claims that a reader of partition 0 gets exactly `expected`, by offset, from `start`
// on. The records need a later one behind them, else too many would go unnoticed.
func (r *Run) claimRead(
	topic string, expected map[int64]*kgo.Record, start int64, options ...kgo.Opt,
) {
	var wanted []int64
	for _, offset := range slices.Sorted(maps.Keys(expected)) {
		if start <= offset {
			wanted = append(wanted, offset)
		}
	}
	found, err := r.read(topic, at(start), len(wanted), options...)
	r.must(err, "read")
	offsets := make([]int64, len(found))
	for i, record := range found {
		offsets[i] = record.Offset
	}
	r.equal(offsets, wanted, fmt.Sprintf("offsets from %d on", start))
	for _, record := range found {
		sent := expected[record.Offset]
		r.equal(contentOf(record), contentOf(sent), fmt.Sprintf("record %d", record.Offset))
	}
}

// placed maps offsets from `first` on to the records.
func placed(into map[int64]*kgo.Record, first int64, records []*kgo.Record) {
	for i, record := range records {
		into[first+int64(i)] = record
	}
}

func span(first, count int64) []int64 {
	offsets := make([]int64, count)
	for i := range offsets {
		offsets[i] = first + int64(i)
	}
	return offsets
}

func abortedBetween(r *Run) { abortedBetweenWith(r) }

// version1 is a client as of Kafka 3.9: it adds partitions itself and keeps its epoch.
func version1(r *Run) {
	versions := kversion.V3_9_0()
	abortedBetweenWith(r, kgo.MaxVersions(versions))
}

func abortedBetweenWith(r *Run, options ...kgo.Opt) {
	topic := r.name("")
	r.createTopic(topic, 1, nil)
	producer := r.transactor("id", options...)
	first, lost := numbered(10, "first", 1), numbered(10, "lost", 1)
	plain, last := numbered(3, "plain", 1), numbered(10, "last", 1)
	r.equal(r.transact(producer, topic, first, kgo.TryCommit), span(0, 10), "offsets")
	r.equal(r.transact(producer, topic, lost, kgo.TryAbort), span(11, 10), "offsets")
	r.awaitStable(topic, 22) // with the markers at 10 and 21
	r.must(r.produce(topic, plain), "produce without a transaction")
	r.equal(r.transact(producer, topic, last, kgo.TryCommit), span(25, 10), "offsets")
	r.awaitStable(topic, 36)
	committed := make(map[int64]*kgo.Record)
	placed(committed, 0, first)
	placed(committed, 22, plain)
	placed(committed, 25, last)
	for _, start := range []int64{0, 4, 15, 21, 25} {
		r.claimRead(topic, committed, start, readCommitted)
	}
	placed(committed, 11, lost)
	r.claimRead(topic, committed, 0)
}

func compressedTransactions(r *Run, codec kgo.CompressionCodec) {
	topic := r.name("")
	r.createTopic(topic, 1, nil)
	producer := r.transactor("id", kgo.ProducerBatchCompression(codec))
	expected, next := make(map[int64]*kgo.Record), int64(0)
	for _, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		sent := awkward()
		count := int64(len(sent))
		r.equal(r.transact(producer, topic, sent, end), span(next, count), "offsets")
		if end == kgo.TryCommit {
			placed(expected, next, sent)
		}
		next += count + 1
	}
	r.awaitStable(topic, next)
	r.claimRead(topic, expected, 0, readCommitted)
}

func openTransaction(r *Run) {
	topic, admin := r.name(""), r.admin()
	r.createTopic(topic, 1, nil)
	before, late := numbered(3, "before", 1), numbered(5, "late", 1)
	behind, after := numbered(4, "behind", 1), numbered(2, "after", 1)
	r.must(r.produce(topic, before), "produce")
	slow, quick := r.transactor("slow"), r.transactor("quick")
	r.must(slow.BeginTransaction(), "begin")
	offsets, err := r.send(slow, topic, late)
	r.must(err, "send")
	r.equal(offsets, span(3, 5), "offsets of the open transaction")
	r.equal(r.transact(quick, topic, behind, kgo.TryCommit), span(8, 4), "offsets behind it")
	r.eventually(func() bool { return r.end(admin, topic, 0, false) == 13 }, text("a marker at 12"))
	r.must(r.produce(topic, after), "produce")
	r.equal(r.end(admin, topic, 0, true), int64(3), "last stable offset")
	r.equal(r.end(admin, topic, 0, false), int64(15), "high watermark")
	every := make(map[int64]*kgo.Record)
	placed(every, 0, slices.Concat(before, late, behind))
	placed(every, 13, after)
	r.claimRead(topic, every, 0)

	// A reader that waits at the last stable offset is woken by the end of the transaction.
	waiting := make(chan []*kgo.Record, 1)
	go func() {
		found, _ := r.read(topic, at(0), len(every), readCommitted)
		waiting <- found
	}()
	r.must(slow.EndTransaction(r.ctx, kgo.TryCommit), "commit")
	r.awaitStable(topic, 16)
	found := <-waiting
	r.equal(len(found), len(every), "records of the reader that waited")
	r.claimRead(topic, every, 0, readCommitted)
}

func fenced(r *Run) {
	topic := r.name("")
	r.createTopic(topic, 1, nil)
	first := r.transactor("id")
	r.must(first.BeginTransaction(), "begin")
	_, err := r.send(first, topic, numbered(5, "lost", 1))
	r.must(err, "send")
	second := r.transactor("id")
	r.claimFenced(first.EndTransaction(r.ctx, kgo.TryCommit))
	r.must(second.BeginTransaction(), "begin")
	_, err = r.send(second, topic, numbered(5, "lost too", 1))
	r.must(err, "send")
	third := r.transactor("id")
	_, err = r.send(second, topic, numbered(5, "refused", 1))
	r.claimFenced(err)
	// Aborted: 0 to 4 with a marker at 5, and 6 to 10 with a marker at 11.
	kept := numbered(5, "kept", 1)
	r.equal(r.transact(third, topic, kept, kgo.TryCommit), span(12, 5), "offsets of the third")
	r.awaitStable(topic, 18)
	expected := make(map[int64]*kgo.Record)
	placed(expected, 12, kept)
	r.claimRead(topic, expected, 0, readCommitted)
}

// claimFenced claims that the error tells of a newer producer with the same transactional id, or of
// a transaction that the coordinator has aborted.
func (r *Run) claimFenced(err error) {
	if !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) {
		r.fail("expected PRODUCER_FENCED or INVALID_PRODUCER_EPOCH, found %v", err)
	}
}

func timedOut(r *Run) {
	topic := r.name("")
	r.createTopic(topic, 1, nil)
	late := r.transactor("id", kgo.TransactionTimeout(time.Second))
	r.must(late.BeginTransaction(), "begin")
	_, err := r.send(late, topic, numbered(5, "late", 1))
	r.must(err, "send")
	r.equal(r.end(r.admin(), topic, 0, true), int64(0), "last stable offset")
	r.awaitStable(topic, 6)
	// The abort bumped the epoch, so the commit looks like the retry of an end that was an abort.
	r.refused(kerr.InvalidTxnState, late.EndTransaction(r.ctx, kgo.TryCommit))
	successor, kept := r.transactor("id"), numbered(5, "kept", 1)
	r.equal(r.transact(successor, topic, kept, kgo.TryCommit), span(6, 5), "offsets")
	r.awaitStable(topic, 12)
	expected := make(map[int64]*kgo.Record)
	placed(expected, 6, kept)
	r.claimRead(topic, expected, 0, readCommitted)
}

func timeoutAboveLimit(r *Run) {
	r.transactor("id", kgo.TransactionTimeout(15*time.Minute))
	refused := r.client(
		kgo.TransactionalID(r.name("refused")), kgo.TransactionTimeout(15*time.Minute+time.Second))
	_, _, err := refused.ProducerID(r.ctx)
	r.refused(kerr.InvalidTransactionTimeout, err)
}

func bumpedEpochs(r *Run) {
	topic := r.name("")
	r.createTopic(topic, 1, nil)
	producer := r.transactor("id")
	id, first, err := producer.ProducerID(r.ctx)
	r.must(err, "producer id")
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		r.transact(producer, topic, numbered(3, "value", 1), end)
		again, epoch, err := producer.ProducerID(r.ctx)
		r.must(err, "producer id")
		r.equal(again, id, "producer id")
		r.equal(epoch, first+1+int16(i), "epoch")
	}
	// Nothing was produced: nothing is to be ended, and the epoch stays.
	r.must(producer.BeginTransaction(), "begin")
	r.must(producer.EndTransaction(r.ctx, kgo.TryCommit), "end without records")
	r.awaitStable(topic, 12)
}

func endAndBegin(r *Run) {
	topic := r.name("")
	r.createTopic(topic, 1, nil)
	producer := r.transactor("id")
	r.must(producer.BeginTransaction(), "begin")
	expected, next := make(map[int64]*kgo.Record), int64(0)
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		sent := numbered(4, fmt.Sprint("value-", i), 1)
		offsets, err := r.send(producer, topic, sent)
		r.must(err, "send")
		r.equal(offsets, span(next, 4), "offsets")
		ended := func(_ context.Context, err error) error { return err }
		r.must(producer.EndAndBeginTransaction(r.ctx, kgo.EndBeginTxnSafe, end, ended), "go on")
		if end == kgo.TryCommit {
			placed(expected, next, sent)
		}
		next += 5
	}
	r.must(producer.EndTransaction(r.ctx, kgo.TryAbort), "end without records")
	r.awaitStable(topic, next)
	r.claimRead(topic, expected, 0, readCommitted)
}

func interleaved(r *Run) {
	topic, seed := r.name(""), r.seed()
	chance := rand.New(rand.NewSource(seed))
	r.createTopic(topic, 1, nil)
	var producers [4]*kgo.Client
	for i := range producers {
		producers[i] = r.transactor(fmt.Sprint("id-", i))
	}
	every, visible := make(map[int64]*kgo.Record), make(map[int64]*kgo.Record)
	var pending [4]map[int64]*kgo.Record
	ends := int64(0)
	finish := func(index int, end kgo.TransactionEndTry) {
		r.must(producers[index].EndTransaction(r.ctx, end), "end")
		maps.Copy(every, pending[index])
		if end == kgo.TryCommit {
			maps.Copy(visible, pending[index])
		}
		pending[index] = nil
		ends++
	}
	for number := range 60 {
		index := chance.Intn(len(producers))
		if pending[index] != nil && chance.Float64() < 0.4 {
			finish(index, kgo.TransactionEndTry(chance.Float64() < 0.6))
			continue
		}
		if pending[index] == nil {
			r.must(producers[index].BeginTransaction(), "begin")
			pending[index] = make(map[int64]*kgo.Record)
		}
		sent := numbered(1+chance.Intn(4), fmt.Sprint(index, "-", number), 1)
		offsets, err := r.send(producers[index], topic, sent)
		r.must(err, "send")
		for i, offset := range offsets {
			pending[index][offset] = sent[i]
		}
	}
	for index := range producers {
		if pending[index] != nil {
			finish(index, kgo.TryCommit)
		}
	}
	r.awaitStable(topic, int64(len(every))+ends)
	r.claimRead(topic, visible, 0, readCommitted)
	r.claimRead(topic, every, 0)
}

func manyPartitions(r *Run) {
	const partitions = 40
	topics := []string{r.name("one"), r.name("two")}
	for _, topic := range topics {
		r.createTopic(topic, partitions, nil)
	}
	producer := r.transactor("id")
	for i, end := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		r.must(producer.BeginTransaction(), "begin")
		for _, topic := range topics {
			_, err := r.send(producer, topic, numbered(5*partitions, fmt.Sprint(i), partitions))
			r.must(err, "send")
		}
		r.must(producer.EndTransaction(r.ctx, end), "end")
	}
	for _, topic := range topics {
		starts := make(map[int32]kgo.Offset)
		for partition := range int32(partitions) {
			r.awaitStableIn(topic, partition, 18)
			starts[partition] = kgo.NewOffset().At(0)
		}
		found, err := r.read(topic, starts, 10*partitions, readCommitted)
		r.must(err, "read")
		for partition := range int32(partitions) {
			var offsets []int64
			for _, record := range ofPartition(found, partition) {
				offsets = append(offsets, record.Offset)
			}
			expected := append(span(0, 5), span(12, 5)...)
			r.equal(offsets, expected, fmt.Sprint("offsets in partition ", partition))
		}
	}
}
