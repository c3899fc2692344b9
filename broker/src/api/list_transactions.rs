//! ListTransactions (66): the transactional ids this broker coordinates (KIP-664).
//!
//! Versions 0-2; a filter by duration from version 1 on (KIP-994), by a pattern of the id from
//! version 2 on (KIP-1152): a regular expression in RE2's syntax that has to match the whole id.
//! Names of states that are unknown are told, and match nothing. Kafka:
//! `TransactionStateManager.listTransactionStates`.

use regex::{Regex, RegexBuilder};
use ringbrook_protocol::messages::list_transactions_response::TransactionState as ListedState;
use ringbrook_protocol::messages::{
    ListTransactionsRequest, ListTransactionsResponse, ProducerId, TransactionalId,
};
use ringbrook_protocol::{ResponseError, StrBytes};

use super::RequestContext;
use super::group_names::wire;
use crate::txn::{ListFilter, TransactionListing, TransactionState, TxnError};

/// What a compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Lists what passes the filters.
pub(crate) async fn handle(
    ctx: RequestContext,
    request: ListTransactionsRequest,
) -> ListTransactionsResponse {
    let Ok(pattern) = pattern(request.transactional_id_pattern.as_ref()) else {
        return ListTransactionsResponse::default()
            .with_error_code(ResponseError::InvalidRegularExpression.code());
    };
    let (states, unknown) = states(request.state_filters);
    let producer_ids: Vec<i64> = request.producer_id_filters.iter().map(|id| id.0).collect();
    let filter = ListFilter {
        states: states.as_deref(),
        producer_ids: &producer_ids,
        duration_ms: request.duration_filter,
    };
    let listed = ctx.broker().transactions.list(filter, |id| {
        pattern.as_ref().is_none_or(|pattern| pattern.is_match(id))
    });
    response(listed, unknown)
}

/// The states to list, if they are filtered, and the names that are none.
fn states(filters: Vec<StrBytes>) -> (Option<Vec<TransactionState>>, Vec<StrBytes>) {
    if filters.is_empty() {
        return (None, Vec::new());
    }
    let mut states = Vec::new();
    let mut unknown = Vec::new();
    for name in filters {
        match TransactionState::from_name(&name) {
            Some(state) => states.push(state),
            None => unknown.push(name),
        }
    }
    (Some(states), unknown)
}

/// The compiled pattern; none and an empty one let every id through.
fn pattern(pattern: Option<&StrBytes>) -> Result<Option<Regex>, regex::Error> {
    let Some(pattern) = pattern.filter(|pattern| !pattern.is_empty()) else {
        return Ok(None);
    };
    // On its own first: `a)|(b` must not become valid by what is put around it.
    let compile = |text: &str| {
        RegexBuilder::new(text)
            .size_limit(PATTERN_BYTES_MAX)
            .build()
    };
    compile(pattern)?;
    compile(&format!("^(?:{})$", pattern.as_str())).map(Some)
}

fn response(
    listed: Result<Vec<TransactionListing>, TxnError>,
    unknown: Vec<StrBytes>,
) -> ListTransactionsResponse {
    let response = ListTransactionsResponse::default();
    let listed = match listed {
        Ok(listed) => listed,
        Err(error) => return response.with_error_code(error.kafka_code()),
    };
    let states = listed.iter().map(|listing| {
        ListedState::default()
            .with_transactional_id(TransactionalId(wire(&listing.transactional_id)))
            .with_producer_id(ProducerId(listing.producer_id))
            .with_transaction_state(StrBytes::from_static_str(listing.state.name()))
    });
    response
        .with_unknown_state_filters(unknown)
        .with_transaction_states(states.collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::BytesMut;
    use ringbrook_protocol::Encodable;

    use super::*;

    #[test]
    fn unknown_states_are_told_and_match_nothing() {
        let names = |names: &[&'static str]| -> Vec<StrBytes> {
            names
                .iter()
                .map(|it| StrBytes::from_static_str(it))
                .collect()
        };
        assert_eq!(states(Vec::new()), (None, Vec::new()));
        let (known, unknown) = states(names(&["Ongoing", "ongoing", "Empty"]));
        let expected = vec![TransactionState::Ongoing, TransactionState::Empty];
        assert_eq!(known, Some(expected));
        assert_eq!(unknown, names(&["ongoing"]));
        assert_eq!(states(names(&["x"])).0, Some(Vec::new()));
    }

    #[test]
    fn a_pattern_matches_whole_ids() {
        let compiled = |text| {
            let text = StrBytes::from_static_str(text);
            pattern(Some(&text)).map(|compiled| compiled.expect("a pattern"))
        };
        let alternatives = compiled("a|bc+").unwrap();
        let matching = ["a", "bcc", "ab", "xa", "bc\n"].map(|id| alternatives.is_match(id));
        assert_eq!(matching, [true, true, false, false, false]);
        assert!(pattern(None).unwrap().is_none());
        assert!(
            pattern(Some(&StrBytes::from_static_str("")))
                .unwrap()
                .is_none()
        );
        assert!(compiled("a)|(b").is_err());
        assert!(compiled("(a{1000}){1000}").is_err(), "too large");
    }

    #[test]
    fn answers_can_be_encoded_in_every_version() {
        let listing = TransactionListing {
            transactional_id: Arc::from("id"),
            producer_id: 4,
            state: TransactionState::CompleteAbort,
        };
        for version in 0..=2 {
            let unknown = vec![StrBytes::from_static_str("x")];
            for listed in [
                Ok(vec![listing.clone()]),
                Err(TxnError::CoordinatorLoadInProgress),
            ] {
                response(listed, unknown.clone())
                    .encode(&mut BytesMut::new(), version)
                    .unwrap();
            }
        }
    }
}
