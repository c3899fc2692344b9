//! Tests of the account of zeros ahead.

use super::*;

type Account = ZeroedAhead<()>;

const LIMIT: u64 = 1 << 30;

/// Zeroes what is queued for a segment that ends at `end`.
fn zero_next(account: &Account, end: u64) -> Option<Range<u64>> {
    if !account.queue(end, LIMIT, false) {
        return None;
    }
    let zeroing = account.begin().expect("it was queued");
    let range = zeroing.next(AHEAD_BYTES_MAX).expect("not called off");
    zeroing.written(range.end);
    zeroing.written_back(range.end);
    assert!(zeroing.next(1).is_none(), "that was all");
    Some(range)
}

#[test]
fn it_begins_ahead_of_the_end_and_goes_on_where_it_stopped() {
    let account = Account::default();
    let end = AHEAD_BYTES_MAX;
    let first = end + MARGIN_BYTES..end + MARGIN_BYTES + AHEAD_BYTES_MAX / 2;
    assert_eq!(zero_next(&account, end), Some(first.clone()));
    assert_eq!(zero_next(&account, end + 1), None, "enough is zeroed");
    let near = first.end - AHEAD_BYTES_MAX / 2 + 1;
    let second = first.end..first.end + AHEAD_BYTES_MAX / 2;
    assert_eq!(zero_next(&account, near), Some(second));
}

/// A sync that meets a job takes longer: then the next one meets none.
#[test]
fn a_log_that_is_alone_is_zeroed_in_small_steps_as_it_grows() {
    let account = Account::default();
    let queue = |end| account.queue(end, LIMIT, true);
    let mut end = AHEAD_BYTES_MAX;
    let mut zeroed_to = end + MARGIN_BYTES;
    while zeroed_to < end + AHEAD_BYTES_MAX {
        assert!(queue(end));
        let zeros = zero_all(&begin(&account));
        assert_eq!(zeros, zeroed_to..zeroed_to + STEP_BYTES);
        zeroed_to = zeros.end;
    }
    for _ in 0..20 {
        end = zeroed_to - AHEAD_BYTES_MAX;
        assert!(!queue(end), "as much is ahead as is to be");
        assert!(queue(end + 1));
        zeroed_to = zero_all(&begin(&account)).end;
        assert_eq!(zeroed_to, end + AHEAD_BYTES_MAX + STEP_BYTES);
    }
}

#[test]
fn several_small_steps_share_a_sync_that_comes_in_time() {
    let account = Account::default();
    let (mut syncs, mut end, steps) = (0, AHEAD_BYTES_MAX, 40);
    for step in 0..steps {
        assert!(account.queue(end, LIMIT, true));
        let zeroing = begin(&account);
        let zeros = zero_all(&zeroing);
        if let Some(durable) = zeroing.to_sync() {
            syncs += 1;
            zeroing.synced(durable);
        }
        if end + AHEAD_BYTES_MAX < zeros.end {
            end = zeros.end - AHEAD_BYTES_MAX;
            assert!(is_overwriting(&account, end..end + 1), "step {step}");
        }
        end += 1;
    }
    assert_eq!(syncs, steps * STEP_BYTES / (AHEAD_BYTES_MAX / 2));
}

#[test]
fn the_last_zeros_of_a_segment_get_a_sync_however_few_they_are() {
    let account = Account::default();
    let first = zero_durably(&account, AHEAD_BYTES_MAX);
    let limit = first.end + STEP_BYTES / 2;
    assert!(account.queue(first.end - 1, limit, true));
    let zeroing = begin(&account);
    assert_eq!(zero_all(&zeroing), first.end..limit);
    sync(&zeroing);
    assert!(is_overwriting(&account, first.end..limit));
}

#[test]
fn little_is_zeroed_of_a_small_segment_and_nothing_past_the_limit() {
    let account = Account::default();
    let first = 10 + MARGIN_BYTES..10 + MARGIN_BYTES + AHEAD_BYTES_MIN / 2;
    assert_eq!(zero_next(&account, 10), Some(first));
    let account = Account::default();
    let limit = 100 + MARGIN_BYTES + 10;
    assert!(account.queue(100, limit, false));
    let zeroing = account.begin().expect("it was queued");
    assert_eq!(zeroing.next(4), Some(limit - 10..limit - 6));
    assert_eq!(zeroing.end(), limit);
    zeroing.written_back(limit);
    drop(zeroing);
    assert!(!account.queue(limit - 1, limit, false));
}

