//! How an idempotent producer comes by its producer id.

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::InitProducerIdRequest;

use super::{Event, Sender};
use crate::cluster::{Backoff, Cluster, Target};
use crate::error::{BrokerError, ClientError};
use crate::producer::sequences::ProducerId;

impl Sender {
    /// Brings the numbers in order before anything is sent. Returns whether something may be sent:
    /// not before there is a producer id.
    pub(super) fn settle_sequences(&mut self) -> bool {
        let Some(mut sequences) = self.shared.sequences() else {
            return true;
        };
        let is_settled = sequences.settle();
        let has_producer = sequences.producer().is_some();
        drop(sequences);
        if !is_settled {
            self.lose_sequences();
        }
        let is_transactional = self.shared.config.transactional_id.is_some();
        if !has_producer && !is_transactional && !self.is_asking_producer_id && self.is_id_due() {
            self.is_asking_producer_id = true;
            let cluster = self.shared.cluster.clone();
            let asking = async move { Event::ProducerId(ask(&cluster).await) };
            self.tasks.push(Box::pin(asking));
        }
        has_producer
    }

    /// After a refusal nobody asks without need, and never after one for good.
    fn is_id_due(&self) -> bool {
        let accumulator = self.shared.accumulator();
        let is_wanted = !self.is_producer_id_refused || accumulator.has_incomplete();
        is_wanted && !accumulator.is_refusing()
    }

    pub(super) fn producer_id_answered(&mut self, answer: Result<ProducerId, ClientError>) {
        self.is_asking_producer_id = false;
        self.is_producer_id_refused = answer.as_ref().is_err_and(may_be_allowed_later);
        match answer {
            Ok(producer) => {
                if let Some(mut sequences) = self.shared.sequences() {
                    sequences.set_producer(producer);
                }
            }
            Err(error) if self.is_producer_id_refused => self.fail_waiting(&error),
            Err(error) => self.fail_for_good(&error),
        }
    }
}

/// Whether somebody may give this producer the right to an id, so that it need not be made anew.
fn may_be_allowed_later(error: &ClientError) -> bool {
    matches!(
        error.response_error(),
        Some(
            ResponseError::ClusterAuthorizationFailed
                | ResponseError::TransactionalIdAuthorizationFailed
        )
    )
}

/// Asks until there is an answer that is not worth another attempt.
async fn ask(cluster: &Cluster) -> Result<ProducerId, ClientError> {
    let mut backoff = Backoff::of_retries(cluster.config());
    loop {
        match ask_once(cluster).await {
            Err(error) if error.is_retriable() => {
                cluster.note_error(Target::Any, &error);
                tokio::time::sleep(backoff.next_pause()).await;
            }
            answered => return answered,
        }
    }
}

async fn ask_once(cluster: &Cluster) -> Result<ProducerId, ClientError> {
    let build = |_| {
        Ok(InitProducerIdRequest::default()
            .with_transactional_id(None)
            .with_transaction_timeout_ms(i32::MAX))
    };
    let answer = cluster
        .call::<InitProducerIdRequest>(Target::Any, i16::MAX, build)
        .await?;
    BrokerError::check(answer.error_code, "asking for a producer id")?;
    Ok(ProducerId {
        id: answer.producer_id.0,
        epoch: answer.producer_epoch,
    })
}
