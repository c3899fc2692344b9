//! Tests of choices among made-up predictions.

use super::*;

fn prediction(linger_ms: f64, cores: f64, p99_ms: f64) -> Prediction {
    Prediction {
        linger_ms,
        batch_size: 16_384.0,
        batch_bytes: 1000.0,
        requests_per_s: 1000.0,
        utilisation: cores / 2.0,
        cores,
        is_broker_busier: true,
        is_crowded: false,
        is_overloaded: false,
        p50_ms: p99_ms / 2.0,
        p99_ms,
    }
}

fn chosen(all: &[Prediction], p99_ms: f64) -> (f64, Verdict) {
    let found = recommend(all, p99_ms).expect("some");
    (found.prediction.linger_ms, found.verdict)
}

#[test]
fn the_goal_decides_how_long_to_wait() {
    let all = [
        prediction(0.0, 1.2, 0.5),
        prediction(5.0, 0.6, 6.0),
        prediction(20.0, 0.4, 21.0),
    ];
    assert_eq!(chosen(&all, 100.0), (20.0, Verdict::Good));
    assert_eq!(chosen(&all, 20.0), (5.0, Verdict::Good));
    assert_eq!(chosen(&all, 5.0), (0.0, Verdict::Good));
    assert_eq!(
        chosen(&all, 0.5),
        (0.0, Verdict::Late),
        "the margin is not kept"
    );
}

#[test]
fn waiting_that_saves_next_to_nothing_is_not_worth_it() {
    // Half of the CPU, but next to nothing.
    let all = [prediction(0.0, 0.04, 0.5), prediction(20.0, 0.02, 21.0)];
    assert_eq!(chosen(&all, 100.0), (0.0, Verdict::Good));
    let all = [prediction(0.0, 0.98, 0.5), prediction(20.0, 0.9, 21.0)];
    assert_eq!(chosen(&all, 100.0), (0.0, Verdict::Good));
    let reason = recommend(&all, 100.0).expect("some").reason(&all, 100.0);
    assert!(reason.contains("less than a tenth"), "{reason}");
}

#[test]
fn what_leaves_no_room_is_taken_only_if_nothing_else_keeps_the_goal() {
    let all = [prediction(0.0, 1.8, 3.0), prediction(20.0, 0.4, 21.0)];
    assert_eq!(chosen(&all, 50.0), (20.0, Verdict::Good));
    assert_eq!(chosen(&all, 10.0), (0.0, Verdict::Crowded));
}

#[test]
fn what_is_too_much_with_every_setting_is_said_to_be() {
    let mut all = [prediction(0.0, 3.0, 0.0), prediction(20.0, 2.5, 0.0)];
    for it in &mut all {
        it.is_overloaded = true;
    }
    assert_eq!(chosen(&all, 10.0), (20.0, Verdict::Overloaded));
    let reason = recommend(&all, 10.0).expect("some").reason(&all, 10.0);
    assert!(reason.contains("more brokers"), "{reason}");
    assert_eq!(recommend(&[], 10.0), None);
}

#[test]
fn the_reason_says_what_waiting_saves() {
    let all = [prediction(0.0, 0.8, 0.5), prediction(20.0, 0.4, 21.0)];
    let reason = recommend(&all, 100.0).expect("some").reason(&all, 100.0);
    assert!(reason.contains("50 % of the CPU is saved"), "{reason}");
}

#[test]
fn the_table_marks_the_choice() {
    let all = [prediction(0.0, 0.8, 0.5), prediction(20.0, 0.4, 21.0)];
    let lines = table(&all, &all[1]);
    assert_eq!(lines.len(), 3);
    assert!(
        lines[2].ends_with("<-") && !lines[1].ends_with("<-"),
        "{lines:?}"
    );
}
