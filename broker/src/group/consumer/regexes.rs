//! Subscriptions by regular expression: when the group has to look again which topics match, and
//! what it does with the answer. Events of [`ConsumerGroup`]; mirrors
//! `GroupMetadataManager.maybeUpdateRegularExpressions` and `handleRegularExpressionsResult`.
//!
//! Matching costs time in proportion to the topics of the cluster, so it is not done here: the
//! group asks for it with [`Action::ResolveRegexes`] and is told later. All expressions of a group
//! are resolved together, so that new topics cause one rebalance.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::action::Action;
use super::group::ConsumerGroup;
use super::member::regex_of;
use super::record::ConsumerRecord;
use super::request::{ConsumerHeartbeat, Refused};
use super::settings::Surroundings;
use crate::group::assignor::{TopicRegex, TopicsImage, group_metadata_hash};
use crate::group::error::GroupError;
use crate::group::schema::{ConsumerMemberMetadataValue, RegularExpressionValue};

/// How long the group waits at least before it looks again, ms.
const REFRESH_INTERVAL_MIN_MS: i64 = 10_000;

/// The topics that match each regular expression.
pub(crate) type ResolvedRegexes = BTreeMap<Arc<str>, BTreeSet<Arc<str>>>;

/// What a heartbeat changes about a member's regular expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RegexChange {
    None,
    /// To one that nobody has resolved yet: the target has to wait for that.
    ToUnresolved,
    /// To one whose topics are known, or to none.
    ToResolved,
}

impl ConsumerGroup {
    /// Checks the regular expression of a heartbeat, unless other members have it already.
    pub(super) fn check_regex(&self, request: &ConsumerHeartbeat) -> Result<(), Refused> {
        let regex = request.subscribed_topic_regex.as_ref();
        let Some(regex) = regex.filter(|regex| !regex.is_empty()) else {
            return Ok(());
        };
        if 0 < self.subscriptions.regex_count(regex) {
            return Ok(());
        }
        match TopicRegex::parse(regex) {
            Ok(_) => Ok(()),
            Err(error) => {
                let text = error.to_string();
                Err(Refused::new(GroupError::InvalidRegularExpression, text))
            }
        }
    }

    /// Compares a member's regular expression before and after a heartbeat. To be asked before the
    /// member is changed.
    pub(super) fn change_of_regex(
        &self,
        before: &ConsumerMemberMetadataValue,
        after: &ConsumerMemberMetadataValue,
    ) -> RegexChange {
        let (before, after) = (regex_of(before), regex_of(after));
        match after {
            _ if before == after => RegexChange::None,
            Some(regex) if !self.resolved_regexes.contains_key(regex) => RegexChange::ToUnresolved,
            // A resolution that nobody subscribes to any more is on its way out.
            Some(regex) if self.subscriptions.regex_count(regex) == 0 => RegexChange::ToUnresolved,
            Some(_) | None => RegexChange::ToResolved,
        }
    }

    /// Forgets what a regular expression resolved to when its last member has left it.
    pub(super) fn drop_unused_regex(
        &mut self,
        regex: Option<&Arc<str>>,
        actions: &mut Vec<Action>,
    ) {
        if let Some(regex) = regex
            && self.subscriptions.regex_count(regex) == 0
            && self.resolved_regexes.contains_key(regex)
        {
            let record = ConsumerRecord::RegularExpression(Arc::clone(regex), None);
            self.change(record, actions);
        }
    }

    /// Asks for a resolution of all regular expressions if one is due: there are unresolved ones,
    /// topics have changed, or the last one is old; and none is under way or very recent.
    pub(super) fn refresh_regexes_if_due(
        &mut self,
        change: RegexChange,
        surroundings: &Surroundings<'_>,
        actions: &mut Vec<Action>,
    ) {
        let regexes = self.subscriptions.regexes();
        if regexes.len() == 0 || self.is_resolving {
            return;
        }
        let refreshed_ms = self
            .resolved_regexes
            .values()
            .map(|it| it.timestamp_ms)
            .max();
        let age_ms = refreshed_ms.map(|then| surroundings.now_ms.saturating_sub(then));
        if age_ms.is_some_and(|age| age <= REFRESH_INTERVAL_MIN_MS) {
            return;
        }
        let is_due = change == RegexChange::ToUnresolved
            || regexes.len() != self.resolved_regexes.len()
            || self.regexes_version != Some(surroundings.topics.version())
            || age_ms.is_none_or(|age| surroundings.settings.regex_refresh_interval_ms < age);
        if is_due {
            let wanted = regexes.cloned().collect();
            self.is_resolving = true;
            actions.push(Action::ResolveRegexes(wanted));
        }
    }

    /// The topics that match the regular expressions have been found in `topics`; `None` when they
    /// could not be looked for.
    pub(crate) fn regexes_resolved(
        &mut self,
        resolved: Option<ResolvedRegexes>,
        topics: &dyn TopicsImage,
        now_ms: i64,
        actions: &mut Vec<Action>,
    ) {
        self.is_resolving = false;
        let Some(resolved) = resolved else { return };
        let mut must_bump = false;
        for (regex, topics_found) in resolved {
            // Left by its last member meanwhile.
            if self.subscriptions.regex_count(&regex) == 0 {
                continue;
            }
            let before = self.resolved_regexes.get(&regex).map(|it| &it.topics);
            must_bump |= before.unwrap_or(&BTreeSet::new()) != &topics_found;
            let value = RegularExpressionValue {
                topics: topics_found,
                version: i64::try_from(topics.version()).unwrap_or(i64::MAX),
                timestamp_ms: now_ms,
            };
            let record = ConsumerRecord::RegularExpression(regex, Some(value));
            self.change(record, actions);
        }
        self.regexes_version = Some(topics.version());
        let hash = self.compute_metadata_hash(topics);
        if must_bump || hash != self.metadata_hash {
            self.bump_epoch(hash, actions);
        }
    }

    /// The hash over the topics the group is subscribed to.
    pub(super) fn compute_metadata_hash(&self, topics: &dyn TopicsImage) -> i64 {
        let names = self.subscriptions.topics().cloned().collect();
        group_metadata_hash(&names, topics)
    }
}
