//! System tests: a real broker process, driven through its sockets.
//!
//! Tests on the shared broker state Kafka's behaviour and pass against Apache Kafka too:
//! `RINGBROOK_TEST_BOOTSTRAP=host:port cargo test -p ringbrook-tests --test system`.

mod client_admin;
mod client_admin_configs;
mod client_admin_group_offsets;
mod client_admin_groups;
mod client_admin_offsets;
mod client_admin_topics;
mod client_admin_transactions;
mod client_consumer;
mod client_consumer_faults;
mod client_consumer_positions;
mod client_groups;
mod client_groups_fencing;
mod client_groups_mixed;
mod client_groups_processes;
mod client_transactions;
mod compaction;
mod consumer_groups;
mod counters;
mod crash;
mod crash_churn;
mod crash_load;
mod deletion;
mod exactly_once;
mod features;
mod fetch;
mod fetch_sessions;
mod fuzz;
mod group;
mod group_errors;
mod hostile;
mod idempotence;
mod idle;
mod librdkafka;
mod log_dir_failures;
mod log_dir_moves;
mod produce;
mod produce_errors;
mod property;
mod read_committed;
mod rebalance;
mod recreation;
mod retention;
mod scrub;
mod seeded;
mod start_stop;
mod topic_errors;
mod transaction;
mod transactional_produce;
mod transactions;
mod transactions_crash;
mod transactions_init;
mod transactions_offsets;
mod versions;
