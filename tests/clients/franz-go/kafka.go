// franz-go clients for the cases, records to send, and exact comparison with what comes back.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"reflect"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// client returns a client that is closed at the end of the case.
func (r *Run) client(options ...kgo.Opt) *kgo.Client {
	common := []kgo.Opt{
		kgo.SeedBrokers(r.bootstrap),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.FetchMaxWait(100 * time.Millisecond),
		// Metadata of a new topic may lag a little behind its creation.
		kgo.UnknownTopicRetries(20),
		kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.RetryTimeout(20 * time.Second),
	}
	created, err := kgo.NewClient(append(common, options...)...)
	r.must(err, "new client")
	r.atEnd(created.Close)
	return created
}

func (r *Run) admin() *kadm.Client { return kadm.NewClient(r.client()) }

// createTopic creates a topic and waits until the metadata shows a leader for each partition.
func (r *Run) createTopic(topic string, partitions int32, configs map[string]string) {
	admin := r.admin()
	r.must(create(r.ctx, admin, topic, partitions, 1, configs), "create "+topic)
	r.eventually(func() bool {
		found, err := admin.ListTopics(r.ctx, topic)
		r.must(err, "list topics")
		leaders := 0
		for _, partition := range found[topic].Partitions {
			if partition.Err == nil && partition.Leader >= 0 {
				leaders++
			}
		}
		return leaders == int(partitions)
	}, text("leaders of "+topic))
}

func create(
	ctx context.Context, admin *kadm.Client, topic string, partitions int32, replication int16,
	configs map[string]string,
) error {
	values := make(map[string]*string)
	for name, value := range configs {
		values[name] = kadm.StringPtr(value)
	}
	created, err := admin.CreateTopic(ctx, partitions, replication, values, topic)
	return errors.Join(err, created.Err)
}

// produce sends records in order and returns the first error.
func (r *Run) produce(topic string, records []*kgo.Record, options ...kgo.Opt) error {
	producer := r.client(append([]kgo.Opt{kgo.ProducerLinger(20 * time.Millisecond)}, options...)...)
	defer producer.Close()
	for _, record := range records {
		record.Topic = topic
	}
	return producer.ProduceSync(r.ctx, records...).FirstErr()
}

// read reads `count` records of the partitions in `starts`, without a group.
func (r *Run) read(
	topic string, starts map[int32]kgo.Offset, count int, options ...kgo.Opt,
) ([]*kgo.Record, error) {
	from := kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts})
	consumer := r.client(append(options, from)...)
	defer consumer.Close()
	ctx, cancel := context.WithTimeout(r.ctx, waitLimit)
	defer cancel()
	var found []*kgo.Record
	for len(found) < count {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return found, fmt.Errorf("%d of %d records: %w", len(found), count, err)
		}
		found = append(found, fetches.Records()...)
	}
	return found, nil
}

// fromStart reads partition 0 from offset 0.
func (r *Run) fromStart(topic string, count int) []*kgo.Record {
	found, err := r.read(topic, map[int32]kgo.Offset{0: kgo.NewOffset().At(0)}, count)
	r.must(err, "read")
	return found
}

// recent is an hour ago: no retention or future limit is near.
func recent() time.Time { return time.UnixMilli(time.Now().Add(-time.Hour).UnixMilli()) }

// numbered makes small distinct records spread evenly over the partitions, in send order.
func numbered(count int, prefix string, partitions int) []*kgo.Record {
	base := recent()
	records := make([]*kgo.Record, count)
	for i := range records {
		records[i] = &kgo.Record{
			Key:       fmt.Appendf(nil, "key-%d", i),
			Value:     fmt.Appendf(nil, "%s-%d", prefix, i),
			Timestamp: base.Add(time.Duration(i) * time.Millisecond),
			Partition: int32(i % partitions),
		}
	}
	return records
}

// awkward makes records at the edges: null against empty, every byte value, headers that repeat
// or are null, large and incompressible values.
func awkward() []*kgo.Record {
	noise := make([]byte, 9000)
	rand.New(rand.NewSource(40)).Read(noise)
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	line := bytes.Repeat([]byte("a line of text that any codec makes smaller; "), 40)
	header := func(key string, value []byte) kgo.RecordHeader {
		return kgo.RecordHeader{Key: key, Value: value}
	}
	records := []*kgo.Record{
		{Key: nil, Value: []byte("value without a key")},
		{Key: []byte{}, Value: []byte("value with an empty key")},
		{Key: []byte("tombstone"), Value: nil},
		{Key: nil, Value: nil},
		{Key: []byte("empty"), Value: []byte{}},
		{Key: every, Value: every},
		{Key: []byte("noise"), Value: noise},
		{Key: []byte("large"), Value: bytes.Repeat(line, 100)},
		{Value: every, Headers: []kgo.RecordHeader{
			header("z", []byte("1")), header("same", []byte("first")), header("a", []byte("2")),
			header("same", []byte("second")), header("null", nil), header("empty", []byte{}),
			header("", []byte("empty name")), header("\u00fcber", every),
		}},
	}
	for i := range 60 {
		records = append(records, &kgo.Record{Key: fmt.Appendf(nil, "row-%d", i), Value: line[i:]})
	}
	base := recent()
	for i, record := range records {
		record.Timestamp = base.Add(time.Duration(i*i) * time.Millisecond)
	}
	return records
}

// content is what must survive the way through the broker. Null and empty differ.
type content struct {
	key, value []byte
	headers    []kgo.RecordHeader
	timestamp  int64
	partition  int32
}

// String shows enough of a record to tell two apart; %q prints a null and an empty field alike.
func (c content) String() string {
	headers := fmt.Sprint(c.headers)
	return fmt.Sprintf("key %.80q (null %t), value %.80q (null %t), headers %.200s, time %d",
		c.key, c.key == nil, c.value, c.value == nil, headers, c.timestamp)
}

func contentOf(record *kgo.Record) content {
	headers := record.Headers
	if len(headers) == 0 {
		headers = nil
	}
	stamp := record.Timestamp.UnixMilli()
	return content{record.Key, record.Value, headers, stamp, record.Partition}
}

// claimRecords claims that one partition holds exactly `sent`, at dense offsets from `first`.
func (r *Run) claimRecords(found, sent []*kgo.Record, first int64) {
	r.equal(len(found), len(sent), "number of records")
	for i, record := range found {
		r.equal(record.Offset, first+int64(i), "offset")
		actual, expected := contentOf(record), contentOf(sent[i])
		if !reflect.DeepEqual(actual, expected) {
			r.fail("offset %d: expected %v, found %v", record.Offset, expected, actual)
		}
	}
}

// ofPartition picks the records of one partition, in order.
func ofPartition(records []*kgo.Record, partition int32) []*kgo.Record {
	var own []*kgo.Record
	for _, record := range records {
		if record.Partition == partition {
			own = append(own, record)
		}
	}
	return own
}

// refused claims that err is exactly Kafka's error `expected`.
func (r *Run) refused(expected *kerr.Error, err error) {
	var found *kerr.Error
	if !errors.As(err, &found) || found.Code != expected.Code {
		r.fail("expected %s (%d), found %v", expected.Message, expected.Code, err)
	}
}
