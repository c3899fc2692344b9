//! The `uniform` assignor, the default: as even a spread as the subscriptions allow, and as few
//! moves as that spread allows. Kafka's `UniformAssignor`.
//!
//! Racks play no part, as in Kafka 4.3. Two strategies: `homogeneous` where all members want the
//! same topics, `heterogeneous` where they do not.

mod heterogeneous;
mod homogeneous;

use super::{
    AssignorError, GroupAssignment, GroupAssignor, GroupSpec, SubscriptionType, TopicsDescription,
};

/// See the module's documentation.
#[derive(Clone, Copy, Debug, Default)]
pub struct UniformAssignor;

impl GroupAssignor for UniformAssignor {
    fn name(&self) -> &'static str {
        "uniform"
    }

    fn assign(
        &self,
        group: &GroupSpec<'_>,
        topics: &TopicsDescription,
    ) -> Result<GroupAssignment, AssignorError> {
        match group.subscription_type() {
            SubscriptionType::Homogeneous => homogeneous::assign(group, topics),
            SubscriptionType::Heterogeneous => heterogeneous::assign(group, topics),
        }
    }
}
