// Positions in a partition: seek, timestamps, ends, deleted records, offsets out of range.
package main

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func offsetCases() []testCase {
	return []testCase{
		{"reading_starts_at_exactly_the_offset_asked_for", readFromOffset},
		{"offsets_for_times_are_exact_within_and_across_batches", offsetsForTimes},
		{"deleted_records_are_gone_and_the_rest_stays", deletedRecords},
		{"an_offset_out_of_range_is_an_error_or_resets_as_configured", outOfRange},
		{"leader_epochs_end_at_the_log_end", leaderEpochs},
	}
}

func at(offset int64) map[int32]kgo.Offset {
	return map[int32]kgo.Offset{0: kgo.NewOffset().At(offset)}
}

func readFromOffset(r *Run) {
	topic, sent := r.name(""), numbered(50, "value", 1)
	r.createTopic(topic, 1, nil)
	r.must(r.produce(topic, sent), "produce")
	for _, start := range []int64{0, 1, 17, 49} {
		found, err := r.read(topic, at(start), 50-int(start))
		r.must(err, "read")
		r.claimRecords(found, sent[start:], start)
	}
	fromEnd := map[int32]kgo.Offset{0: kgo.NewOffset().AtEnd().Relative(-3)}
	found, err := r.read(topic, fromEnd, 3)
	r.must(err, "read the last three")
	r.claimRecords(found, sent[47:], 47)
}

func offsetsForTimes(r *Run) {
	topic, base := r.name(""), recent()
	steps := []int64{100, 300, 200, 500, 400, 400, 900, 600, 950, 1000}
	sent := numbered(len(steps), "value", 1)
	for i, step := range steps {
		sent[i].Timestamp = base.Add(time.Duration(step) * time.Millisecond)
	}
	r.createTopic(topic, 1, nil)
	for _, batch := range [][]*kgo.Record{sent[:5], sent[5:6], sent[6:]} {
		r.must(r.produce(topic, batch), "produce")
	}
	admin := r.admin()
	for _, asked := range []int64{0, 100, 101, 200, 299, 300, 301, 450, 501, 901, 951, 1000} {
		first := 0
		for steps[first] < asked {
			first++
		}
		found, err := admin.ListOffsetsAfterMilli(r.ctx, base.UnixMilli()+asked, topic)
		r.must(errors.Join(err, found.Error()), "list offsets")
		offset, _ := found.Lookup(topic, 0)
		r.equal(offset.Offset, int64(first), "offset")
		r.equal(offset.Timestamp, base.UnixMilli()+steps[first], "timestamp of that record")
		after := kgo.NewOffset().AfterMilli(base.UnixMilli() + asked)
		records, err := r.read(topic, map[int32]kgo.Offset{0: after}, len(steps)-first)
		r.must(err, "read from a time on")
		r.claimRecords(records, sent[first:], int64(first))
	}
	largest, err := admin.ListMaxTimestampOffsets(r.ctx, topic)
	r.must(err, "list the offset of the largest timestamp")
	offset, _ := largest.Lookup(topic, 0)
	r.equal(offset.Offset, int64(9), "offset of the largest timestamp")
}

func (r *Run) deleteRecords(topic string, before int64) (int64, error) {
	var offsets kadm.Offsets
	offsets.AddOffset(topic, 0, before, -1)
	found, err := r.admin().DeleteRecords(r.ctx, offsets)
	response, _ := found.Lookup(topic, 0)
	return response.LowWatermark, errors.Join(err, response.Err)
}

func (r *Run) ends(topic string) [2]int64 {
	admin := r.admin()
	start, err := admin.ListStartOffsets(r.ctx, topic)
	r.must(errors.Join(err, start.Error()), "list start offsets")
	end, err := admin.ListEndOffsets(r.ctx, topic)
	r.must(errors.Join(err, end.Error()), "list end offsets")
	first, _ := start.Lookup(topic, 0)
	last, _ := end.Lookup(topic, 0)
	return [2]int64{first.Offset, last.Offset}
}

func deletedRecords(r *Run) {
	topic, sent := r.name(""), numbered(10, "value", 1)
	r.createTopic(topic, 1, nil)
	r.equal(r.ends(topic), [2]int64{0, 0}, "ends of an empty partition")
	r.must(r.produce(topic, sent), "produce")
	for _, step := range []struct{ before, logStart int64 }{{4, 4}, {2, 4}, {-1, 10}} {
		logStart, err := r.deleteRecords(topic, step.before)
		r.must(err, "delete records")
		r.equal(logStart, step.logStart, "log start offset")
		r.equal(r.ends(topic), [2]int64{step.logStart, 10}, "ends")
		if logStart < 10 {
			found, err := r.read(topic, at(logStart), int(10-logStart))
			r.must(err, "read")
			r.claimRecords(found, sent[logStart:], logStart)
		}
	}
	_, err := r.deleteRecords(topic, 11)
	r.refused(kerr.OffsetOutOfRange, err)
}

func outOfRange(r *Run) {
	topic, sent := r.name(""), numbered(6, "value", 1)
	r.createTopic(topic, 1, nil)
	r.must(r.produce(topic, sent), "produce")
	_, err := r.deleteRecords(topic, 2)
	r.must(err, "delete records")
	for _, offset := range []int64{1, 1000} {
		_, err := r.read(topic, at(offset), 1, kgo.ConsumeResetOffset(kgo.NoResetOffset()))
		r.refused(kerr.OffsetOutOfRange, err)
	}
	reset := kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())
	found, err := r.read(topic, at(1000), 4, reset)
	r.must(err, "read with a reset to the start")
	r.claimRecords(found, sent[2:], 2)
}

func leaderEpochs(r *Run) {
	topic := r.name("")
	r.createTopic(topic, 1, nil)
	r.must(r.produce(topic, numbered(6, "value", 1)), "produce")
	epoch := r.fromStart(topic, 1)[0].LeaderEpoch
	var request kadm.OffsetForLeaderEpochRequest
	request.Add(topic, 0, epoch)
	found, err := r.admin().OffsetForLeaderEpoch(r.ctx, request)
	r.must(err, "offset for leader epoch")
	answer := found[topic][0]
	r.must(answer.Err, "answer of the partition")
	r.equal([2]int64{int64(answer.LeaderEpoch), answer.EndOffset}, [2]int64{int64(epoch), 6}, "end")
}
