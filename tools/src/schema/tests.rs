//! Tests of [`super`]: bytes that Apache Kafka 4.3.1 wrote and what its own dump says of them.

use proptest::prelude::*;

use super::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

#[test]
fn committed_offsets_read_as_kafka_shows_them() {
    let key = bytes("00010007726561646572730006636f6465637300000000");
    let value = bytes(
        "00040000000000000003ffffffff0761206e6f7465000001a1fcb2c4c301001049d1b5170ce14c8fa8e8e8af\
         936fdcf3",
    );
    let (key, value) = CoordinatorTopic::Offsets
        .read(&key, Some(&value))
        .unwrap()
        .dumped();
    assert_eq!(
        key,
        r#"{"type":"1","data":{"group":"readers","topic":"codecs","partition":0}}"#
    );
    let expected = concat!(
        r#"{"version":"4","data":{"offset":3,"leaderEpoch":-1,"metadata":"a note","#,
        r#""commitTimestamp":1795240936643,"topicId":"SdG1FwzhTI-o6Oivk2_c8w"}}"#
    );
    assert_eq!(value, expected);
}

/// A null struct behind a tag is not written as one elsewhere.
#[test]
fn members_without_classic_metadata_are_read() {
    let key = bytes(
        "0005001874313739353237353239302d722d65366563306266342d69002461323130343561392d633564\
         372d346333352d613337622d363731353435323739396161",
    );
    let value = bytes(
        "0000000011636f6e736f6c652d636f6e73756d65720b2f3132372e302e302e3102197431373935323735\
         3239302d722d65366563306266342d7401000493e00001000100",
    );
    let (key, value) = CoordinatorTopic::Offsets
        .read(&key, Some(&value))
        .unwrap()
        .dumped();
    let expected = concat!(
        r#"{"type":"5","data":{"groupId":"t1795275290-r-e6ec0bf4-i","#,
        r#""memberId":"a21045a9-c5d7-4c35-a37b-6715452799aa"}}"#
    );
    assert_eq!(key, expected);
    assert!(
        value.ends_with(r#""serverAssignor":null,"classicMemberMetadata":null}}"#),
        "{value}"
    );
}

const GROUP_KEY: &str = "0002000772656164657273";

#[test]
fn groups_show_what_their_consumers_subscribed_to() {
    let value = bytes(
        "00030008636f6e73756d657200000001000572616e67650001630000000000000007000000010001630000\
         000163000a2f3132372e302e302e31000493e00000afc80000001c0003000000010006636f64656373ffffffff\
         00000000ffffffffffff0000002a0003000000010006636f646563730000000500000000000000010000000200\
         00000300000004ffffffff",
    );
    let record = CoordinatorTopic::Offsets.read(&bytes(GROUP_KEY), Some(&value));
    let (_, value) = record.unwrap().dumped();
    let expected = concat!(
        r#"{"version":"3","data":{"protocolType":"consumer","generation":1,"protocol":"range","#,
        r#""leader":"c","currentStateTimestamp":7,"members":[{"memberId":"c","#,
        r#""groupInstanceId":"","clientId":"c","clientHost":"/127.0.0.1","#,
        r#""rebalanceTimeout":300000,"sessionTimeout":45000,"subscription":{"topics":["codecs"],"#,
        r#""userData":null,"ownedPartitions":[],"generationId":-1,"rackId":null},"#,
        r#""assignment":{"assignedPartitions":[{"topic":"codecs","partitions":[0,1,2,3,4]}],"#,
        r#""userData":null}}]}}"#
    );
    assert_eq!(value, expected);
}

#[test]
fn tombstones_and_unknown_types_are_told() {
    let record = CoordinatorTopic::Offsets.read(&bytes(GROUP_KEY), None);
    assert_eq!(record.unwrap().dumped().1, "<DELETE>");
    assert_eq!(
        CoordinatorTopic::TransactionLog.read(&[0, 99], None),
        Err(CoordinatorRecordError::UnknownType(99))
    );
    let error = CoordinatorTopic::Offsets
        .read(&bytes(GROUP_KEY), Some(&[0, 9]))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Could not read record with version 9 from value's buffer due to: version 9 is unknown."
    );
}

#[test]
fn transactions_leave_out_what_is_not_there() {
    let key = bytes("0000000870 61796d656e7473".replace(' ', "").as_str());
    // Version 1: producer 70, epoch 2, 60 s, ongoing, no partitions, tag 2 (client's version) 2.
    let value = bytes(
        "000100000000000000460002000 0ea600100ffffffffffffffff0000000000000005010202\
        0002"
            .replace(' ', "")
            .as_str(),
    );
    let record = CoordinatorTopic::TransactionLog.read(&key, Some(&value));
    let (key, value) = record.unwrap().dumped();
    assert_eq!(key, r#"{"type":"0","data":{"transactionalId":"payments"}}"#);
    let expected = concat!(
        r#"{"version":"1","data":{"producerId":70,"producerEpoch":2,"#,
        r#""transactionTimeoutMs":60000,"transactionStatus":1,"transactionPartitions":null,"#,
        r#""transactionLastUpdateTimestampMs":-1,"transactionStartTimestampMs":5,"#,
        r#""clientTransactionVersion":2}}"#
    );
    assert_eq!(value, expected);
}

#[test]
fn control_records_of_kraft_are_shown() {
    let header = kraft_control_record(3, &bytes("0000000000000000000000"));
    assert_eq!(
        header.unwrap().unwrap(),
        r#"SnapshotHeader {"version":0,"lastContainedLogTimestamp":0}"#
    );
    assert!(kraft_control_record(0, &[]).is_none());
    assert!(kraft_control_record(2, &[0]).unwrap().is_err());
}

#[test]
fn metadata_records_are_shown_by_name() {
    let value = bytes(
        "010c0011 6d657461646174612e76657273696f6e001e00"
            .replace(' ', "")
            .as_str(),
    );
    assert_eq!(
        cluster_metadata_record(&value).unwrap(),
        concat!(
            r#"{"type":"FEATURE_LEVEL_RECORD","version":0,"#,
            r#""data":{"name":"metadata.version","featureLevel":30}}"#
        )
    );
    assert!(cluster_metadata_record(&[1, 0x7f, 0]).is_err());
    assert!(cluster_metadata_record(&[]).is_err());
}

proptest! {
    /// No bytes make a decoder panic or run on; whatever it takes for a record is JSON.
    #[test]
    fn any_bytes_are_read_or_refused(
        id in 0_i16..40,
        key in prop::collection::vec(any::<u8>(), 0..40),
        version in 0_i16..5,
        value in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let key = [&id.to_be_bytes()[..], &key].concat();
        let value = [&version.to_be_bytes()[..], &value].concat();
        for topic in [
            CoordinatorTopic::Offsets,
            CoordinatorTopic::TransactionLog,
            CoordinatorTopic::ShareState,
        ] {
            if let Ok(record) = topic.read(&key, Some(&value)) {
                let (key, value) = record.dumped();
                serde_json::from_str::<serde_json::Value>(&key).unwrap();
                serde_json::from_str::<serde_json::Value>(&value).unwrap();
            }
        }
        if let Some(Ok(text)) = kraft_control_record(id, &value) {
            let is_object = text.ends_with('}');
            prop_assert!(is_object);
        }
        let framed = [&[1, id.to_be_bytes()[1], version.to_be_bytes()[1]], &value[2..]].concat();
        if let Ok(text) = cluster_metadata_record(&framed) {
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        }
    }
}