#[test]
fn zeros_follow_batches_to_the_next_border_where_borders_are_passed_fast() {
    const STEP: u64 = CACHED_STEP_BYTES;
    let account = Account::default();
    let extend = |range: Range<u64>, ms| account.extend(&range, alone_at(ms), 10 * STEP - 1);
    assert_eq!(extend(0..STEP + 1, 10_000), None, "nobody knows how fast");
    assert_eq!(extend(STEP + 1..STEP + 2, 10_001), None, "within a step");
    let later = 10_000 + CACHED_STEP_MS_MAX;
    assert_eq!(extend(STEP + 2..2 * STEP + 1, later), None, "slowly");
    let at = 2 * STEP + 1;
    assert_eq!(extend(at..3 * STEP, later + 1), None, "nor past the border");
    assert_eq!(extend(3 * STEP..at + STEP, later + 2), Some(4 * STEP));
    assert_eq!(
        extend(at + STEP..4 * STEP, later + 3),
        None,
        "to the border"
    );
    let late = later + CACHED_STEP_MS_MAX + 1;
    assert_eq!(extend(4 * STEP..7 * STEP + 1, late), Some(8 * STEP));
    assert_eq!(extend(7 * STEP + 1..8 * STEP + 1, later), None, "set back");
    let last = extend(8 * STEP + 1..9 * STEP + 1, later + 1);
    assert_eq!(last, Some(10 * STEP - 1), "the segment's limit");
    assert_eq!(extend(9 * STEP + 1..10 * STEP + 1, later + 2), None);
    assert!(account.seal(), "they are to be cut off");
    assert_eq!(extend(10 * STEP + 1..11 * STEP + 1, later + 3), None);
}

/// Where no other log is written.
fn alone_at(ms: i64) -> WrittenAt {
    WrittenAt { ms, drains: 0 }
}

#[test]
fn a_drain_writes_no_zeros_that_other_logs_evict() {
    const STEP: u64 = CACHED_STEP_BYTES;
    let account = Account::default();
    let evicting = EVICTED_BYTES / STEP;
    let extend = |index: u64, drains| {
        let written = index * STEP + 1..(index + 1) * STEP + 1;
        account.extend(&written, WrittenAt { ms: 0, drains }, LIMIT)
    };
    assert_eq!(extend(0, 5), None, "the first border");
    assert!(extend(1, 5 + evicting - 1).is_some());
    assert!(extend(2, 5 + 2 * evicting - 1).is_none());
    assert!(extend(3, 5 + 2 * evicting).is_some());
}

#[test]
fn a_drain_writes_no_zeros_where_a_job_does_or_did() {
    const STEP: u64 = CACHED_STEP_BYTES;
    let account = Account::default();
    assert_eq!(account.extend(&(0..STEP + 1), alone_at(0), LIMIT), None);
    let zeros = zero_next(&account, STEP + 1).expect("nothing is zeroed");
    assert_eq!(
        account.extend(&(zeros.start - 1..zeros.end - 1), alone_at(0), LIMIT),
        None
    );
    assert!(account.queue(zeros.end - 1, LIMIT, false));
    let behind = zeros.end - 1..zeros.end + STEP;
    assert_eq!(
        account.extend(&behind, alone_at(0), LIMIT),
        None,
        "it is to begin"
    );
    account.call_off();
    assert!(account.extend(&behind, alone_at(0), LIMIT).is_some());
}

#[test]
fn an_append_waits_only_for_zeros_that_are_being_written() {
    let account = Account::default();
    assert!(account.queue(0, LIMIT, false));
    let zeroing = account.begin().expect("it was queued");
    let first = zeroing.next(100).expect("not called off");
    assert!(!account.must_wait(first.start), "it is not so far");
    assert!(account.must_wait(first.start + 1));
    std::thread::scope(|threads| {
        let waiting = threads.spawn(|| account.wait());
        zeroing.written(first.end);
        waiting.join().expect("waiting does not panic");
    });
    assert!(!account.must_wait(LIMIT), "it has nothing left to write");
    assert!(zeroing.next(100).is_none(), "called off");
    assert!(!account.queue(0, LIMIT, false), "one job at a time");
    drop(zeroing);
    assert!(
        account.queue(0, LIMIT, false),
        "what was given up is not zeroed"
    );
}

#[test]
fn an_append_that_comes_first_calls_off_what_has_not_begun() {
    let account = Account::default();
    assert!(account.queue(0, LIMIT, false));
    assert!(!account.must_wait(MARGIN_BYTES), "it is not so far");
    assert!(!account.must_wait(MARGIN_BYTES + 1));
    assert!(account.begin().is_none());
}

