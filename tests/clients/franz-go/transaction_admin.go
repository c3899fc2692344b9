// What kadm tells of transactions and does to them: list, describe, producers, markers by hand, and
// the offsets of groups by isolation.
package main

import (
	"errors"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func transactionAdminCases() []testCase {
	return []testCase{
		{"transactions_are_listed_and_described_in_every_state", describedTransactions},
		{"producers_of_a_partition_are_described", describedProducers},
		{"markers_written_by_hand_end_a_transaction", handWrittenMarkers},
		{"unknown_transactional_ids_are_not_found", unknownTransactionalID},
	}
}

func (r *Run) described(admin *kadm.Client, id string) kadm.DescribedTransaction {
	found, err := admin.DescribeTransactions(r.ctx, r.name(id))
	r.must(err, "describe transactions")
	described := found[r.name(id)]
	r.must(described.Err, "described transaction")
	return described
}

func describedTransactions(r *Run) {
	topic, admin := r.name(""), r.admin()
	r.createTopic(topic, 3, nil)
	producer := r.transactor("id")
	id, epoch, err := producer.ProducerID(r.ctx)
	r.must(err, "producer id")
	state := r.described(admin, "id")
	r.equal(state.State, "Empty", "state before the first transaction")
	r.equal([2]int64{state.ProducerID, int64(state.ProducerEpoch)}, [2]int64{id, int64(epoch)},
		"producer id and epoch")
	r.equal(state.TimeoutMillis, int32(60_000), "timeout")
	r.equal(state.StartTimestamp, int64(-1), "start of no transaction")
	for _, step := range []struct {
		end  kgo.TransactionEndTry
		name string
	}{{kgo.TryCommit, "CompleteCommit"}, {kgo.TryAbort, "CompleteAbort"}} {
		r.must(producer.BeginTransaction(), "begin")
		_, err = r.send(producer, topic, numbered(6, "value", 2))
		r.must(err, "send")
		state = r.described(admin, "id")
		r.equal(state.State, "Ongoing", "state of an open transaction")
		r.claim(0 < state.StartTimestamp, "start timestamp %d", state.StartTimestamp)
		partitions := state.Topics[topic]
		_, hasFirst := partitions[0]
		_, hasSecond := partitions[1]
		r.claim(len(state.Topics) == 1 && len(partitions) == 2 && hasFirst && hasSecond,
			"partitions of the transaction: %v", state.Topics)
		r.listed(admin, id, "Ongoing")
		r.must(producer.EndTransaction(r.ctx, step.end), "end")
		r.eventually(func() bool {
			state = r.described(admin, "id")
			return state.State == step.name
		}, func() string { return "the state " + step.name + ", not " + state.State })
		r.equal(len(state.Topics), 0, "topics of a complete transaction")
		r.listed(admin, id, step.name)
	}
}

// listed claims that the transactional id is listed by each filter that holds and by no other.
func (r *Run) listed(admin *kadm.Client, producerID int64, state string) {
	for _, filter := range []struct {
		ids    []int64
		states []string
		holds  bool
	}{
		{nil, nil, true},
		{[]int64{producerID}, nil, true},
		{[]int64{producerID + 1}, nil, false},
		{nil, []string{state}, true},
		{nil, []string{"PrepareCommit", state}, true},
		{nil, []string{"Dead"}, false},
		{[]int64{producerID}, []string{state}, true},
	} {
		found, err := admin.ListTransactions(r.ctx, filter.ids, filter.states)
		r.must(err, "list transactions")
		entry, isListed := found[r.name("id")]
		r.claim(isListed == filter.holds, "filter %+v: listed %t", filter, isListed)
		if isListed {
			r.equal(entry.State, state, "listed state")
			r.equal(entry.ProducerID, producerID, "listed producer id")
		}
	}
	for pattern, holds := range map[string]bool{r.name("id"): true, ".*": true, "nothing.*": false} {
		found, err := admin.ListTransactionsByTxPattern(r.ctx, nil, nil, pattern)
		r.must(err, "list transactions by pattern")
		_, isListed := found[r.name("id")]
		r.claim(isListed == holds, "pattern %s: listed %t", pattern, isListed)
	}
}

func describedProducers(r *Run) {
	topic, admin := r.name(""), r.admin()
	r.createTopic(topic, 1, nil)
	producers := func() []kadm.DescribedProducer {
		var set kadm.TopicsSet
		set.Add(topic, 0)
		found, err := admin.DescribeProducers(r.ctx, set)
		r.must(err, "describe producers")
		partition := found[topic].Partitions[0]
		r.must(partition.Err, "described partition")
		return partition.ActiveProducers.Sorted()
	}
	r.equal(len(producers()), 0, "producers of an empty partition")
	r.must(r.produce(topic, numbered(3, "plain", 1)), "produce")
	plain := producers()
	r.equal(len(plain), 1, "idempotent producers")
	r.equal([2]int64{int64(plain[0].LastSequence), plain[0].CurrentTxnStartOffset}, [2]int64{2, -1},
		"last sequence, and start of no transaction")
	producer := r.transactor("id")
	id, epoch, err := producer.ProducerID(r.ctx)
	r.must(err, "producer id")
	r.must(producer.BeginTransaction(), "begin")
	_, err = r.send(producer, topic, numbered(5, "value", 1))
	r.must(err, "send")
	find := func() kadm.DescribedProducer {
		found := producers()
		i := slices.IndexFunc(found, func(p kadm.DescribedProducer) bool { return p.ProducerID == id })
		r.claim(0 <= i, "producer %d is not described: %v", id, found)
		return found[i]
	}
	open := find()
	r.equal([4]int64{int64(open.ProducerEpoch), int64(open.LastSequence), open.CurrentTxnStartOffset,
		int64(open.CoordinatorEpoch)}, [4]int64{int64(epoch), 4, 3, -1}, "epoch, sequence, start")
	r.claim(0 < open.LastTimestamp, "last timestamp %d", open.LastTimestamp)
	r.must(producer.EndTransaction(r.ctx, kgo.TryCommit), "commit")
	r.awaitStable(topic, 9)
	done := find()
	r.equal(done.CurrentTxnStartOffset, int64(-1), "start after the end")
	// The marker of transaction version 2 carries the bumped epoch.
	r.equal(done.ProducerEpoch, epoch+1, "epoch after the end")
	r.claim(0 <= done.CoordinatorEpoch, "coordinator epoch %d", done.CoordinatorEpoch)
}

func handWrittenMarkers(r *Run) {
	topic, admin := r.name(""), r.admin()
	r.createTopic(topic, 1, nil)
	producer := r.transactor("id")
	r.transact(producer, topic, numbered(1, "before", 1), kgo.TryAbort)
	r.awaitStable(topic, 2)
	id, epoch, err := producer.ProducerID(r.ctx)
	r.must(err, "producer id")
	r.must(producer.BeginTransaction(), "begin")
	_, err = r.send(producer, topic, numbered(5, "lost", 1))
	r.must(err, "send")
	write := func(epoch int16, name string, partition int32) error {
		marker := kadm.TxnMarkers{ProducerID: id, ProducerEpoch: epoch, CoordinatorEpoch: 0}
		marker.Topics.Add(name, partition)
		found, err := admin.WriteTxnMarkers(r.ctx, marker)
		r.must(err, "write markers")
		answer := found[id].Topics[name].Partitions[partition]
		return answer.Err
	}
	r.refused(kerr.InvalidProducerEpoch, write(epoch-1, topic, 0))
	r.equal(r.end(admin, topic, 0, true), int64(2), "last stable offset")
	r.must(write(epoch, topic, 0), "marker")
	r.awaitStable(topic, 8)
	kept := numbered(2, "kept", 1)
	r.must(r.produce(topic, kept), "produce")
	expected := make(map[int64]*kgo.Record)
	placed(expected, 8, kept)
	r.claimRead(topic, expected, 0, readCommitted)
}

func unknownTransactionalID(r *Run) {
	found, err := r.admin().DescribeTransactions(r.ctx, r.name("absent"))
	r.refused(kerr.TransactionalIDNotFound, errors.Join(err, found[r.name("absent")].Err))
}
