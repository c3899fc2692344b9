"""Positions in a partition: seek, timestamps, watermarks, deleted records."""

import driver as codes
from records import Record, claim_records, numbered, recent_ms
from runner import claim_equal
from scenarios import scenario
from scenarios.refusals import claim_refused


@scenario()
def reading_starts_at_exactly_the_offset_asked_for(driver, run):
    topic, sent = run.name(), numbered(50)
    driver.ready_topic(topic)
    driver.produce(topic, sent, "gzip")
    for start in (0, 1, 17, 49):
        claim_records(driver.read(topic, {0: start}, 50 - start), sent[start:], start)


@scenario()
def offsets_for_times_are_exact_within_and_across_batches(driver, run):
    topic, base_ms = run.name(), recent_ms()
    steps = [100, 300, 200, 500, 400, 400, 900, 600, 950, 1000]
    sent = [Record(None, b"%d" % step, (), base_ms + step) for step in steps]
    driver.ready_topic(topic, partitions=2)
    for batch in (sent[:5], sent[5:6], sent[6:]):
        driver.produce(topic, batch, "zstd")
    for step in (0, 100, 101, 200, 299, 300, 301, 450, 500, 501, 901, 951, 1000, 1001):
        later = [offset for offset, found in enumerate(steps) if step <= found]
        expected = {0: later[0] if later else None, 1: None}
        times = {0: base_ms + step, 1: base_ms + step}
        claim_equal(driver.offsets_for_times(topic, times), expected, f"offsets for +{step} ms")


@scenario()
def watermarks_are_the_log_start_and_the_next_offset(driver, run):
    topic = run.name()
    driver.ready_topic(topic)
    claim_equal(driver.watermarks(topic, 0), (0, 0), "watermarks of an empty partition")
    driver.produce(topic, numbered(7))
    claim_equal(driver.watermarks(topic, 0), (0, 7), "watermarks after 7 records")


@scenario()
def deleted_records_are_gone_and_the_rest_stays(driver, run):
    topic, sent = run.name(), numbered(10)
    driver.ready_topic(topic)
    driver.produce(topic, sent)
    claim_equal(driver.delete_records(topic, {0: 4}), {0: 4}, "log start offset")
    claim_equal(driver.watermarks(topic, 0), (4, 10), "watermarks")
    claim_records(driver.read(topic, {0: 4}, 6), sent[4:], 4)
    claim_equal(driver.delete_records(topic, {0: 2}), {0: 4}, "log start after a lower offset")
    claim_refused(codes.OFFSET_OUT_OF_RANGE, lambda: driver.delete_records(topic, {0: 11}))
    claim_equal(driver.delete_records(topic, {0: -1}), {0: 10}, "log start after deleting all")
    driver.produce(topic, sent[:1])
    claim_records(driver.read(topic, {0: 10}, 1), sent[:1], 10)


@scenario()
def an_offset_out_of_range_is_an_error_or_resets_as_configured(driver, run):
    topic, sent = run.name(), numbered(6)
    driver.ready_topic(topic)
    driver.produce(topic, sent)
    driver.delete_records(topic, {0: 2})
    for offset in (0, 1, 7, 1000):
        claim_refused(
            codes.OFFSET_OUT_OF_RANGE, lambda offset=offset: driver.read(topic, {0: offset}, 1)
        )
    claim_records(driver.read(topic, {0: 1000}, 4, reset="earliest"), sent[2:], 2)