#[test]
fn a_sealed_segment_waits_for_what_is_written_and_is_zeroed_no_further() {
    let account = Account::default();
    assert!(account.queue(0, LIMIT, false));
    std::thread::scope(|threads| {
        let zeroing = account.begin().expect("it was queued");
        let first = zeroing.next(100).expect("not called off");
        let sealing = threads.spawn(|| account.seal());
        zeroing.written(first.end);
        assert!(sealing.join().expect("sealing does not panic"));
        assert!(zeroing.next(100).is_none());
    });
    assert!(!account.queue(LIMIT / 2, LIMIT, false));
    let queued = Account::default();
    assert!(queued.queue(0, LIMIT, false));
    assert!(!queued.seal(), "nothing was written");
    assert!(queued.begin().is_none());
}

fn is_overwriting(account: &Account, range: Range<u64>) -> bool {
    account.barrier_for(&range).is_some()
}

/// What was queued, with a disk that has a barrier.
fn begin(account: &Account) -> Zeroing<'_, ()> {
    let zeroing = account.begin().expect("it was queued");
    zeroing.set_barrier(Some(Arc::new(())));
    zeroing
}

/// All that is left of a job but its sync.
fn zero_all(zeroing: &Zeroing<'_, ()>) -> Range<u64> {
    let zeros = zeroing.next(AHEAD_BYTES_MAX).expect("not called off");
    zeroing.written(zeros.end);
    zeroing.written_back(zeros.end);
    zeros
}

fn sync(zeroing: &Zeroing<'_, ()>) {
    zeroing.synced(zeroing.to_sync().expect("something is not durable"));
}

/// A whole job of a segment that ends at `end`.
fn zero_durably(account: &Account, end: u64) -> Range<u64> {
    assert!(account.queue(end, LIMIT, false));
    let zeroing = begin(account);
    let zeros = zero_all(&zeroing);
    sync(&zeroing);
    zeros
}

#[test]
fn zeros_are_overwritten_without_metadata_once_they_are_durable() {
    let account = Account::default();
    assert!(account.queue(0, LIMIT, false));
    let zeroing = begin(&account);
    assert_eq!(zeroing.to_sync(), None, "nothing is zeroed");
    let zeros = zero_all(&zeroing);
    assert!(!is_overwriting(&account, zeros.clone()), "they may be lost");
    assert_eq!(zeroing.to_sync(), Some(zeros.clone()));
    zeroing.synced(zeros.clone());
    assert_eq!(zeroing.to_sync(), None, "once is enough");
    let at = zeros.start;
    assert!(!is_overwriting(&account, 10..20), "before the zeros");
    assert!(!is_overwriting(&account, at - 1..at + 1), "half of it");
    assert!(is_overwriting(&account, zeros.clone()));
    assert!(!is_overwriting(&account, at..zeros.end + 1), "past them");
    account.forget_barrier();
    assert!(!is_overwriting(&account, zeros), "nothing to do it with");
}

#[test]
fn nothing_is_synced_where_appends_sync_the_whole_file() {
    let account = Account::default();
    assert!(account.queue(0, LIMIT, false));
    let zeroing = account.begin().expect("it was queued");
    zeroing.set_barrier(None);
    zero_all(&zeroing);
    assert_eq!(zeroing.to_sync(), None);
}

#[test]
fn durable_zeros_are_used_while_more_are_written() {
    let account = Account::default();
    let first = zero_durably(&account, 0);
    assert!(account.queue(first.end - 10, LIMIT, false));
    let zeroing = begin(&account);
    let last = first.end - 10..first.end;
    assert!(is_overwriting(&account, last.clone()));
    let second = zero_all(&zeroing);
    assert!(is_overwriting(&account, last));
    assert!(!is_overwriting(&account, second.clone()), "not durable yet");
    sync(&zeroing);
    assert!(is_overwriting(&account, first.start..second.end));
}

#[test]
fn between_zeros_there_may_be_a_gap() {
    let account = Account::default();
    let first = zero_durably(&account, 0);
    let end = first.end + 50;
    assert!(account.queue(end, LIMIT, false));
    let zeroing = begin(&account);
    assert_eq!(zeroing.to_sync(), None, "nothing new is zeroed");
    let second = zero_all(&zeroing);
    assert_eq!(second.start, end + MARGIN_BYTES);
    sync(&zeroing);
    assert!(is_overwriting(&account, second));
    assert!(!is_overwriting(&account, end..end + 1), "in the gap");
}

