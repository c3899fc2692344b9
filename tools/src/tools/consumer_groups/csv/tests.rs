//! Tests of [`super`].

use proptest::prelude::*;

use super::*;

type Row<'a> = (&'a str, i32, i64);

fn plan(groups: &[(&str, &[Row<'_>])]) -> Plan {
    let offsets = |rows: &[Row<'_>]| {
        rows.iter()
            .map(|(topic, partition, offset)| (TopicPartition::new(*topic, *partition), *offset))
            .collect()
    };
    groups
        .iter()
        .map(|(group, rows)| ((*group).to_owned(), offsets(rows)))
        .collect()
}

#[test]
fn plans_of_one_group_have_no_column_for_it() {
    let one = plan(&[("g", &[("t", 0, 5), ("t", 1, 7)])]);
    assert_eq!(write(&one, true), "t,0,5\nt,1,7\n");
    assert_eq!(read("t,0,5\r\nt,1,7\n\n", Some("g")), Ok(one.clone()));
    assert_eq!(write(&one, false), "g,t,0,5\ng,t,1,7\n");
    assert_eq!(read("g,t,0,5\ng,t,1,7", None), Ok(one));
}

#[test]
fn what_is_no_plan_is_refused_with_its_line() {
    let error = read("t,0,5\nt,zero,5", Some("g")).unwrap_err();
    assert!(
        error.starts_with("line 2 of the plan, 't,zero,5',"),
        "{error}"
    );
    read("t,0,5", None).unwrap_err();
    read("\"t,0,5", Some("g")).unwrap_err();
}

proptest! {
    /// A plan that is written reads as it was, whatever groups are called.
    #[test]
    fn plans_read_as_they_were_written(
        group in "[ -~\u{ac00}]{1,10}",
        rows in prop::collection::btree_map(("[a-z._-]{1,5}", 0..9_i32), any::<i64>(), 1..5),
    ) {
        let offsets = rows
            .into_iter()
            .map(|((topic, partition), offset)| (TopicPartition::new(topic, partition), offset))
            .collect();
        let plan = Plan::from([(group.clone(), offsets)]);
        prop_assert_eq!(read(&write(&plan, false), None), Ok(plan.clone()));
        prop_assert_eq!(read(&write(&plan, true), Some(&group)), Ok(plan));
    }
}

#[test]
fn names_get_quotes_where_jackson_gives_them() {
    for (name, written) in [
        ("a.b-c_d/e", "a.b-c_d/e"),
        ("aaaaaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaa"),
        ("aaaaaaaaaaaaaaaaaaaaaaaaa", "\"aaaaaaaaaaaaaaaaaaaaaaaaa\""),
        ("a+b", "\"a+b\""),
        ("a b", "\"a b\""),
        ("a\\b", "\"a\\b\""),
        ("a\"b", "\"a\"\"b\""),
    ] {
        let plan = plan(&[(name, &[("t", 0, 5)])]);
        let csv = write(&plan, false);
        assert_eq!(csv, format!("{written},t,0,5\n"));
        assert_eq!(read(&csv, None), Ok(plan));
    }
}
