// Requests that the broker refuses, each with the error code that Kafka gives.
package main

import (
	"errors"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func refusalCases() []testCase {
	return []testCase{
		{"impossible_topics_are_refused", impossibleTopics},
		{"records_that_break_a_topics_rules_are_refused", brokenRules},
		{"a_batch_is_measured_as_it_is_stored", measuredAsStored},
		{"absent_topics_are_unknown", absentTopics},
		{"a_partition_that_does_not_exist_is_unknown", absentPartition},
	}
}

func impossibleTopics(r *Run) {
	topic, admin := r.name(""), r.admin()
	bad := map[string]string{"retention.ms": "soon"}
	for _, attempt := range []struct {
		expected    *kerr.Error
		topic       string
		partitions  int32
		replication int16
		configs     map[string]string
	}{
		{kerr.InvalidTopicException, "has a space", 1, 1, nil},
		{kerr.InvalidTopicException, "", 1, 1, nil},
		{kerr.InvalidTopicException, "..", 1, 1, nil},
		{kerr.InvalidTopicException, strings.Repeat("x", 250), 1, 1, nil},
		{kerr.InvalidPartitions, topic, 0, 1, nil},
		{kerr.PolicyViolation, topic, 100_000_000, 1, nil},
		{kerr.InvalidReplicationFactor, topic, 1, 5, nil},
		{kerr.InvalidReplicationFactor, topic, 1, 0, nil},
		{kerr.InvalidConfig, topic, 1, 1, bad},
	} {
		err := create(
			r.ctx, admin, attempt.topic, attempt.partitions, attempt.replication, attempt.configs)
		r.refused(attempt.expected, err)
	}
	listed, err := admin.ListTopics(r.ctx)
	r.must(err, "list topics")
	r.claim(!listed.Has(topic), "a refused topic exists")
}

func brokenRules(r *Run) {
	plain := kgo.ProducerBatchCompression(kgo.NoCompression())
	large := kgo.ProducerBatchMaxBytes(10 << 20)
	for _, rule := range []struct {
		suffix   string
		configs  map[string]string
		expected *kerr.Error
		record   kgo.Record
	}{
		{
			"large", map[string]string{"max.message.bytes": "5000"}, kerr.MessageTooLarge,
			kgo.Record{Value: make([]byte, 6000)},
		},
		{"default-limit", nil, kerr.MessageTooLarge, kgo.Record{Value: make([]byte, 2_000_000)}},
		{
			"keyless", map[string]string{"cleanup.policy": "compact"}, kerr.InvalidRecord,
			kgo.Record{Value: []byte("no key")},
		},
		{
			"ahead", nil, kerr.InvalidTimestamp,
			kgo.Record{Value: []byte("v"), Timestamp: time.Now().Add(2 * time.Hour)},
		},
	} {
		topic, sent := r.name(rule.suffix), numbered(3, "value", 1)
		r.createTopic(topic, 1, rule.configs)
		record := rule.record
		r.refused(rule.expected, r.produce(topic, []*kgo.Record{&record}, plain, large))
		r.must(r.produce(topic, sent), "produce what is allowed")
		r.claimRecords(r.fromStart(topic, 3), sent, 0)
	}
}

func measuredAsStored(r *Run) {
	topic, sent := r.name(""), numbered(1, "value", 1)
	sent[0].Value = make([]byte, 50_000)
	r.createTopic(topic, 1, map[string]string{"max.message.bytes": "5000"})
	r.must(r.produce(topic, sent, kgo.ProducerBatchCompression(kgo.ZstdCompression())), "produce")
	r.claimRecords(r.fromStart(topic, 1), sent, 0)
}

func absentTopics(r *Run) {
	topic, admin := r.name(""), r.admin()
	unknown := kerr.UnknownTopicOrPartition
	r.refused(unknown, r.produce(topic, numbered(1, "value", 1), kgo.UnknownTopicRetries(1)))
	deleted, err := admin.DeleteTopic(r.ctx, topic)
	r.refused(unknown, errors.Join(err, deleted.Err))
	configs, err := admin.DescribeTopicConfigs(r.ctx, topic)
	r.must(err, "describe topic configs")
	r.refused(unknown, configs[0].Err)
	ends, err := admin.ListEndOffsets(r.ctx, topic)
	r.refused(unknown, errors.Join(err, ends.Error()))
	listed, err := admin.ListTopics(r.ctx, topic)
	r.must(err, "list topics")
	r.refused(unknown, listed[topic].Err)
}

// absentPartition asks for the offsets of a partition beyond the topic's last.
func absentPartition(r *Run) {
	topic := r.name("")
	r.createTopic(topic, 1, nil)
	client := r.client()
	metadata, err := r.admin().BrokerMetadata(r.ctx)
	r.must(err, "broker metadata")
	// Straight to the broker: the client would refuse by itself, from its metadata.
	broker := client.Broker(int(metadata.Controller))
	answer, err := broker.Request(r.ctx, listOffsetsRequest(topic, 7))
	r.must(err, "list offsets")
	code := answer.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode
	r.refused(kerr.UnknownTopicOrPartition, kerr.ErrorForCode(code))
}

// listOffsetsRequest asks for the end of one partition.
func listOffsetsRequest(topic string, partition int32) *kmsg.ListOffsetsRequest {
	asked := kmsg.NewListOffsetsRequestTopicPartition()
	asked.Partition, asked.Timestamp = partition, -1
	of := kmsg.NewListOffsetsRequestTopic()
	of.Topic, of.Partitions = topic, []kmsg.ListOffsetsRequestTopicPartition{asked}
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID, request.Topics = -1, []kmsg.ListOffsetsRequestTopic{of}
	return request
}
