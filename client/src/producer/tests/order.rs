//! Answers that come late, in another order, or in part: what is acknowledged is written once and
//! in the order of sending.

use super::*;

/// A batch per record, so that several requests are with the broker at once.
const SINGLE: [(&str, &str); 2] = [("batch.size", "0"), ("linger.ms", "0")];

async fn send_all(rig: &Rig, count: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for number in 0..count {
        deliveries.push(rig.send(&number.to_string()).await);
    }
    deliveries
}

async fn check_all(rig: &Rig, deliveries: Vec<Delivery>) {
    let count = deliveries.len();
    for (offset, delivery) in (0..).zip(deliveries) {
        assert_eq!(delivery.await.unwrap().offset, offset);
    }
    let expected: Vec<_> = (0..count).map(|number| number.to_string()).collect();
    assert_eq!(rig.values(0), expected);
}

/// No broker may do that: the connection ends, and what it has not answered is sent again.
#[tokio::test(start_paused = true)]
async fn answers_in_another_order_are_not_believed() {
    let rig = Rig::new(1, &SINGLE);
    rig.send("0").await.await.unwrap();
    rig.fake
        .next::<ProduceRequest>(|_, _| Reply::builtin().after_next());
    let mut deliveries = Vec::new();
    for number in 1..8 {
        deliveries.push(rig.send(&number.to_string()).await);
    }
    for (offset, delivery) in (1..).zip(deliveries) {
        assert_eq!(delivery.await.unwrap().offset, offset);
    }
    assert_eq!(rig.values(0), ["0", "1", "2", "3", "4", "5", "6", "7"]);
    let headers = rig.headers(0);
    assert!(headers.iter().all(|it| it.producer_epoch == 0));
}

/// Wherever an answer breaks off, the batch is sent again under its number and not written twice.
#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_makes_no_duplicate() {
    for bytes in 0..40 {
        let rig = Rig::new(1, &SINGLE);
        rig.send("0").await.await.unwrap();
        rig.fake
            .next::<ProduceRequest>(move |_, _| Reply::builtin().cut_after(bytes));
        let mut deliveries = Vec::new();
        for number in 1..6 {
            deliveries.push(rig.send(&number.to_string()).await);
        }
        for (offset, delivery) in (1..).zip(deliveries) {
            assert_eq!(delivery.await.unwrap().offset, offset, "cut after {bytes}");
        }
        assert_eq!(rig.values(0), ["0", "1", "2", "3", "4", "5"]);
        assert!(1 <= rig.producer.counters().batches_retried);
    }
}

/// A connection that ends at any of several requests in flight takes those behind it with it.
#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_keeps_order_and_numbers() {
    for place in 0..5 {
        for is_written in [true, false] {
            let rig = Rig::new(1, &SINGLE);
            for _ in 0..place {
                rig.fake.next::<ProduceRequest>(|_, _| Reply::builtin());
            }
            rig.fake.next::<ProduceRequest>(move |_, _| {
                let reply = if is_written {
                    Reply::builtin()
                } else {
                    Reply::ignored()
                };
                reply.hang_up()
            });
            let deliveries = send_all(&rig, 10).await;
            check_all(&rig, deliveries).await;
            let headers = rig.headers(0);
            let sequences: Vec<_> = headers.iter().map(|it| it.base_sequence).collect();
            assert_eq!(sequences, (0..10).collect::<Vec<_>>(), "place {place}");
        }
    }
}

/// What takes longer than `request.timeout.ms` is sent again on another connection.
#[tokio::test(start_paused = true)]
async fn a_slow_answer_is_not_waited_for_and_makes_no_duplicate() {
    let settings = [("request.timeout.ms", "1000"), ("batch.size", "0")];
    let rig = Rig::new(1, &settings);
    let slow = Duration::from_millis(1500);
    rig.fake
        .next::<ProduceRequest>(move |_, _| Reply::builtin().delayed(slow));
    let begin = Instant::now();
    let deliveries = send_all(&rig, 4).await;
    check_all(&rig, deliveries).await;
    assert!(begin.elapsed() < Duration::from_secs(4));
}

/// Answers just within the limit hold nothing up but themselves.
#[tokio::test(start_paused = true)]
async fn slow_answers_are_waited_for() {
    let rig = Rig::new(1, &SINGLE);
    let slow = Duration::from_secs(29);
    rig.fake
        .next::<ProduceRequest>(move |_, _| Reply::builtin().delayed(slow));
    let deliveries = send_all(&rig, 5).await;
    check_all(&rig, deliveries).await;
    assert_eq!(rig.producer.counters().batches_retried, 0);
    assert_eq!(rig.fake.requests::<ProduceRequest>().len(), 5);
}

/// The answer to another request, or to none, ends the connection and nothing else.
#[tokio::test(start_paused = true)]
async fn an_answer_to_nobody_is_an_error_of_the_connection() {
    let rig = Rig::new(1, &SINGLE);
    rig.fake
        .next::<ProduceRequest>(|_, _| Reply::builtin().misnumbered(1000));
    let deliveries = send_all(&rig, 5).await;
    check_all(&rig, deliveries).await;
}

/// A batch refused in the middle of others: those behind it are refused as out of order, wait for
/// it, and follow it.
#[tokio::test(start_paused = true)]
async fn a_refusal_in_the_middle_keeps_order_and_numbers() {
    for place in 0..5 {
        let rig = Rig::new(1, &SINGLE);
        for _ in 0..place {
            rig.fake.next::<ProduceRequest>(|_, _| Reply::builtin());
        }
        rig.fake
            .next_error::<ProduceRequest>(ringbrook_protocol::ResponseError::NotEnoughReplicas);
        let deliveries = send_all(&rig, 10).await;
        check_all(&rig, deliveries).await;
        let headers = rig.headers(0);
        assert!(headers.iter().all(|it| it.producer_epoch == 0), "{place}");
    }
}

/// A batch refused for good in the middle of others: those behind it are numbered anew.
#[tokio::test(start_paused = true)]
async fn a_batch_refused_for_good_leaves_no_gap() {
    for place in 0..5_usize {
        let rig = Rig::new(1, &SINGLE);
        for _ in 0..place {
            rig.fake.next::<ProduceRequest>(|_, _| Reply::builtin());
        }
        rig.fake
            .next_error::<ProduceRequest>(ringbrook_protocol::ResponseError::InvalidTimestamp);
        let deliveries = send_all(&rig, 10).await;
        for (number, delivery) in deliveries.into_iter().enumerate() {
            assert_eq!(delivery.await.is_err(), number == place, "{number}");
        }
        let mut expected: Vec<_> = (0..10).map(|number| number.to_string()).collect();
        expected.remove(place);
        assert_eq!(rig.values(0), expected);
    }
}
