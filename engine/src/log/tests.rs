//! Tests of one partition's log, over the simulated disk unless a file says otherwise.

mod appends;
mod bounded_recovery;
mod compaction_model;
mod compacts;
mod crashes;
mod decoders;
mod failures;
mod model;
mod producers;
mod reads;
mod reads_committed;
mod reopens;
mod replaces;
mod retains;
mod ring;
mod splits;
mod support;
mod times;
mod truncates;
mod verifies;
mod verifies_model;
mod zeroes_ahead;
