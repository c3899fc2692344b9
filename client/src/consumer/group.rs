//! Membership of consumer groups, in the classic protocol and in the consumer protocol (KIP-848).

#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the coordinator's tasks read and write them")
)]
pub(crate) mod embedded_protocol;
pub(crate) mod wire;
