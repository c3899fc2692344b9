//! Shapes of the responses of configurations and quotas.
//!
//! One line per field of Kafka 4.1's message definitions, with the versions that have it.

use super::super::{Shape, array, flexible, i8, i16, i32, i64, string};
use crate::messages::{
    alter_client_quotas_response, alter_configs_response, describe_client_quotas_response,
    describe_configs_response, incremental_alter_configs_response, list_config_resources_response,
};

pub(super) const DESCRIBE_CONFIGS: Shape = flexible(
    4,
    &[
        i32("throttle_time_ms"),
        array::<describe_configs_response::DescribeConfigsResult>(
            "results",
            &[
                i16("error_code"),
                string("error_message"),
                i8("resource_type"),
                string("resource_name"),
                array::<describe_configs_response::DescribeConfigsResourceResult>(
                    "configs",
                    &[
                        string("name"),
                        string("value"),
                        i8("read_only"),
                        i8("config_source").from(1),
                        i8("is_sensitive"),
                        array::<describe_configs_response::DescribeConfigsSynonym>(
                            "synonyms",
                            &[string("name"), string("value"), i8("source")],
                        )
                        .from(1),
                        i8("config_type").from(3),
                        string("documentation").from(3),
                    ],
                ),
            ],
        ),
    ],
);

pub(super) const ALTER_CONFIGS: Shape = flexible(
    2,
    &[
        i32("throttle_time_ms"),
        array::<alter_configs_response::AlterConfigsResourceResponse>(
            "responses",
            &[
                i16("error_code"),
                string("error_message"),
                i8("resource_type"),
                string("resource_name"),
            ],
        ),
    ],
);

pub(super) const INCREMENTAL_ALTER_CONFIGS: Shape = flexible(
    1,
    &[
        i32("throttle_time_ms"),
        array::<incremental_alter_configs_response::AlterConfigsResourceResponse>(
            "responses",
            &[
                i16("error_code"),
                string("error_message"),
                i8("resource_type"),
                string("resource_name"),
            ],
        ),
    ],
);

pub(super) const LIST_CONFIG_RESOURCES: Shape = flexible(
    0,
    &[
        i32("throttle_time_ms"),
        i16("error_code"),
        array::<list_config_resources_response::ConfigResource>(
            "config_resources",
            &[string("resource_name"), i8("resource_type").from(1)],
        ),
    ],
);

pub(super) const DESCRIBE_CLIENT_QUOTAS: Shape = flexible(
    1,
    &[
        i32("throttle_time_ms"),
        i16("error_code"),
        string("error_message"),
        array::<describe_client_quotas_response::EntryData>(
            "entries",
            &[
                array::<describe_client_quotas_response::EntityData>(
                    "entity",
                    &[string("entity_type"), string("entity_name")],
                ),
                array::<describe_client_quotas_response::ValueData>(
                    "values",
                    &[string("key"), i64("value")],
                ),
            ],
        ),
    ],
);

pub(super) const ALTER_CLIENT_QUOTAS: Shape = flexible(
    1,
    &[
        i32("throttle_time_ms"),
        array::<alter_client_quotas_response::EntryData>(
            "entries",
            &[
                i16("error_code"),
                string("error_message"),
                array::<alter_client_quotas_response::EntityData>(
                    "entity",
                    &[string("entity_type"), string("entity_name")],
                ),
            ],
        ),
    ],
);
