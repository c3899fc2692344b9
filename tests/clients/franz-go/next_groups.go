// Groups of the consumer protocol (KIP-848), which the broker balances, and groups that move
// between it and the classic protocol. Static members are for other clients: kgo 1.22 leaves
// without saying its instance id, which Kafka refuses.
package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func nextGroupCases() []testCase {
	return []testCase{
		{"a_group_balanced_by_the_broker_hands_over_uniformly", serverHandOver(kgo.StickyBalancer())},
		{"a_group_balanced_by_the_broker_hands_over_by_range", serverHandOver(kgo.RangeBalancer())},
		{"a_group_moves_to_the_consumer_protocol_and_back", movesBetweenProtocols},
		{"a_server_balanced_group_is_listed_described_and_deleted", serverDescribed},
		{"a_server_balanced_group_follows_a_regular_expression", serverRegex},
		{"a_server_balanced_group_takes_up_new_partitions_and_topics", serverGrows},
		{"offsets_of_a_server_balanced_group_are_its_members_only", serverOffsets},
	}
}

var serverSide = kgo.ServerSideBalancer()

// serverHandOver is handOver in a group that the broker balances: only what moves is revoked.
func serverHandOver(balancer kgo.GroupBalancer) func(*Run) {
	return func(r *Run) {
		options := []kgo.Opt{serverSide, kgo.Balancers(balancer)}
		r.createTopic(r.name(""), 4, nil)
		expected := r.values("alone")
		first := r.join("group", "first", options...)
		r.awaitAll(first)
		r.awaitValues(expected, first)
		second := r.join("group", "second", options...)
		r.awaitSplit(first, second)
		r.equal(first.movedAway(), [][]int32{second.assignment()}, "partitions taken from the first")
		expected = append(expected, r.values("shared")...)
		r.awaitValues(expected, first, second)
		first.close()
		r.awaitAll(second)
		expected = append(expected, r.values("handed over")...)
		r.awaitValues(expected, first, second)
		second.close()
		r.equal(sortedCopy(first.values(), second.values()), sortedCopy(expected), "delivered values")
		r.equal(r.committedSum(r.name("group")), int64(120), "sum of the committed offsets")
	}
}

func (r *Run) consumerGroup(admin *kadm.Client) kadm.DescribedConsumerGroup {
	found, err := admin.DescribeConsumerGroups(r.ctx, r.name("group"))
	r.must(err, "describe consumer groups")
	return found[r.name("group")]
}

func serverDescribed(r *Run) {
	topic, group, admin := r.name(""), r.name("group"), r.admin()
	r.createTopic(topic, 4, nil)
	absent := r.consumerGroup(admin)
	r.refused(kerr.GroupIDNotFound, absent.Err)
	values := r.values("value")
	only := r.join("group", "only-member", serverSide, kgo.Balancers(kgo.RangeBalancer()))
	r.awaitValues(values, only)
	var view kadm.DescribedConsumerGroup
	r.eventually(func() bool {
		view = r.consumerGroup(admin)
		r.must(view.Err, "described group")
		return view.State == "Stable"
	}, func() string { return "a stable group, not " + view.State })
	r.equal(view.AssignorName, "range", "assignor")
	r.equal(view.Epoch, view.AssignmentEpoch, "epoch of the group and of its assignment")
	r.equal(len(view.Members), 1, "members")
	member := view.Members[0]
	r.equal(member.ClientID, "only-member", "client id")
	r.equal(member.SubscribedTopics, []string{topic}, "subscribed topics")
	r.equal(member.MemberEpoch, view.Epoch, "member epoch")
	for name, set := range map[string]kadm.TopicsSet{
		"assignment": member.Assignment, "target": member.TargetAssignment,
	} {
		r.equal(len(set[topic]), 4, "partitions of the "+name)
	}
	for _, filter := range []struct {
		kind  string
		holds bool
	}{{"consumer", true}, {"classic", false}} {
		listed, err := admin.ListGroupsByType(r.ctx, []string{filter.kind})
		r.must(err, "list groups")
		entry, isListed := listed[group]
		r.claim(isListed == filter.holds, "listed as %s: %t", filter.kind, isListed)
		if isListed {
			r.equal([2]string{entry.ProtocolType, entry.State}, [2]string{"consumer", "Stable"}, "entry")
		}
	}
	// The description for classic groups knows no group of the other protocol.
	classic, err := admin.DescribeGroups(r.ctx, group)
	r.must(err, "describe groups")
	r.equal(classic[group].State, "Dead", "state as a classic group")
	deleted, err := admin.DeleteGroup(r.ctx, group)
	r.refused(kerr.NonEmptyGroup, errors.Join(err, deleted.Err))
	only.close()
	r.eventually(func() bool { return r.consumerGroup(admin).State == "Empty" }, text("emptiness"))
	deleted, err = admin.DeleteGroup(r.ctx, group)
	r.must(errors.Join(err, deleted.Err), "delete the group")
	r.refused(kerr.GroupIDNotFound, r.consumerGroup(admin).Err)
}

