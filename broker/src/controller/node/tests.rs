//! How submissions become batches.

use super::*;

fn submission(encoded_bytes: usize) -> Submission {
    let (reply, _) = oneshot::channel();
    let command = Command::AllocateProducerIds { broker_id: 1 };
    Submission {
        command,
        encoded_bytes,
        reply,
    }
}

fn queue(sizes: &[usize]) -> mpsc::Receiver<Submission> {
    let (sender, receiver) = mpsc::channel(sizes.len().max(1));
    for size in sizes {
        sender.try_send(submission(*size)).unwrap();
    }
    receiver
}

fn sizes(batch: &[Submission]) -> Vec<usize> {
    batch
        .iter()
        .map(|submission| submission.encoded_bytes)
        .collect()
}

#[test]
fn a_batch_takes_what_waits() {
    let mut waiting = queue(&[1, 2, 3]);
    let (batch, carried_over) = fill_batch(submission(9), &mut waiting);
    assert_eq!(sizes(&batch), [9, 1, 2, 3]);
    assert!(carried_over.is_none());
}

#[test]
fn a_batch_ends_at_its_byte_limit() {
    let half = BATCH_BYTES_MAX / 2;
    let mut waiting = queue(&[half, 1, 2]);
    let (batch, carried_over) = fill_batch(submission(half), &mut waiting);
    assert_eq!(sizes(&batch), [half, half]);
    let (batch, carried_over) = fill_batch(carried_over.unwrap(), &mut waiting);
    assert_eq!(
        sizes(&batch),
        [1, 2],
        "what did not fit begins the next batch"
    );
    assert!(carried_over.is_none());
}

#[test]
fn a_command_above_the_batch_limit_goes_alone() {
    let mut waiting = queue(&[1]);
    let (batch, carried_over) = fill_batch(submission(COMMAND_BYTES_MAX), &mut waiting);
    assert_eq!(sizes(&batch), [COMMAND_BYTES_MAX]);
    assert_eq!(carried_over.unwrap().encoded_bytes, 1);
}

#[test]
fn a_batch_ends_at_its_command_limit() {
    let mut waiting = queue(&vec![1; BATCH_COMMANDS_MAX]);
    let (batch, carried_over) = fill_batch(submission(1), &mut waiting);
    assert_eq!(batch.len(), BATCH_COMMANDS_MAX);
    assert!(carried_over.is_none());
    assert_eq!(waiting.len(), 1);
}
