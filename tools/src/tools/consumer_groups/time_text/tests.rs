//! Tests of [`super`]: what Java's classes make of the same texts.

use super::*;

#[test]
fn dates_are_in_utc_unless_they_say_otherwise() {
    for (text, expected) in [
        ("1970-01-01T00:00:00.000", 0),
        ("2020-01-01T00:00:00.000", 1_577_836_800_000),
        ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
        ("2020-01-01T00:00:00.5", 1_577_836_800_005),
        (
            "2020-01-01T00:00:00.000+09:00",
            1_577_836_800_000 - 9 * 3_600_000,
        ),
        (
            "2020-01-01T00:00:00.000-03",
            1_577_836_800_000 + 3 * 3_600_000,
        ),
        ("1969-12-31T23:59:59.999", -1),
        ("2000-03-01T12:00:00.000Z", 951_912_000_000),
    ] {
        assert_eq!(datetime_ms(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_date_is_refused() {
    for text in [
        "2020-01-01T00:00:00",
        "2023-02-29T00:00:00.000",
        "2020-13-01T00:00:00.000",
        "2020-01-01T24:00:00.000",
        "2020-01-01T00:00:00.000+9",
        "2020-01-01Tsoon",
        "T",
    ] {
        let expected = format!("java.text.ParseException: Unparseable date: \"{text}\"");
        assert_eq!(datetime_ms(text), Err(expected));
    }
    assert!(
        datetime_ms("yesterday")
            .unwrap_err()
            .contains("does not contain a 'T'")
    );
}

#[test]
fn durations_add_up() {
    for (text, expected) in [
        ("P1D", 86_400_000),
        ("PT1H", 3_600_000),
        ("PT1H30M", 5_400_000),
        ("p1dt2h30m5.5s", 86_400_000 + 9_000_000 + 5_500),
        ("PT-1.25S", -1250),
        ("-PT1M", -60_000),
        ("PT0S", 0),
        ("+P-1D", -86_400_000),
    ] {
        assert_eq!(duration_ms(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_duration_is_refused() {
    for text in [
        "",
        "P",
        "PT",
        "1D",
        "P1H",
        "PT1",
        "PT1.1234567890S",
        "PTS",
        "P9999999999999999D",
    ] {
        assert!(duration_ms(text).is_err(), "{text}");
    }
}
