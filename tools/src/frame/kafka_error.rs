//! Kafka's names and words for error codes, where brokers send none of their own.
//!
//! Kafka's tools print the class of the exception, and its message when the broker left it out.
//! Scripts look for both, so both are Kafka's (`org.apache.kafka.common.protocol.Errors`). Messages
//! that no tool can come to print are left out.

/// Code, class without its package, message or an empty text.
const ERRORS: &[(i16, &str, &str)] = &[
    (
        -1,
        "UnknownServerException",
        "The server experienced an unexpected error when processing the request.",
    ),
    (
        1,
        "OffsetOutOfRangeException",
        "The requested offset is not within the range of offsets maintained by the server.",
    ),
    (2, "CorruptRecordException", ""),
    (
        3,
        "UnknownTopicOrPartitionException",
        "This server does not host this topic-partition.",
    ),
    (
        4,
        "InvalidFetchSizeException",
        "The requested fetch size is invalid.",
    ),
    (
        5,
        "LeaderNotAvailableException",
        "There is no leader for this topic-partition as we are in the middle of a leadership \
         election.",
    ),
    (
        6,
        "NotLeaderOrFollowerException",
        "For requests intended only for the leader, this error indicates that the broker is not \
         the current leader. For requests intended for any replica, this error indicates that \
         the broker is not a replica of the topic partition.",
    ),
    (7, "TimeoutException", "The request timed out."),
    (
        8,
        "BrokerNotAvailableException",
        "The broker is not available.",
    ),
    (
        9,
        "ReplicaNotAvailableException",
        "The replica is not available for the requested topic-partition. Produce/Fetch requests \
         and other requests intended only for the leader or follower return \
         NOT_LEADER_OR_FOLLOWER if the broker is not a replica of the topic-partition.",
    ),
    (10, "RecordTooLargeException", ""),
    (11, "ControllerMovedException", ""),
    (12, "OffsetMetadataTooLarge", ""),
    (13, "NetworkException", ""),
    (
        14,
        "CoordinatorLoadInProgressException",
        "The coordinator is loading and hence can't process requests.",
    ),
    (
        15,
        "CoordinatorNotAvailableException",
        "The coordinator is not available.",
    ),
    (
        16,
        "NotCoordinatorException",
        "This is not the correct coordinator.",
    ),
    (
        17,
        "InvalidTopicException",
        "The request attempted to perform an operation on an invalid topic.",
    ),
    (18, "RecordBatchTooLargeException", ""),
    (19, "NotEnoughReplicasException", ""),
    (20, "NotEnoughReplicasAfterAppendException", ""),
    (21, "InvalidRequiredAcksException", ""),
    (
        22,
        "IllegalGenerationException",
        "Specified group generation id is not valid.",
    ),
    (
        23,
        "InconsistentGroupProtocolException",
        "The group member's supported protocols are incompatible with those of existing members \
         or first group member tried to join with empty protocol type or empty protocol list.",
    ),
    (
        24,
        "InvalidGroupIdException",
        "The configured groupId is invalid.",
    ),
    (
        25,
        "UnknownMemberIdException",
        "The coordinator is not aware of this member.",
    ),
    (26, "InvalidSessionTimeoutException", ""),
    (
        27,
        "RebalanceInProgressException",
        "The group is rebalancing, so a rejoin is needed.",
    ),
    (28, "InvalidCommitOffsetSizeException", ""),
    (
        29,
        "TopicAuthorizationException",
        "Topic authorization failed.",
    ),
    (
        30,
        "GroupAuthorizationException",
        "Group authorization failed.",
    ),
    (
        31,
        "ClusterAuthorizationException",
        "Cluster authorization failed.",
    ),
    (32, "InvalidTimestampException", ""),
    (33, "UnsupportedSaslMechanismException", ""),
    (34, "IllegalSaslStateException", ""),
    (
        35,
        "UnsupportedVersionException",
        "The version of API is not supported.",
    ),
    (
        36,
        "TopicExistsException",
        "Topic with this name already exists.",
    ),
    (
        37,
        "InvalidPartitionsException",
        "Number of partitions is below 1.",
    ),
    (
        38,
        "InvalidReplicationFactorException",
        "Replication factor is below 1 or larger than the number of available brokers.",
    ),
    (
        39,
        "InvalidReplicaAssignmentException",
        "Replica assignment is invalid.",
    ),
    (
        40,
        "InvalidConfigurationException",
        "Configuration is invalid.",
    ),
    (
        41,
        "NotControllerException",
        "This is not the correct controller for this cluster.",
    ),
    (
        42,
        "InvalidRequestException",
        "This most likely occurs because of a request being malformed by the client library or \
         the message was sent to an incompatible broker. See the broker logs for more details.",
    ),
    (
        43,
        "UnsupportedForMessageFormatException",
        "The message format version on the broker does not support the request.",
    ),
    (
        44,
        "PolicyViolationException",
        "Request parameters do not satisfy the configured policy.",
    ),
    (45, "OutOfOrderSequenceException", ""),
    (46, "DuplicateSequenceException", ""),
    (
        47,
        "InvalidProducerEpochException",
        "Producer attempted to produce with an old epoch.",
    ),
    (
        48,
        "InvalidTxnStateException",
        "The producer attempted a transactional operation in an invalid state.",
    ),
    (
        49,
        "InvalidPidMappingException",
        "The producer attempted to use a producer id which is not currently assigned to its \
         transactional id.",
    ),
    (50, "InvalidTxnTimeoutException", ""),
    (
        51,
        "ConcurrentTransactionsException",
        "The producer attempted to update a transaction while another concurrent operation on \
         the same transaction was ongoing.",
    ),
    (52, "TransactionCoordinatorFencedException", ""),
    (
        53,
        "TransactionalIdAuthorizationException",
        "Transactional Id authorization failed.",
    ),
    (
        54,
        "SecurityDisabledException",
        "Security features are disabled.",
    ),
    (
        55,
        "OperationNotAttemptedException",
        "The broker did not attempt to execute this operation. This may happen for batched RPCs \
         where some operations in the batch failed, causing the broker to respond without \
         trying the rest.",
    ),
    (
        56,
        "KafkaStorageException",
        "Disk error when trying to access log file on the disk.",
    ),
    (
        57,
        "LogDirNotFoundException",
        "The user-specified log directory is not found in the broker config.",
    ),
    (58, "SaslAuthenticationException", ""),
    (59, "UnknownProducerIdException", ""),
    (
        60,
        "ReassignmentInProgressException",
        "A partition reassignment is in progress.",
    ),
    (
        61,
        "DelegationTokenDisabledException",
        "Delegation Token feature is not enabled.",
    ),
    (
        62,
        "DelegationTokenNotFoundException",
        "Delegation Token is not found on server.",
    ),
    (
        63,
        "DelegationTokenOwnerMismatchException",
        "Specified Principal is not valid Owner/Renewer.",
    ),
    (
        64,
        "UnsupportedByAuthenticationException",
        "Delegation Token requests are not allowed on PLAINTEXT/1-way SSL channels and on \
         delegation token authenticated channels.",
    ),
    (
        65,
        "DelegationTokenAuthorizationException",
        "Delegation Token authorization failed.",
    ),
    (
        66,
        "DelegationTokenExpiredException",
        "Delegation Token is expired.",
    ),
    (
        67,
        "InvalidPrincipalTypeException",
        "Supplied principalType is not supported.",
    ),
    (68, "GroupNotEmptyException", "The group is not empty."),
    (
        69,
        "GroupIdNotFoundException",
        "The group id does not exist.",
    ),
    (70, "FetchSessionIdNotFoundException", ""),
    (71, "InvalidFetchSessionEpochException", ""),
    (
        72,
        "ListenerNotFoundException",
        "There is no listener on the leader broker that matches the listener on which metadata \
         request was processed.",
    ),
    (
        73,
        "TopicDeletionDisabledException",
        "Topic deletion is disabled.",
    ),
    (74, "FencedLeaderEpochException", ""),
    (75, "UnknownLeaderEpochException", ""),
    (76, "UnsupportedCompressionTypeException", ""),
    (77, "StaleBrokerEpochException", ""),
    (78, "OffsetNotAvailableException", ""),
    (79, "MemberIdRequiredException", ""),
    (
        80,
        "PreferredLeaderNotAvailableException",
        "The preferred leader was not available.",
    ),
    (81, "GroupMaxSizeReachedException", ""),
    (
        82,
        "FencedInstanceIdException",
        "The broker rejected this static consumer since another consumer with the same \
         group.instance.id has registered with a different member.id.",
    ),
    (
        83,
        "EligibleLeadersNotAvailableException",
        "Eligible topic partition leaders are not available.",
    ),
    (
        84,
        "ElectionNotNeededException",
        "Leader election not needed for topic partition.",
    ),
    (
        85,
        "NoReassignmentInProgressException",
        "No partition reassignment is in progress.",
    ),
    (
        86,
        "GroupSubscribedToTopicException",
        "Deleting offsets of a topic is forbidden while the consumer group is actively \
         subscribed to it.",
    ),
    (
        87,
        "InvalidRecordException",
        "This record has failed the validation on broker and hence will be rejected.",
    ),
    (
        88,
        "UnstableOffsetCommitException",
        "There are unstable offsets that need to be cleared.",
    ),
    (
        89,
        "ThrottlingQuotaExceededException",
        "The throttling quota has been exceeded.",
    ),
    (90, "ProducerFencedException", ""),
    (
        91,
        "ResourceNotFoundException",
        "A request illegally referred to a resource that does not exist.",
    ),
    (
        92,
        "DuplicateResourceException",
        "A request illegally referred to the same resource twice.",
    ),
    (
        93,
        "UnacceptableCredentialException",
        "Requested credential would not meet criteria for acceptability.",
    ),
    (94, "InconsistentVoterSetException", ""),
    (
        95,
        "InvalidUpdateVersionException",
        "The given update version was invalid.",
    ),
    (
        96,
        "FeatureUpdateFailedException",
        "Unable to update finalized features due to an unexpected server error.",
    ),
    (97, "PrincipalDeserializationException", ""),
    (98, "SnapshotNotFoundException", ""),
    (99, "PositionOutOfRangeException", ""),
    (
        100,
        "UnknownTopicIdException",
        "This server does not host this topic ID.",
    ),
    (
        101,
        "DuplicateBrokerRegistrationException",
        "This broker ID is already in use.",
    ),
    (
        102,
        "BrokerIdNotRegisteredException",
        "The given broker ID was not registered.",
    ),
    (103, "InconsistentTopicIdException", ""),
    (
        104,
        "InconsistentClusterIdException",
        "The clusterId in the request does not match that found on the server.",
    ),
    (
        105,
        "TransactionalIdNotFoundException",
        "The transactionalId could not be found.",
    ),
    (106, "FetchSessionTopicIdException", ""),
    (
        107,
        "IneligibleReplicaException",
        "The new ISR contains at least one ineligible replica.",
    ),
    (108, "NewLeaderElectedException", ""),
    (109, "OffsetMovedToTieredStorageException", ""),
    (110, "FencedMemberEpochException", ""),
    (
        111,
        "UnreleasedInstanceIdException",
        "The instance ID is still used by another member in the consumer group. That member \
         must leave first.",
    ),
    (
        112,
        "UnsupportedAssignorException",
        "The assignor or its version range is not supported by the consumer group.",
    ),
    (
        113,
        "StaleMemberEpochException",
        "The member epoch is stale. The member must retry after receiving its updated member \
         epoch via the ConsumerGroupHeartbeat API.",
    ),
    (114, "MismatchedEndpointTypeException", ""),
    (
        115,
        "UnsupportedEndpointTypeException",
        "This endpoint type is not supported yet.",
    ),
    (
        116,
        "UnknownControllerIdException",
        "This controller ID is not known.",
    ),
    (117, "UnknownSubscriptionIdException", ""),
    (118, "TelemetryTooLargeException", ""),
    (119, "InvalidRegistrationException", ""),
    (
        120,
        "TransactionAbortableException",
        "The server encountered an error with the transaction. The client can abort the \
         transaction to continue using this transactional ID.",
    ),
    (121, "InvalidRecordStateException", ""),
    (122, "ShareSessionNotFoundException", ""),
    (123, "InvalidShareSessionEpochException", ""),
    (124, "FencedStateEpochException", ""),
    (
        125,
        "InvalidVoterKeyException",
        "The voter key doesn't match the receiving replica's key.",
    ),
    (
        126,
        "DuplicateVoterException",
        "The voter is already part of the set of voters.",
    ),
    (
        127,
        "VoterNotFoundException",
        "The voter is not part of the set of voters.",
    ),
    (
        128,
        "InvalidRegularExpression",
        "The regular expression is not valid.",
    ),
];