func serverGrows(r *Run) {
	topic, other, admin := r.name(""), r.name("other"), r.admin()
	r.createTopic(topic, 2, nil)
	only := r.join("group", "only", serverSide, kgo.ConsumeTopics(topic, other))
	r.eventually(func() bool { return len(only.assignment()) == 2 }, text("two partitions"))
	_, err := admin.CreatePartitions(r.ctx, 2, topic)
	r.must(err, "create partitions")
	r.awaitAll(only)
	r.createTopic(other, 3, nil)
	r.eventually(func() bool {
		view := r.consumerGroup(admin)
		r.must(view.Err, "described group")
		return len(view.Members) == 1 && len(view.Members[0].Assignment[other]) == 3
	}, text("partitions of a topic that was created later"))
	only.close()
}

func serverRegex(r *Run) {
	admin := r.admin()
	for _, suffix := range []string{"", "-one", "-two", "-3", "-other-one"} {
		r.createTopic(r.name("")+suffix, 2, nil)
	}
	pattern := "^" + r.name("") + "(-[a-z]+)?$"
	only := r.join("group", "only", serverSide, kgo.ConsumeRegex(), kgo.ConsumeTopics(pattern))
	expected := []string{r.name(""), r.name("") + "-one", r.name("") + "-two"}
	var found []string
	r.eventually(func() bool {
		view := r.consumerGroup(admin)
		found = nil
		for _, m := range view.Members {
			for topic := range m.Assignment {
				found = append(found, topic)
			}
		}
		slices.Sort(found)
		return slices.Equal(found, expected)
	}, func() string { return fmt.Sprint("assigned topics ", expected, ", not ", found) })
	r.eventually(func() bool { return len(only.assignment()) == 2 }, text("its own partitions"))
	only.close()
}

func serverOffsets(r *Run) {
	topic, group, admin := r.name(""), r.name("group"), r.admin()
	r.createTopic(topic, 4, nil)
	values := r.values("value")
	only := r.join("group", "only", serverSide)
	r.awaitValues(values, only)
	r.must(only.client.CommitUncommittedOffsets(r.ctx), "commit as a member")
	r.equal(r.committedSum(group), int64(40), "sum of the committed offsets")
	var offsets kadm.Offsets
	offsets.AddOffset(topic, 0, 4, -1)
	r.refused(kerr.UnknownMemberID, admin.CommitAllOffsets(r.ctx, group, offsets))
	r.equal(r.committedSum(group), int64(40), "sum after a commit by a stranger")
	only.close()
	r.eventually(func() bool { return r.consumerGroup(admin).State == "Empty" }, text("emptiness"))
	r.must(admin.CommitAllOffsets(r.ctx, group, offsets), "commit to an empty group")
	r.equal(r.committedSum(group), int64(34), "sum after the reset")
	var set kadm.TopicsSet
	set.Add(topic, 1)
	removed, err := admin.DeleteOffsets(r.ctx, group, set)
	r.must(errors.Join(err, removed.Error()), "delete an offset")
	r.equal(r.committedSum(group), int64(24), "sum after the deletion")
	again := r.join("group", "again", serverSide)
	r.eventually(func() bool { return len(again.values()) == 16 }, func() string {
		return fmt.Sprintf("6 records of partition 0 and 10 of partition 1, not %d", len(again.values()))
	})
	again.close()
}

// movesBetweenProtocols exchanges the members of a group one by one for members of the other
// protocol, first up and then down; nothing is lost and nothing delivered twice.
func movesBetweenProtocols(r *Run) {
	admin, classic := r.admin(), kgo.Balancers(kgo.CooperativeStickyBalancer())
	r.createTopic(r.name(""), 4, nil)
	kinds := func() [2]bool {
		var found [2]bool
		for i, kind := range []string{"classic", "consumer"} {
			listed, err := admin.ListGroupsByType(r.ctx, []string{kind})
			r.must(err, "list groups")
			_, found[i] = listed[r.name("group")]
		}
		return found
	}
	var members []*member
	var expected []string
	exchange := func(step string, isNext bool, leaving *member) *member {
		options := []kgo.Opt{classic}
		if isNext {
			options = []kgo.Opt{serverSide}
		}
		joined := r.join("group", step, options...)
		members = append(members, joined)
		r.eventually(func() bool { return len(joined.assignment()) != 0 }, text(step+" gets partitions"))
		if leaving != nil {
			leaving.close()
		}
		expected = append(expected, r.values(step)...)
		r.awaitValues(expected, members...)
		return joined
	}
	first := exchange("classic-1", false, nil)
	second := exchange("classic-2", false, nil)
	r.equal(kinds(), [2]bool{true, false}, "classic, consumer: at first")
	first = exchange("next-1", true, first)
	r.equal(kinds(), [2]bool{false, true}, "classic, consumer: with members of both")
	second = exchange("next-2", true, second)
	r.equal(kinds(), [2]bool{false, true}, "classic, consumer: after the upgrade")
	first = exchange("classic-3", false, first)
	r.equal(kinds(), [2]bool{false, true}, "classic, consumer: with members of both again")
	second = exchange("classic-4", false, second)
	r.eventually(func() bool { return kinds() == [2]bool{true, false} }, text("a classic group again"))
	r.awaitSplit(first, second)
	first.close()
	second.close()
	var delivered []string
	for _, m := range members {
		delivered = append(delivered, m.values()...)
	}
	r.equal(sortedCopy(delivered), sortedCopy(expected), "delivered values")
}
