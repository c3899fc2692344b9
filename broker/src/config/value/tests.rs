//! Values parse and print as Kafka's do.

use super::*;

#[test]
fn booleans_take_any_case_and_nothing_else() {
    assert_eq!(
        Value::parse(ConfigType::Boolean, " TRUE "),
        Ok(Value::Boolean(true))
    );
    assert_eq!(
        Value::parse(ConfigType::Boolean, "False"),
        Ok(Value::Boolean(false))
    );
    let refused = Value::parse(ConfigType::Boolean, "yes");
    assert_eq!(
        refused,
        Err("Expected value to be either true or false".to_owned())
    );
}

#[test]
fn numbers_are_checked_against_the_width_of_their_type() {
    assert_eq!(
        Value::parse(ConfigType::Int, "+2147483647"),
        Ok(Value::Int(i32::MAX))
    );
    assert!(Value::parse(ConfigType::Int, "2147483648").is_err());
    assert!(Value::parse(ConfigType::Short, "32768").is_err());
    assert_eq!(Value::parse(ConfigType::Long, "-1"), Ok(Value::Long(-1)));
    assert!(Value::parse(ConfigType::Long, "1k").is_err());
    assert!(Value::parse(ConfigType::Double, "NaN").is_err());
}

#[test]
fn lists_split_at_commas_and_drop_the_white_space_around_them() {
    let items = |items: &[&str]| Value::List(items.iter().map(ToString::to_string).collect());
    assert_eq!(Value::parse(ConfigType::List, ""), Ok(items(&[])));
    assert_eq!(
        Value::parse(ConfigType::List, " a , b,c "),
        Ok(items(&["a", "b", "c"]))
    );
    assert_eq!(
        Value::parse(ConfigType::List, "a,,b"),
        Ok(items(&["a", "", "b"]))
    );
}

#[test]
fn doubles_print_as_java_prints_them() {
    let print = |value: f64| Value::Double(value).to_string();
    assert_eq!(print(0.5), "0.5");
    assert_eq!(print(1.0), "1.0");
    assert_eq!(print(0.0), "0.0");
    assert_eq!(print(f64::MAX), "1.7976931348623157E308");
    assert_eq!(print(1e7), "1.0E7");
    assert_eq!(print(1.5e-4), "1.5E-4");
}