fn of(code: i16) -> Option<&'static (i16, &'static str, &'static str)> {
    ERRORS.iter().find(|(known, _, _)| *known == code)
}

/// The message of Kafka's exception for a code.
#[must_use]
pub fn default_message(code: i16) -> Option<&'static str> {
    of(code)
        .map(|(_, _, message)| *message)
        .filter(|message| !message.is_empty())
}

/// The full name of Kafka's exception for a code.
#[must_use]
pub fn exception_name(code: i16) -> String {
    let class = of(code).map_or("UnknownServerException", |(_, class, _)| *class);
    format!("org.apache.kafka.common.errors.{class}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_classes_are_names() {
        for (code, class, _) in ERRORS {
            assert!(class.chars().all(char::is_alphanumeric), "{class}");
            assert_eq!(of(*code).unwrap().0, *code);
        }
        let codes: Vec<_> = ERRORS.iter().map(|(code, _, _)| *code).collect();
        assert!(codes.is_sorted_by(|one, next| one < next));
    }

    #[test]
    fn known_and_unknown_codes_have_a_name() {
        assert_eq!(
            exception_name(3),
            "org.apache.kafka.common.errors.UnknownTopicOrPartitionException"
        );
        assert_eq!(
            default_message(3),
            Some("This server does not host this topic-partition.")
        );
        assert_eq!(default_message(0), None);
        assert!(exception_name(0).ends_with(".UnknownServerException"));
    }
}
