//! Time limits of requests and of idle connections.

use super::*;

const IDLE: Duration = Duration::from_secs(500);

fn awaited(
    now: Instant,
    timeout_s: u64,
) -> (Awaited, oneshot::Receiver<Result<Bytes, ClientError>>) {
    let (answer, receiver) = oneshot::channel();
    let timeout = Duration::from_secs(timeout_s);
    let awaited = Awaited {
        correlation_id: 1,
        api: ApiKey::Fetch,
        deadline: now + timeout,
        timeout,
        answer,
    };
    (awaited, receiver)
}

fn after(now: Instant, seconds: u64) -> Instant {
    now + Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn the_nearest_deadline_wakes_wherever_it_is_in_the_queue() {
    let now = Instant::now();
    let mut in_flight = InFlight::new(Some(IDLE), now);
    assert_eq!(in_flight.next_wake(), Some(now + IDLE));
    assert!(in_flight.push(awaited(now, 30).0), "nearer than idleness");
    assert_eq!(in_flight.next_wake(), Some(after(now, 30)));
    assert!(!in_flight.push(awaited(now, 40).0));
    assert!(in_flight.push(awaited(now, 10).0));
    assert_eq!(in_flight.next_wake(), Some(after(now, 10)));
    assert_eq!(in_flight.expired(after(now, 9)), None);
    let late = Expired::Unanswered {
        api: ApiKey::Fetch,
        timeout: Duration::from_secs(10),
    };
    assert_eq!(in_flight.expired(after(now, 10)), Some(late));
}

#[tokio::test(start_paused = true)]
async fn idleness_counts_from_the_last_use_and_only_when_nothing_waits() {
    let now = Instant::now();
    let mut in_flight = InFlight::new(Some(IDLE), now);
    in_flight.touch(after(now, 100));
    assert_eq!(in_flight.next_wake(), Some(after(now, 600)));
    assert_eq!(in_flight.expired(after(now, 599)), None);
    assert_eq!(in_flight.expired(after(now, 600)), Some(Expired::Idle));
    in_flight.push(awaited(now, 10_000).0);
    assert_eq!(in_flight.expired(after(now, 700)), None);
    let mut never = InFlight::new(None, now);
    assert_eq!(never.next_wake(), None);
    assert_eq!(never.expired(after(now, 1 << 40)), None);
    assert!(never.push(awaited(now, 30).0), "nearer than never");
}

#[tokio::test(start_paused = true)]
async fn only_answers_that_somebody_wants_are_awaited() {
    let now = Instant::now();
    let mut in_flight = InFlight::new(None, now);
    let (first, wanted) = awaited(now, 1);
    let (second, unwanted) = awaited(now, 1);
    in_flight.push(first);
    in_flight.push(second);
    drop(unwanted);
    assert!(in_flight.is_awaited());
    drop(wanted);
    assert!(!in_flight.is_awaited());
    assert_eq!(in_flight.end("over").map(|left| left.len()), Some(2));
    assert!(in_flight.end("again").is_none());
    assert_eq!(in_flight.ended(), Some("over"));
}
