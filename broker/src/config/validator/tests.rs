//! Every notation of `configs.tsv`, at and beyond its bounds.

use super::*;

fn check(notation: &'static str, value: &Value) -> Result<(), String> {
    Validator::from_notation(notation)
        .expect("a known notation")
        .check(value)
}

fn list(items: &[&str]) -> Value {
    Value::List(items.iter().map(ToString::to_string).collect())
}

#[test]
fn ranges_include_both_ends() {
    assert_eq!(check(">=-1", &Value::Long(-1)), Ok(()));
    assert_eq!(
        check(">=-1", &Value::Long(-2)),
        Err("Value must be at least -1".to_owned())
    );
    assert_eq!(check("1..17", &Value::Int(17)), Ok(()));
    assert_eq!(
        check("1..17", &Value::Int(18)),
        Err("Value must be no more than 17".to_owned())
    );
    assert_eq!(
        check("0..0.25", &Value::Double(0.3)).unwrap_err(),
        "Value must be no more than 0.25"
    );
    assert_eq!(check(">=1", &Value::Long(i64::MAX)), Ok(()));
}

#[test]
fn a_value_beside_a_range_is_allowed() {
    assert_eq!(check("-1|1..9", &Value::Int(-1)), Ok(()));
    assert_eq!(check("-1|1..9", &Value::Int(9)), Ok(()));
    let refusal = check("-1|1..9", &Value::Int(0)).unwrap_err();
    assert_eq!(refusal, "Value must be between 1 and 9 or equal to -1");
}

#[test]
fn words_are_compared_with_or_without_case() {
    let text = |text: &str| Value::Text(text.to_owned());
    assert_eq!(check("in:a,b", &text("b")), Ok(()));
    assert_eq!(
        check("in:a,b", &text("B")).unwrap_err(),
        "String must be one of: a, b"
    );
    assert_eq!(check("in~:a,b", &text("B")), Ok(()));
}

#[test]
fn lists_refuse_duplicates_empty_items_and_unknown_words() {
    assert_eq!(check("list:x,y", &list(&[])), Ok(()));
    assert!(check("list+:x,y", &list(&[])).is_err());
    assert!(check("list", &list(&["p", "p"])).is_err());
    assert!(check("list", &list(&["p", ""])).is_err());
    assert!(check("list:x,y", &list(&["x", "z"])).is_err());
    assert_eq!(check("list:x,y", &list(&["y", "x"])), Ok(()));
}

#[test]
fn replicas_voters_and_addresses_have_their_forms() {
    assert_eq!(check("throttled-replicas", &list(&["*"])), Ok(()));
    assert_eq!(check("throttled-replicas", &list(&["0:1", "1:2"])), Ok(()));
    assert!(check("throttled-replicas", &list(&["0-1"])).is_err());
    assert_eq!(
        check("voters", &list(&["1@localhost:9093", "2@[::1]:9093"])),
        Ok(())
    );
    assert!(check("voters", &list(&["localhost:9093"])).is_err());
    assert_eq!(check("host-ports", &list(&["localhost:9093"])), Ok(()));
    assert!(check("host-ports", &list(&["localhost"])).is_err());
}

#[test]
fn an_unset_value_satisfies_every_rule() {
    for notation in [">=1", "list+", "nonempty", "in:a", "voters"] {
        assert_eq!(check(notation, &Value::Null), Ok(()), "{notation}");
    }
}