#[test]
fn zeros_of_the_page_cache_become_durable_with_those_behind_them() {
    let account = Account::default();
    let end = 4 * CACHED_STEP_BYTES + 1;
    assert_eq!(
        account.extend(&(0..CACHED_STEP_BYTES + 1), alone_at(0), LIMIT),
        None
    );
    let written = 3 * CACHED_STEP_BYTES..end;
    let to = account
        .extend(&written, alone_at(0), LIMIT)
        .expect("a border was passed");
    assert!(account.queue(end, LIMIT, false));
    let zeroing = begin(&account);
    assert!(!is_overwriting(&account, end..to));
    let zeros = zero_all(&zeroing);
    assert_eq!(zeros.start, to);
    sync(&zeroing);
    assert!(is_overwriting(&account, written.start..zeros.end));
    assert!(!is_overwriting(&account, written.start - 1..to), "before");
}

const LARGEST_FIRST_ZEROS: u64 = FIRST_ZEROS_BYTES_MAX / 2;

#[test]
fn a_small_segment_gets_zeros_to_the_next_power_of_two_where_appends_come_fast() {
    const MIN: u64 = FIRST_ZEROS_BYTES_MIN;
    let account = Account::default();
    let extend = |range, ms| account.extend_durably(&range, ms, LIMIT);
    assert_eq!(extend(0..1, 0), None, "nobody knows how fast");
    let slow = FIRST_ZEROS_MS_MAX;
    assert_eq!(extend(1..2, slow), None, "slowly");
    assert_eq!(extend(2..3, slow - 1), None, "set back");
    assert_eq!(extend(3..4, slow), Some(MIN), "fast");
    assert_eq!(extend(4..MIN, slow), None, "there are some");
    assert_eq!(extend(MIN..MIN + 1, slow), Some(2 * MIN));
    assert_eq!(extend(MIN + 1..4 * MIN, slow), None, "none are needed");
    assert_eq!(extend(4 * MIN..5 * MIN, slow), Some(8 * MIN));
    let last = LARGEST_FIRST_ZEROS;
    assert_eq!(extend(last..last + 1, slow), Some(2 * last));
    assert_eq!(
        extend(2 * last..2 * last + 1, slow),
        None,
        "no longer small"
    );
    assert!(account.seal(), "they are to be cut off");
}

#[test]
fn first_zeros_end_at_the_limit_and_are_none_in_a_sealed_segment() {
    let account = Account::default();
    let extend = |range, limit| account.extend_durably(&range, 0, limit);
    assert_eq!(extend(0..1, 10), None);
    assert_eq!(extend(1..2, 10), Some(10));
    assert_eq!(extend(10..11, 10), None);
    account.seal();
    assert_eq!(extend(11..12, LIMIT), None);
}

#[test]
fn first_zeros_are_overwritten_without_metadata_once_they_are_written() {
    let account = Account::default();
    let written = 1..2;
    assert_eq!(account.extend_durably(&(0..1), 0, LIMIT), None);
    let to = account.extend_durably(&written, 0, LIMIT).expect("fast");
    assert!(!is_overwriting(&account, 2..to), "they may be lost");
    account.extended_durably(Some(Arc::new(())));
    assert!(is_overwriting(&account, 1..to));
    assert!(!is_overwriting(&account, 0..to), "before");
    assert!(!is_overwriting(&account, 2..to + 1), "past them");
    let further = account
        .extend_durably(&(to - 1..to + 1), 0, LIMIT)
        .expect("fast");
    account.extended_durably(Some(Arc::new(())));
    assert!(is_overwriting(&account, 1..further), "those before, too");
    account.seal();
    account.extended_durably(Some(Arc::new(())));
    assert!(!is_overwriting(&account, 2..to), "sealed");
}

#[test]
fn the_first_job_zeroes_behind_the_first_zeros() {
    let account = Account::default();
    let end = LARGEST_FIRST_ZEROS + 1;
    assert_eq!(account.extend_durably(&(0..1), 0, LIMIT), None);
    let to = account.extend_durably(&(1..end), 0, LIMIT).expect("fast");
    account.extended_durably(Some(Arc::new(())));
    assert!(account.queue(end, LIMIT, false));
    let behind = to - 1..to + 1;
    assert_eq!(
        account.extend_durably(&behind, 0, LIMIT),
        None,
        "a job will"
    );
    let zeroing = begin(&account);
    let zeros = zero_all(&zeroing);
    assert_eq!(zeros.start, to);
    sync(&zeroing);
    assert!(is_overwriting(&account, 1..zeros.end), "without a gap");
}

#[test]
fn nothing_counts_as_durable_in_a_sealed_segment() {
    let account = Account::default();
    assert!(account.queue(0, LIMIT, false));
    let zeroing = begin(&account);
    let zeros = zero_all(&zeroing);
    let durable = zeroing.to_sync().expect("they are not durable");
    assert!(account.seal());
    zeroing.synced(durable);
    zeroing.set_barrier(Some(Arc::new(())));
    assert!(!is_overwriting(&account, zeros));
}
