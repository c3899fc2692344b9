// Consumer groups (classic protocol): every balancer, static members, commits, description.
package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func groupCases() []testCase {
	return []testCase{
		{"a_range_group_splits_and_hands_over", handOver(kgo.RangeBalancer())},
		{"a_round_robin_group_splits_and_hands_over", handOver(kgo.RoundRobinBalancer())},
		{"a_sticky_group_splits_and_hands_over", handOver(kgo.StickyBalancer())},
		{"a_cooperative_group_moves_only_what_must_move", cooperative},
		{"a_static_member_returns_without_a_rebalance", staticMember},
		{"commits_sync_async_and_by_admin_are_resumed", commits},
		{"groups_are_listed_described_and_deleted", describedGroups},
		{"lag_and_deleted_offsets_of_a_group", lagAndDeletedOffsets},
		{"commit_metadata_above_4096_characters_is_refused", commitMetadata},
	}
}

// values produces ten records to each of four partitions and returns their values.
func (r *Run) values(prefix string) []string {
	sent := numbered(40, prefix, 4)
	r.must(r.produce(r.name(""), sent), "produce")
	values := make([]string, len(sent))
	for i, record := range sent {
		values[i] = string(record.Value)
	}
	return values
}

func sortedCopy(values ...[]string) []string {
	joined := slices.Concat(values...)
	slices.Sort(joined)
	return joined
}

// awaitValues waits until the members have received every expected value.
func (r *Run) awaitValues(expected []string, members ...*member) {
	missing := 0
	r.eventually(func() bool {
		seen := make(map[string]bool)
		for _, m := range members {
			for _, value := range m.values() {
				seen[value] = true
			}
		}
		missing = 0
		for _, value := range expected {
			if !seen[value] {
				missing++
			}
		}
		return missing == 0
	}, func() string { return fmt.Sprintf("%d values are missing", missing) })
}

func (r *Run) awaitAll(m *member) {
	r.eventually(func() bool { return len(m.assignment()) == 4 }, text("a member that owns all"))
}

func (r *Run) awaitSplit(first, second *member) {
	r.eventually(func() bool {
		both := sorted(slices.Concat(first.assignment(), second.assignment()))
		return len(first.assignment()) == 2 && slices.Equal(both, []int32{0, 1, 2, 3})
	}, func() string { return fmt.Sprint("an even split: ", first.assignment(), second.assignment()) })
}

// handOver: one member owns all, a second shares, the first leaves, the second owns all. Every
// value is delivered exactly once, because each commits what it loses.
func handOver(balancer kgo.GroupBalancer) func(*Run) {
	return func(r *Run) {
		r.createTopic(r.name(""), 4, nil)
		expected := r.values("alone")
		first := r.join("group", "first", kgo.Balancers(balancer))
		r.awaitAll(first)
		r.awaitValues(expected, first)
		second := r.join("group", "second", kgo.Balancers(balancer))
		r.awaitSplit(first, second)
		expected = append(expected, r.values("shared")...)
		r.awaitValues(expected, first, second)
		first.close()
		r.awaitAll(second)
		expected = append(expected, r.values("handed over")...)
		r.awaitValues(expected, first, second)
		second.close()
		delivered := sortedCopy(first.values(), second.values())
		r.equal(delivered, sortedCopy(expected), "delivered values")
		r.equal(r.committedSum(r.name("group")), int64(120), "sum of the committed offsets")
	}
}

func (r *Run) committedSum(group string) int64 {
	found, err := r.admin().FetchOffsets(r.ctx, group)
	r.must(errors.Join(err, found.Error()), "fetch offsets")
	sum := int64(0)
	found.Each(func(offset kadm.OffsetResponse) { sum += offset.At })
	return sum
}

func cooperative(r *Run) {
	r.createTopic(r.name(""), 4, nil)
	first := r.join("group", "first", kgo.Balancers(kgo.CooperativeStickyBalancer()))
	r.awaitAll(first)
	second := r.join("group", "second", kgo.Balancers(kgo.CooperativeStickyBalancer()))
	r.awaitSplit(first, second)
	r.equal(first.movedAway(), [][]int32{second.assignment()}, "partitions taken from the first")
	values := r.values("value")
	r.awaitValues(values, first, second)
	second.close()
	r.awaitAll(first)
	more := r.values("more")
	r.awaitValues(more, first)
	r.equal(len(first.movedAway()), 1, "revocations of the first member")
	delivered := sortedCopy(first.values(), second.values())
	r.equal(delivered, sortedCopy(values, more), "delivered values")
	first.close()
}

func staticMember(r *Run) {
	r.createTopic(r.name(""), 4, nil)
	options := func(id string) []kgo.Opt {
		return []kgo.Opt{kgo.InstanceID(id), kgo.Balancers(kgo.RangeBalancer())}
	}
	first := r.join("group", "first", options("one")...)
	second := r.join("group", "second", options("two")...)
	r.awaitSplit(first, second)
	before, owned := first.rebalances(), second.assignment()
	second.close()
	values := r.values("while away")
	second = r.join("group", "second", options("two")...)
	r.eventually(func() bool { return slices.Equal(second.assignment(), owned) },
		text("the returned member owns what it had"))
	r.awaitValues(values, first, second)
	r.equal(first.rebalances(), before, "assignments of the member that stayed")

	second.close()
	left, err := r.admin().LeaveGroup(r.ctx, kadm.LeaveGroup(r.name("group")).InstanceIDs("two"))
	r.must(errors.Join(err, left.Error()), "leave group")
	r.awaitAll(first)
	first.close()
}

