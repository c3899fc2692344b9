//! Names of the group APIs between wire and domain. The wire's strings are slices of a request's
//! frame; what a group keeps must be its own, or a heartbeat would hold megabytes.

use std::sync::Arc;

use ringbrook_protocol::StrBytes;

/// A copy that may be kept.
pub(super) fn owned(text: &StrBytes) -> Arc<str> {
    Arc::from(text.as_str())
}

/// A copy that may be kept, if there is anything.
pub(super) fn owned_option(text: Option<&StrBytes>) -> Option<Arc<str>> {
    text.map(owned)
}

/// The name for a response.
pub(super) fn wire(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// The name for a response, if there is one.
pub(super) fn wire_option(text: Option<&Arc<str>>) -> Option<StrBytes> {
    text.map(|text| wire(text))
}
