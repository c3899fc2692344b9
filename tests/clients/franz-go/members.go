// Members of consumer groups that keep polling in the background.
package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// member is a consumer in a group. It commits what it has handed out when it loses partitions and
// when it is closed, and never in between.
type member struct {
	run    *Run
	client *kgo.Client
	stop   context.CancelFunc
	done   chan struct{}

	lock     sync.Mutex
	owned    map[int32]bool
	gained   [][]int32 // partitions of every assignment
	revoked  [][]int32 // partitions of every revocation
	received []*kgo.Record
	failure  error
}

// join starts a member of the group r.name(group) on the topic r.name("").
func (r *Run) join(group, clientID string, options ...kgo.Opt) *member {
	m := &member{run: r, done: make(chan struct{}), owned: make(map[int32]bool)}
	topic := r.name("")
	common := []kgo.Opt{
		kgo.ClientID(clientID),
		kgo.ConsumerGroup(r.name(group)),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.HeartbeatInterval(250 * time.Millisecond),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
			m.lock.Lock()
			defer m.lock.Unlock()
			m.gained = append(m.gained, sorted(parts[topic]))
			for _, partition := range parts[topic] {
				m.owned[partition] = true
			}
		}),
		kgo.OnPartitionsRevoked(func(ctx context.Context, c *kgo.Client, parts map[string][]int32) {
			err := c.CommitUncommittedOffsets(ctx)
			m.lock.Lock()
			defer m.lock.Unlock()
			if err != nil && m.failure == nil {
				m.failure = fmt.Errorf("commit on revocation: %w", err)
			}
			m.revoked = append(m.revoked, sorted(parts[topic]))
			for _, partition := range parts[topic] {
				delete(m.owned, partition)
			}
		}),
	}
	m.client = r.client(append(common, options...)...)
	ctx, stop := context.WithCancel(r.ctx)
	m.stop = stop
	go m.poll(ctx)
	return m
}

func (m *member) poll(ctx context.Context) {
	defer close(m.done)
	for ctx.Err() == nil {
		fetches := m.client.PollFetches(ctx)
		m.lock.Lock()
		m.received = append(m.received, fetches.Records()...)
		if err := fetches.Err(); err != nil && ctx.Err() == nil && m.failure == nil {
			m.failure = err
		}
		m.lock.Unlock()
		m.client.AllowRebalance()
	}
}

// close stops polling, commits, and leaves the group; a static member does not leave.
func (m *member) close() {
	m.stop()
	<-m.done
	m.run.must(m.client.CommitUncommittedOffsets(m.run.ctx), "commit on close")
	m.run.must(m.client.LeaveGroupContext(m.run.ctx), "leave")
	m.client.Close()
}

// assignment returns the partitions this member owns now; it fails the case if polling failed.
func (m *member) assignment() []int32 {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.run.must(m.failure, "polling")
	var owned []int32
	for partition := range m.owned {
		owned = append(owned, partition)
	}
	return sorted(owned)
}

// values returns the values received so far, in order of receipt.
func (m *member) values() []string {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.run.must(m.failure, "polling")
	values := make([]string, len(m.received))
	for i, record := range m.received {
		values[i] = string(record.Value)
	}
	return values
}

// rebalances returns how many assignments this member was given.
func (m *member) rebalances() int {
	m.lock.Lock()
	defer m.lock.Unlock()
	return len(m.gained)
}

// movedAway returns the partitions that were taken from this member, one entry per revocation.
func (m *member) movedAway() [][]int32 {
	m.lock.Lock()
	defer m.lock.Unlock()
	moved := slices.Clone(m.revoked)
	return slices.DeleteFunc(moved, func(parts []int32) bool { return len(parts) == 0 })
}

func sorted(partitions []int32) []int32 {
	copied := slices.Clone(partitions)
	slices.Sort(copied)
	return copied
}
