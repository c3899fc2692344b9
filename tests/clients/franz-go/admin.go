// Topics, partitions, configurations, log dirs and the cluster, through kadm.
package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

type (
	commitRequest  = kmsg.OffsetCommitRequest
	commitResponse = kmsg.OffsetCommitResponse
)

// firstCommitError returns the first partition's error in an OffsetCommit response.
func firstCommitError(response *commitResponse) error {
	for _, topic := range response.Topics {
		for _, partition := range topic.Partitions {
			if err := kerr.ErrorForCode(partition.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

func adminCases() []testCase {
	return []testCase{
		{"created_topics_are_listed_and_described", createdTopics},
		{"validate_only_creates_nothing", validateOnly},
		{"the_cluster_and_its_configs_are_described", describedCluster},
		{"partitions_can_be_added_but_never_removed", addedPartitions},
		{"topic_configs_are_altered_incrementally_and_as_a_whole", alteredConfigs},
		{"log_dirs_know_the_size_of_each_partition", logDirs},
		{"a_deleted_topic_is_gone_and_its_name_is_free", deletedTopic},
		{"a_pattern_subscription_finds_topics_created_later", patternSubscription},
	}
}

func createdTopics(r *Run) {
	topic, admin := r.name(""), r.admin()
	r.createTopic(topic, 3, nil)
	metadata, err := admin.Metadata(r.ctx)
	r.must(err, "metadata")
	node := metadata.Brokers[0].NodeID
	found, isListed := metadata.Topics[topic]
	r.claim(isListed, "the topic is not listed")
	r.claim(found.ID != kadm.TopicID{}, "the topic has no id")
	r.equal(len(found.Partitions), 3, "number of partitions")
	for id, partition := range found.Partitions {
		r.must(partition.Err, "partition "+strconv.Itoa(int(id)))
		r.equal(partition.Leader, node, "leader")
		r.equal([2][]int32{partition.Replicas, partition.ISR}, [2][]int32{{node}, {node}}, "replicas")
	}
	r.refused(kerr.TopicAlreadyExists, create(r.ctx, admin, topic, 3, 1, nil))
}

func validateOnly(r *Run) {
	topic, admin := r.name(""), r.admin()
	answer, err := admin.ValidateCreateTopics(r.ctx, 3, 1, nil, topic)
	r.must(errors.Join(err, answer.Error()), "validate")
	answer, err = admin.ValidateCreateTopics(r.ctx, 0, 1, nil, topic)
	r.refused(kerr.InvalidPartitions, errors.Join(err, answer.Error()))
	listed, err := admin.ListTopics(r.ctx)
	r.must(err, "list topics")
	r.claim(!listed.Has(topic), "the topic exists")
}

func describedCluster(r *Run) {
	admin := r.admin()
	metadata, err := admin.BrokerMetadata(r.ctx)
	r.must(err, "broker metadata")
	r.claim(metadata.Cluster != "", "no cluster id")
	r.equal(metadata.Brokers.NodeIDs(), []int32{metadata.Controller}, "broker ids")
	port := r.bootstrap[strings.LastIndex(r.bootstrap, ":")+1:]
	r.equal(strconv.Itoa(int(metadata.Brokers[0].Port)), port, "advertised port")
	found, err := admin.DescribeBrokerConfigs(r.ctx, metadata.Controller)
	r.must(err, "describe broker configs")
	node := strconv.Itoa(int(metadata.Controller))
	r.equal(configOf(r, found, node, "node.id"), node, "node.id")
	r.equal(configOf(r, found, node, "message.max.bytes"), "1048588", "message.max.bytes")
}

func configOf(r *Run, configs kadm.ResourceConfigs, name, key string) string {
	resource, err := configs.On(name, nil)
	r.must(errors.Join(err, resource.Err), "configs of "+name)
	for _, config := range resource.Configs {
		if config.Key == key {
			return config.MaybeValue()
		}
	}
	r.fail("%s has no config %s", name, key)
	return ""
}

func addedPartitions(r *Run) {
	topic, admin := r.name(""), r.admin()
	r.createTopic(topic, 1, nil)
	update := func(total int) error {
		answer, err := admin.UpdatePartitions(r.ctx, total, topic)
		return errors.Join(err, answer.Error())
	}
	r.must(update(4), "update partitions")
	sent := numbered(40, "value", 4)
	// The new partitions may take a moment to be known: the producer looks until they are.
	r.eventually(func() bool {
		listed, err := admin.ListTopics(r.ctx, topic)
		r.must(err, "list topics")
		return len(listed[topic].Partitions) == 4
	}, text("four partitions"))
	r.must(r.produce(topic, sent), "produce")
	found, err := r.read(topic, map[int32]kgo.Offset{3: kgo.NewOffset().AtStart()}, 10)
	r.must(err, "read")
	r.claimRecords(found, ofPartition(sent, 3), 0)
	for _, total := range []int{4, 3} {
		r.refused(kerr.InvalidPartitions, update(total))
	}
}

func alteredConfigs(r *Run) {
	topic, admin := r.name(""), r.admin()
	r.createTopic(topic, 1, map[string]string{"retention.ms": "7654321"})
	value := func(key string) string {
		found, err := admin.DescribeTopicConfigs(r.ctx, topic)
		r.must(err, "describe topic configs")
		return configOf(r, found, topic, key)
	}
	becomes := func(key, expected string) {
		r.eventually(func() bool { return value(key) == expected }, text(key+"="+expected))
	}
	alter := func(op kadm.IncrementalOp, key, to string) error {
		change := kadm.AlterConfig{Op: op, Name: key, Value: kadm.StringPtr(to)}
		answers, err := admin.AlterTopicConfigs(r.ctx, []kadm.AlterConfig{change}, topic)
		r.must(err, "alter topic configs")
		return answers[0].Err
	}
	r.equal(value("retention.ms"), "7654321", "retention.ms set at creation")
	r.equal(value("max.message.bytes"), "1048588", "default max.message.bytes")
	r.must(alter(kadm.SetConfig, "segment.ms", "86400000"), "set")
	becomes("segment.ms", "86400000")
	r.equal(value("retention.ms"), "7654321", "retention.ms, which was not named")
	r.must(alter(kadm.AppendConfig, "cleanup.policy", "compact"), "append")
	becomes("cleanup.policy", "delete,compact")
	r.must(alter(kadm.SubtractConfig, "cleanup.policy", "delete"), "subtract")
	becomes("cleanup.policy", "compact")
	r.must(alter(kadm.DeleteConfig, "retention.ms", ""), "delete")
	becomes("retention.ms", "604800000")
	r.refused(kerr.InvalidConfig, alter(kadm.SetConfig, "retention.ms", "never"))
	r.refused(kerr.InvalidConfig, alter(kadm.SetConfig, "no.such.key", "1"))

	state := []kadm.AlterConfig{{Name: "retention.ms", Value: kadm.StringPtr("5000")}}
	answers, err := admin.AlterTopicConfigsState(r.ctx, state, topic)
	r.must(errors.Join(err, answers[0].Err), "alter the whole state")
	becomes("retention.ms", "5000")
	r.equal(value("segment.ms"), "604800000", "segment.ms, which was not named")
}

func logDirs(r *Run) {
	topic, admin := r.name(""), r.admin()
	r.createTopic(topic, 2, nil)
	r.must(r.produce(topic, numbered(50, "value", 1)), "produce")
	var set kadm.TopicsSet
	set.Add(topic, 0, 1)
	found, err := admin.DescribeAllLogDirs(r.ctx, set)
	r.must(err, "describe log dirs")
	sizes := make(map[int32]int64)
	found.Each(func(dir kadm.DescribedLogDir) {
		r.must(dir.Err, "log dir "+dir.Dir)
		dir.Topics.Each(func(p kadm.DescribedLogDirPartition) { sizes[p.Partition] = p.Size })
	})
	r.equal(len(sizes), 2, "number of described partitions")
	r.claim(sizes[0] > 100 && sizes[1] == 0, "sizes %v", sizes)
}

func deletedTopic(r *Run) {
	topic, admin := r.name(""), r.admin()
	r.createTopic(topic, 1, nil)
	first, err := admin.ListTopics(r.ctx, topic)
	r.must(err, "list topics")
	r.must(r.produce(topic, numbered(5, "value", 1)), "produce")
	remove := func() error {
		answer, err := admin.DeleteTopic(r.ctx, topic)
		return errors.Join(err, answer.Err)
	}
	r.must(remove(), "delete")
	r.eventually(func() bool {
		listed, err := admin.ListTopics(r.ctx)
		r.must(err, "list topics")
		return !listed.Has(topic)
	}, text("the topic is gone"))
	r.refused(kerr.UnknownTopicOrPartition, remove())
	r.createTopic(topic, 1, nil)
	// A client of its own: the other may answer from what it has cached for up to five seconds.
	second, err := r.admin().ListTopics(r.ctx, topic)
	r.must(err, "list topics")
	r.claim(first[topic].ID != second[topic].ID, "the new topic has the old one's id")
	sent := numbered(3, "second life", 1)
	r.must(r.produce(topic, sent), "produce")
	r.claimRecords(r.fromStart(topic, 3), sent, 0)
}

func patternSubscription(r *Run) {
	consumer := r.client(
		kgo.ConsumeRegex(),
		kgo.ConsumeTopics("^"+r.name("part")+"-.*$"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.MetadataMaxAge(500*time.Millisecond),
		kgo.MetadataMinAge(100*time.Millisecond),
	)
	seen := make(map[string]int)
	for _, suffix := range []string{"part-1", "other", "part-2"} {
		r.createTopic(r.name(suffix), 1, nil)
		r.must(r.produce(r.name(suffix), numbered(3, "value", 1)), "produce")
	}
	for seen[r.name("part-1")]+seen[r.name("part-2")] < 6 {
		fetches := consumer.PollFetches(r.ctx)
		r.must(fetches.Err(), "poll")
		for _, record := range fetches.Records() {
			seen[record.Topic]++
		}
	}
	r.equal(seen, map[string]int{r.name("part-1"): 3, r.name("part-2"): 3}, "records by topic")
}
