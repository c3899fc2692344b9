// Producing and reading back: bytes, nulls, order, acks, idempotence, broker time.
package main

import (
	"math/rand"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func recordCases() []testCase {
	return []testCase{
		{"none_batches_round_trip_byte_exact", roundTrip(kgo.NoCompression(), 0)},
		{"gzip_batches_round_trip_byte_exact", roundTrip(kgo.GzipCompression(), 1)},
		{"snappy_batches_round_trip_byte_exact", roundTrip(kgo.SnappyCompression(), 2)},
		{"lz4_batches_round_trip_byte_exact", roundTrip(kgo.Lz4Compression(), 3)},
		{"zstd_batches_round_trip_byte_exact", roundTrip(kgo.ZstdCompression(), 4)},
		{"partitions_keep_their_order_at_dense_offsets", partitionsKeepTheirOrder},
		{"acks_0_1_and_all_deliver", everyAcksDelivers},
		{"idempotent_producers_write_once_and_in_order", idempotentProducers},
		{"log_append_time_topics_carry_the_brokers_clock", logAppendTime},
		{"topic_codec_recompresses_what_producers_send", topicCodec},
		{"a_record_of_900_kb_round_trips", largeRecord},
		{"producing_to_an_absent_topic_creates_it", autoCreation},
	}
}

// roundTrip claims that the records come back equal, from batches stored with that codec.
func roundTrip(codec kgo.CompressionCodec, id uint8) func(*Run) {
	return func(r *Run) {
		topic, sent := r.name(""), awkward()
		r.createTopic(topic, 1, nil)
		r.must(r.produce(topic, sent, kgo.ProducerBatchCompression(codec)), "produce")
		found := r.fromStart(topic, len(sent))
		r.claimRecords(found, sent, 0)
		used := make(map[uint8]bool)
		for _, record := range found {
			used[record.Attrs.CompressionType()] = true
		}
		r.claim(used[id], "no stored batch has codec %d: %v", id, used)
		delete(used, id)
		delete(used, 0) // a batch that would not become smaller is left alone
		r.claim(len(used) == 0, "other codecs: %v", used)
	}
}

func partitionsKeepTheirOrder(r *Run) {
	topic, sent := r.name(""), numbered(400, "value", 4)
	r.createTopic(topic, 4, nil)
	r.must(r.produce(topic, sent), "produce")
	starts := make(map[int32]kgo.Offset)
	for partition := range int32(4) {
		starts[partition] = kgo.NewOffset().AtStart()
	}
	found, err := r.read(topic, starts, len(sent))
	r.must(err, "read")
	for partition := range int32(4) {
		r.claimRecords(ofPartition(found, partition), ofPartition(sent, partition), 0)
	}
}

func everyAcksDelivers(r *Run) {
	topic := r.name("")
	r.createTopic(topic, 1, nil)
	var sent []*kgo.Record
	// Acks 0 last: the broker drops what it gets before it has taken up the new partition.
	for _, acks := range []kgo.Acks{kgo.AllISRAcks(), kgo.LeaderAck(), kgo.NoAck()} {
		records := numbered(20, "value", 1)
		for _, record := range records {
			record.Topic = topic
		}
		// With acks 0 there is no answer to wait for, and a connection that is closed at once may
		// take its last requests with it: this producer stays open until the case ends.
		producer := r.client(kgo.RequiredAcks(acks), kgo.DisableIdempotentWrite())
		r.must(producer.ProduceSync(r.ctx, records...).FirstErr(), "produce")
		sent = append(sent, records...)
	}
	r.claimRecords(r.fromStart(topic, len(sent)), sent, 0)
}

// idempotentProducers lets two producers take turns on one partition.
func idempotentProducers(r *Run) {
	topic := r.name("")
	r.createTopic(topic, 1, nil)
	producers := []*kgo.Client{r.client(), r.client()}
	var sent []*kgo.Record
	for round := range 20 {
		records := numbered(25, "value", 1)
		for _, record := range records {
			record.Topic = topic
		}
		r.must(producers[round%2].ProduceSync(r.ctx, records...).FirstErr(), "produce")
		sent = append(sent, records...)
	}
	found := r.fromStart(topic, len(sent))
	r.claimRecords(found, sent, 0)
	ids := make(map[int64]bool)
	for _, record := range found {
		ids[record.ProducerID] = true
	}
	r.equal(len(ids), 2, "number of producer ids")
	r.claim(!ids[-1], "a batch carries no producer id")
}

func logAppendTime(r *Run) {
	topic := r.name("")
	r.createTopic(topic, 1, map[string]string{"message.timestamp.type": "LogAppendTime"})
	before := time.Now().UnixMilli()
	r.must(r.produce(topic, numbered(5, "value", 1)), "produce")
	after := time.Now().UnixMilli()
	for _, record := range r.fromStart(topic, 5) {
		stamp := record.Timestamp.UnixMilli()
		r.claim(before <= stamp && stamp <= after, "%d is not within %d..%d", stamp, before, after)
		r.equal(record.Attrs.TimestampType(), int8(1), "timestamp type")
	}
}

func topicCodec(r *Run) {
	topic, sent := r.name(""), awkward()
	r.createTopic(topic, 1, map[string]string{"compression.type": "lz4"})
	r.must(r.produce(topic, sent, kgo.ProducerBatchCompression(kgo.ZstdCompression())), "produce")
	found := r.fromStart(topic, len(sent))
	r.claimRecords(found, sent, 0)
	for _, record := range found {
		r.equal(record.Attrs.CompressionType(), uint8(3), "codec id of the stored batch")
	}
}

func largeRecord(r *Run) {
	topic, value := r.name(""), make([]byte, 900_000)
	rand.New(rand.NewSource(41)).Read(value)
	sent := numbered(2, "value", 1)
	sent[0].Value = value
	r.createTopic(topic, 1, nil)
	r.must(r.produce(topic, sent, kgo.ProducerBatchCompression(kgo.NoCompression())), "produce")
	r.claimRecords(r.fromStart(topic, 2), sent, 0)
}

func autoCreation(r *Run) {
	topic, sent := r.name(""), numbered(5, "value", 1)
	r.must(r.produce(topic, sent, kgo.AllowAutoTopicCreation()), "produce")
	r.claimRecords(r.fromStart(topic, 5), sent, 0)
}
