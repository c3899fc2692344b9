//! Shapes of the responses of authentication, ACLs, credentials and tokens.
//!
//! One line per field of Kafka 4.1's message definitions, with the versions that have it.

use super::super::{Shape, array, bytes, flexible, i8, i16, i32, i64, string, strings};
use crate::StrBytes;
use crate::messages::{
    alter_user_scram_credentials_response, create_acls_response, delete_acls_response,
    describe_acls_response, describe_delegation_token_response,
    describe_user_scram_credentials_response,
};

pub(super) const SASL_HANDSHAKE: Shape = flexible(
    i16::MAX,
    &[i16("error_code"), strings::<StrBytes>("mechanisms")],
);

pub(super) const SASL_AUTHENTICATE: Shape = flexible(
    2,
    &[
        i16("error_code"),
        string("error_message"),
        bytes("auth_bytes"),
        i64("session_lifetime_ms").from(1),
    ],
);

pub(super) const DESCRIBE_ACLS: Shape = flexible(
    2,
    &[
        i32("throttle_time_ms"),
        i16("error_code"),
        string("error_message"),
        array::<describe_acls_response::DescribeAclsResource>(
            "resources",
            &[
                i8("resource_type"),
                string("resource_name"),
                i8("pattern_type").from(1),
                array::<describe_acls_response::AclDescription>(
                    "acls",
                    &[
                        string("principal"),
                        string("host"),
                        i8("operation"),
                        i8("permission_type"),
                    ],
                ),
            ],
        ),
    ],
);

pub(super) const CREATE_ACLS: Shape = flexible(
    2,
    &[
        i32("throttle_time_ms"),
        array::<create_acls_response::AclCreationResult>(
            "results",
            &[i16("error_code"), string("error_message")],
        ),
    ],
);

pub(super) const DELETE_ACLS: Shape = flexible(
    2,
    &[
        i32("throttle_time_ms"),
        array::<delete_acls_response::DeleteAclsFilterResult>(
            "filter_results",
            &[
                i16("error_code"),
                string("error_message"),
                array::<delete_acls_response::DeleteAclsMatchingAcl>(
                    "matching_acls",
                    &[
                        i16("error_code"),
                        string("error_message"),
                        i8("resource_type"),
                        string("resource_name"),
                        i8("pattern_type").from(1),
                        string("principal"),
                        string("host"),
                        i8("operation"),
                        i8("permission_type"),
                    ],
                ),
            ],
        ),
    ],
);

pub(super) const DESCRIBE_USER_SCRAM_CREDENTIALS: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        i16("error_code"),
        string("error_message"),
        array::<describe_user_scram_credentials_response::DescribeUserScramCredentialsResult>(
            "results",
            &[
                string("user"),
                i16("error_code"),
                string("error_message"),
                array::<describe_user_scram_credentials_response::CredentialInfo>(
                    "credential_infos",
                    &[i8("mechanism"), i32("iterations")],
                ),
            ],
        ),
    ],
);

pub(super) const ALTER_USER_SCRAM_CREDENTIALS: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        array::<alter_user_scram_credentials_response::AlterUserScramCredentialsResult>(
            "results",
            &[string("user"), i16("error_code"), string("error_message")],
        ),
    ],
);

pub(super) const CREATE_DELEGATION_TOKEN: Shape = flexible(
    2,
    &[
        i16("error_code"),
        string("principal_type"),
        string("principal_name"),
        string("token_requester_principal_type").from(3),
        string("token_requester_principal_name").from(3),
        i64("issue_timestamp_ms"),
        i64("expiry_timestamp_ms"),
        i64("max_timestamp_ms"),
        string("token_id"),
        bytes("hmac"),
        i32("throttle_time_ms"),
    ],
);

pub(super) const RENEW_DELEGATION_TOKEN: Shape = flexible(
    2,
    &[
        i16("error_code"),
        i64("expiry_timestamp_ms"),
        i32("throttle_time_ms"),
    ],
);

pub(super) const EXPIRE_DELEGATION_TOKEN: Shape = flexible(
    2,
    &[
        i16("error_code"),
        i64("expiry_timestamp_ms"),
        i32("throttle_time_ms"),
    ],
);

pub(super) const DESCRIBE_DELEGATION_TOKEN: Shape = flexible(
    2,
    &[
        i16("error_code"),
        array::<describe_delegation_token_response::DescribedDelegationToken>(
            "tokens",
            &[
                string("principal_type"),
                string("principal_name"),
                string("token_requester_principal_type").from(3),
                string("token_requester_principal_name").from(3),
                i64("issue_timestamp"),
                i64("expiry_timestamp"),
                i64("max_timestamp"),
                string("token_id"),
                bytes("hmac"),
                array::<describe_delegation_token_response::DescribedDelegationTokenRenewer>(
                    "renewers",
                    &[string("principal_type"), string("principal_name")],
                ),
            ],
        ),
        i32("throttle_time_ms"),
    ],
);
