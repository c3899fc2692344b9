//! Consumer groups: pure state machines over `__consumer_offsets`.
