//! Tests of [`super`]: the lines that Kafka 4.3.1 prints.

use super::*;

fn partition(topic: &str, number: i32) -> TopicPartition {
    TopicPartition::new(topic, number)
}

#[test]
fn offsets_have_kafkas_columns() {
    let rows = [
        OffsetRow {
            group: "g".to_owned(),
            partition: Some(partition("a-topic-with-a-long-name", 0)),
            leader_epoch: Some(3),
            offset: Some(5),
            log_end_offset: Some(8),
            consumer_id: Some("consumer-1-aaaaaaaa".to_owned()),
            host: Some("/127.0.0.1".to_owned()),
            client_id: Some("consumer-1".to_owned()),
        },
        OffsetRow {
            group: "g".to_owned(),
            partition: Some(partition("b", 1)),
            log_end_offset: Some(8),
            ..OffsetRow::default()
        },
    ];
    assert_eq!(
        offsets(&rows, false),
        "\nGROUP           TOPIC                    PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  \
         LAG             CONSUMER-ID         HOST            CLIENT-ID\n\
         g               a-topic-with-a-long-name 0          5               8               3  \
         \u{20}            consumer-1-aaaaaaaa /127.0.0.1      consumer-1\n\
         g               b                        1          -               8               -  \
         \u{20}            -                   -               -\n"
    );
    let verbose = offsets(&rows, true);
    let header = verbose.lines().nth(1).unwrap();
    assert!(
        header.contains(" PARTITION  LEADER-EPOCH    CURRENT-OFFSET  "),
        "{header}"
    );
}

#[test]
fn members_have_kafkas_columns() {
    let row = MemberRow {
        group: "g".to_owned(),
        consumer_id: "c-1".to_owned(),
        host: "/10.0.0.1".to_owned(),
        client_id: "c".to_owned(),
        assignment: vec![partition("b", 10), partition("a", 1), partition("b", 9)],
        current_epoch: Some(4),
        target_epoch: Some(5),
        is_upgraded: Some(true),
        ..MemberRow::default()
    };
    assert_eq!(
        members(std::slice::from_ref(&row), false),
        "\nGROUP           CONSUMER-ID     HOST            CLIENT-ID       #PARTITIONS     \n\
         g               c-1             /10.0.0.1       c               3               \n"
    );
    assert_eq!(
        members(std::slice::from_ref(&row), true),
        "\nGROUP           CONSUMER-ID     HOST            CLIENT-ID       #PARTITIONS     \
         CURRENT-EPOCH   CURRENT-ASSIGNMENT   TARGET-EPOCH    TARGET-ASSIGNMENT   \n\
         g               c-1             /10.0.0.1       c               3               \
         4               a:1;b:9,10           5               -                   \n"
    );
    let classic = MemberRow {
        is_upgraded: Some(false),
        group_instance_id: "one".to_owned(),
        ..row.clone()
    };
    let both = members(&[row, classic], true);
    assert!(
        both.lines()
            .nth(1)
            .unwrap()
            .ends_with("TARGET-ASSIGNMENT    UPGRADED"),
        "{both}"
    );
    assert!(
        both.lines()
            .nth(1)
            .unwrap()
            .contains("CONSUMER-ID     GROUP-INSTANCE-ID HOST")
    );
    assert!(both.ends_with("-                    false\n"), "{both}");
}

#[test]
fn states_have_kafkas_columns() {
    let row = StateRow {
        group: "g".to_owned(),
        coordinator: "127.0.0.1:9092  (1)".to_owned(),
        state: "Stable".to_owned(),
        group_epoch: Some(7),
        members_count: 2,
        ..StateRow::default()
    };
    assert_eq!(
        state(&row, false),
        "\nGROUP           COORDINATOR (ID)          ASSIGNMENT-STRATEGY  STATE                \
         #MEMBERS\n\
         g               127.0.0.1:9092  (1)       -                    Stable               2\n"
    );
    assert_eq!(
        state(&row, true),
        "\nGROUP           COORDINATOR (ID)          ASSIGNMENT-STRATEGY  STATE                \
         GROUP-EPOCH     TARGET-ASSIGNMENT-EPOCH   #MEMBERS\n\
         g               127.0.0.1:9092  (1)       -                    Stable               \
         7               -                         2\n"
    );
}

#[test]
fn new_offsets_and_deleted_ones_begin_with_an_empty_line() {
    let offsets = BTreeMap::from([(partition("t", 0), 5)]);
    let plan = BTreeMap::from([("g".to_owned(), offsets)]);
    assert_eq!(
        new_offsets(&plan),
        "\nGROUP           TOPIC           PARTITION  NEW-OFFSET\n\
         g               t               0          5\n"
    );
    assert_eq!(new_offsets(&BTreeMap::new()), "\n");
    let rows = [
        (partition("t", 0), None),
        (partition("u", -1), Some("why".to_owned())),
    ];
    assert_eq!(
        deleted_offsets(&rows),
        "\nTOPIC           PARTITION  STATUS         \n\
         t               0          Successful     \n\
         u               -          Error: why     \n"
    );
}

#[test]
fn lists_are_ten_wider_than_the_longest_name() {
    let column = |text: &str| Some(text.to_owned());
    let rows = [
        ("GROUP".to_owned(), column("TYPE"), column("STATE")),
        (
            "a-group-with-a-long-name".to_owned(),
            column("Classic"),
            column("Empty"),
        ),
    ];
    assert_eq!(
        listing(&rows),
        "GROUP                              TYPE                 STATE               \n\
         a-group-with-a-long-name           Classic              Empty               \n"
    );
}
