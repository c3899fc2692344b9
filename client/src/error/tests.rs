//! Errors against Kafka's list of them.

use super::*;

/// The codes whose exceptions are `RetriableException`s in Kafka 4.3.1, of -1 to 133.
const RETRIABLE: &[i16] = &[
    2, 3, 5, 6, 7, 9, 13, 14, 15, 16, 19, 20, 41, 51, 56, 70, 71, 72, 74, 75, 78, 80, 83, 84, 88,
    89, 100, 103, 106, 122, 123, 133,
];

/// Found by review: CONCURRENT_TRANSACTIONS was final.
#[test]
fn the_errors_that_kafka_retries_are_retriable_and_no_others() {
    for code in -1..=200 {
        let error = BrokerError::new(code, "x");
        assert_eq!(error.is_retriable(), RETRIABLE.contains(&code), "{error}");
    }
}

#[test]
fn an_unknown_code_is_told_as_a_number() {
    let error = BrokerError::new(9_999, "topic t").with_message(Some("so it is"));
    assert_eq!(error.error(), None);
    assert_eq!(error.to_string(), "topic t: unknown error 9999: so it is");
    assert_eq!(ClientError::from(error).response_error(), None);
}

#[test]
fn who_is_refused_by_name_does_not_try_again() {
    let connect = |kind: io::ErrorKind| ClientError::Connect {
        address: "a:1".to_owned(),
        source: Arc::new(kind.into()),
    };
    assert!(!connect(io::ErrorKind::PermissionDenied).is_retriable());
    assert!(connect(io::ErrorKind::ConnectionRefused).is_retriable());
}