func commits(r *Run) {
	r.createTopic(r.name(""), 4, nil)
	topic, group, admin := r.name(""), r.name("group"), r.admin()
	committed := func(partition int32) int64 {
		found, err := admin.FetchOffsetsForTopics(r.ctx, group, topic)
		r.must(errors.Join(err, found.Error()), "fetch offsets")
		offset, _ := found.Lookup(topic, partition)
		return offset.At
	}
	r.equal(committed(0), int64(-1), "offset of an unknown group")
	r.values("value")
	var offsets kadm.Offsets
	for partition := range int32(4) {
		offsets.Add(kadm.Offset{
			Topic: topic, Partition: partition, At: 3, LeaderEpoch: -1, Metadata: "checkpoint \u00e9",
		})
	}
	r.must(admin.CommitAllOffsets(r.ctx, group, offsets), "commit by the admin client")
	found, err := admin.FetchOffsets(r.ctx, group)
	r.must(err, "fetch offsets")
	stored, _ := found.Lookup(topic, 0)
	r.equal(stored.Metadata, "checkpoint \u00e9", "metadata")

	first := r.join("group", "first")
	r.eventually(func() bool { return len(first.values()) == 28 }, text("records from offset 3 on"))
	done := make(chan error, 1)
	first.client.CommitOffsets(r.ctx, first.client.UncommittedOffsets(),
		func(_ *kgo.Client, _ *commitRequest, response *commitResponse, err error) {
			done <- errors.Join(err, firstCommitError(response))
		})
	r.must(<-done, "commit asynchronously")
	r.equal(committed(0), int64(10), "offset after the asynchronous commit")
	first.close()
	more := r.values("more")
	second := r.join("group", "second")
	r.awaitValues(more, second)
	r.must(second.client.CommitUncommittedOffsets(r.ctx), "commit synchronously")
	r.equal(committed(0), int64(20), "offset after the synchronous commit")
	r.equal(sortedCopy(second.values()), sortedCopy(more), "values of the successor")
	second.close()
}

func describedGroups(r *Run) {
	r.createTopic(r.name(""), 4, nil)
	topic, group, admin := r.name(""), r.name("group"), r.admin()
	values := r.values("value")
	only := r.join("group", "only-member", kgo.Balancers(kgo.RangeBalancer()))
	r.awaitValues(values, only)
	listed, err := admin.ListGroups(r.ctx)
	r.must(err, "list groups")
	r.equal(listed[group].ProtocolType, "consumer", "protocol type in the list")
	r.equal(listed[group].State, "Stable", "state in the list")
	empty, err := admin.ListGroups(r.ctx, "Empty")
	r.must(err, "list empty groups")
	_, isListed := empty[group]
	r.claim(!isListed, "a stable group is listed among the empty ones")

	described, err := admin.DescribeGroups(r.ctx, group)
	r.must(errors.Join(err, described.Error()), "describe groups")
	view := described[group]
	r.equal([3]string{view.State, view.ProtocolType, view.Protocol},
		[3]string{"Stable", "consumer", "range"}, "described group")
	r.equal(len(view.Members), 1, "members")
	r.equal(view.Members[0].ClientID, "only-member", "client id")
	assigned, _ := view.Members[0].Assigned.AsConsumer()
	r.equal(assigned.Topics[0].Topic, topic, "assigned topic")
	r.equal(sorted(assigned.Topics[0].Partitions), []int32{0, 1, 2, 3}, "assigned partitions")

	deleted, err := admin.DeleteGroup(r.ctx, group)
	r.refused(kerr.NonEmptyGroup, errors.Join(err, deleted.Err))
	only.close()
	described, err = admin.DescribeGroups(r.ctx, group)
	r.must(err, "describe groups")
	r.equal(described[group].State, "Empty", "state after the last member left")
	deleted, err = admin.DeleteGroup(r.ctx, group)
	r.must(errors.Join(err, deleted.Err), "delete the group")
	deleted, err = admin.DeleteGroup(r.ctx, group)
	r.refused(kerr.GroupIDNotFound, errors.Join(err, deleted.Err))
}

func lagAndDeletedOffsets(r *Run) {
	r.createTopic(r.name(""), 4, nil)
	topic, group, admin := r.name(""), r.name("group"), r.admin()
	r.values("value")
	var offsets kadm.Offsets
	offsets.AddOffset(topic, 0, 4, -1)
	offsets.AddOffset(topic, 1, 10, -1)
	r.must(admin.CommitAllOffsets(r.ctx, group, offsets), "commit")
	lag, err := admin.Lag(r.ctx, group)
	r.must(errors.Join(err, lag.Error()), "lag")
	// 6 + 0, and all 10 of each partition without a commit.
	r.equal(lag[group].Lag.Total(), int64(26), "lag")
	var set kadm.TopicsSet
	set.Add(topic, 0)
	removed, err := admin.DeleteOffsets(r.ctx, group, set)
	r.must(errors.Join(err, removed.Error()), "delete an offset")
	found, err := admin.FetchOffsets(r.ctx, group)
	r.must(err, "fetch offsets")
	_, isThere := found.Lookup(topic, 0)
	r.claim(!isThere, "the deleted offset is still there")
	kept, _ := found.Lookup(topic, 1)
	r.equal(kept.At, int64(10), "the other offset")
}

func commitMetadata(r *Run) {
	r.createTopic(r.name(""), 1, nil)
	commit := func(length int) error {
		var offsets kadm.Offsets
		metadata := string(slices.Repeat([]byte("m"), length))
		offsets.Add(kadm.Offset{Topic: r.name(""), LeaderEpoch: -1, Metadata: metadata})
		return r.admin().CommitAllOffsets(r.ctx, r.name("group"), offsets)
	}
	r.must(commit(4096), "commit with 4096 characters")
	r.refused(kerr.OffsetMetadataTooLarge, commit(4097))
}
