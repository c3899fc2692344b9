//! Which versions of which APIs a broker serves.

use hashbrown::HashMap;
use ringbrook_protocol::messages::ApiVersionsResponse;
use ringbrook_protocol::{Message, Request};

/// A broker's answer to ApiVersions.
#[derive(Debug, Clone, Default)]
pub struct ApiVersions {
    ranges: HashMap<i16, (i16, i16)>,
    response: ApiVersionsResponse,
}

impl ApiVersions {
    /// From the broker's answer.
    #[must_use]
    pub fn new(response: ApiVersionsResponse) -> Self {
        let ranges = response
            .api_keys
            .iter()
            .map(|api| (api.api_key, (api.min_version, api.max_version)))
            .collect();
        Self { ranges, response }
    }

    /// The lowest and highest version of an API that the broker serves.
    #[must_use]
    pub fn range(&self, api_key: i16) -> Option<(i16, i16)> {
        self.ranges.get(&api_key).copied()
    }

    /// The highest version of `R` that both sides know, up to `at_most`.
    #[must_use]
    pub fn highest<R: Request>(&self, at_most: i16) -> Option<i16> {
        let (min, max) = self.range(R::KEY)?;
        let own = <R as Message>::VERSIONS;
        let highest = max.min(own.max).min(at_most);
        (min.max(own.min) <= highest).then_some(highest)
    }

    /// The whole answer, with the cluster's features.
    #[must_use]
    pub fn response(&self) -> &ApiVersionsResponse {
        &self.response
    }
}
