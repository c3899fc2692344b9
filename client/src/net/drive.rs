//! The one task of a connection: writes frames in the order they come, reads answers, watches the
//! time. It ends with the last handle, or when the broker hangs up.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::IoStream;
use super::connection::Shared;
use super::frame::{Frame, LENGTH_BYTES};
use super::in_flight::Expired;

/// The longest response that is believed. A fetch may exceed `fetch.max.bytes` by one batch.
const RESPONSE_BYTES_MAX: usize = 512 * 1024 * 1024;
/// What is set aside for a response at once; a longer one grows as its bytes come.
const RESERVE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What is read at once when no long response is under way.
const READ_BYTES: usize = 64 * 1024;
/// With less room than this a new piece of memory is taken.
const SPARE_BYTES_MIN: usize = 8 * 1024;
/// How many frames are taken from the queue at once, to be sent with as few calls as possible.
const FRAMES_AT_ONCE: usize = 64;
/// How many pieces of memory are sent with one call.
const PIECES_AT_ONCE: usize = 64;
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

pub(super) type Stream = Pin<Box<dyn IoStream>>;

/// Moves a connection's bytes until it ends.
pub(super) async fn drive(
    shared: Arc<Shared>,
    stream: Stream,
    requests: mpsc::UnboundedReceiver<Frame>,
) {
    let (reader, writer) = tokio::io::split(stream);
    let reason = tokio::select! {
        reason = read(&shared, reader) => reason,
        reason = write(&shared, writer, requests) => reason,
        reason = watch_time(&shared) => reason,
        () = shared.closing.notified() => return,
    };
    shared.end(&reason);
}

/// Waits until time ends the connection; returns why.
async fn watch_time(shared: &Shared) -> String {
    loop {
        let wakes_at = shared.lock().next_wake();
        let timer = async {
            match wakes_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = timer => {}
            () = shared.nearer.notified() => continue,
        }
        let expired = shared.lock().expired(Instant::now());
        match expired {
            Some(Expired::Idle) => return "it has been idle for too long".to_owned(),
            // The broker may still work on it; nothing behind it would be answered in time either.
            Some(Expired::Unanswered { api, timeout }) => {
                return format!("no answer to {api:?} within {timeout:?}");
            }
            None => {}
        }
    }
}

/// Writes until all handles are gone and nobody awaits an answer; returns why it ends.
async fn write(
    shared: &Shared,
    mut writer: WriteHalf<Stream>,
    mut requests: mpsc::UnboundedReceiver<Frame>,
) -> String {
    if let Err(error) = write_all(&mut writer, &mut requests).await {
        return error.to_string();
    }
    while shared.lock().is_awaited() {
        shared.answered.notified().await;
    }
    // A peer that is gone or does not read hears no goodbye.
    tokio::time::timeout(GOODBYE, writer.shutdown()).await.ok();
    "it is not used any more".to_owned()
}

async fn write_all(
    writer: &mut WriteHalf<Stream>,
    requests: &mut mpsc::UnboundedReceiver<Frame>,
) -> io::Result<()> {
    let mut frames = Vec::with_capacity(FRAMES_AT_ONCE);
    let mut pieces = VecDeque::new();
    while 0 < requests.recv_many(&mut frames, FRAMES_AT_ONCE).await {
        for frame in frames.drain(..) {
            frame.append_to(&mut pieces);
        }
        while !pieces.is_empty() {
            let written = write_some(writer, &pieces).await?;
            advance(&mut pieces, written);
        }
        if requests.is_empty() {
            writer.flush().await?;
        }
    }
    Ok(())
}

/// Writes the beginning of the pieces with one call; returns how many bytes went.
async fn write_some(writer: &mut WriteHalf<Stream>, pieces: &VecDeque<Bytes>) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); PIECES_AT_ONCE];
    let count = pieces.len().min(slices.len());
    for (slice, piece) in slices.iter_mut().zip(pieces) {
        *slice = IoSlice::new(piece);
    }
    match writer.write_vectored(&slices[..count]).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        written => Ok(written),
    }
}

fn advance(pieces: &mut VecDeque<Bytes>, mut bytes: usize) {
    while let Some(piece) = pieces.front_mut() {
        if bytes < piece.len() {
            piece.advance(bytes);
            return;
        }
        bytes -= piece.len();
        pieces.pop_front();
    }
}

/// Reads until the connection ends; returns why.
async fn read(shared: &Shared, mut reader: ReadHalf<Stream>) -> String {
    let mut buffer = BytesMut::new();
    loop {
        let missing = loop {
            match next_frame(&mut buffer) {
                Ok(Next::Frame(frame)) => {
                    if let Err(reason) = shared.answer(frame) {
                        return reason;
                    }
                }
                Ok(Next::Missing(bytes)) => break bytes,
                Err(reason) => return reason,
            }
        };
        make_room(&mut buffer, missing);
        match reader.read_buf(&mut buffer).await {
            Ok(0) => return "closed by the broker".to_owned(),
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
    }
}

/// Room for what is known to come. While there is some of it, what is left of the memory is read
/// into: frames that are not yet decoded keep it from being used again.
fn make_room(buffer: &mut BytesMut, missing: usize) {
    let spare = buffer.capacity() - buffer.len();
    if spare < missing.clamp(SPARE_BYTES_MIN, RESERVE_BYTES_MAX) {
        buffer.reserve(missing.clamp(READ_BYTES, RESERVE_BYTES_MAX));
    }
}

enum Next {
    Frame(Bytes),
    /// At least so many bytes have to come first.
    Missing(usize),
}

fn next_frame(buffer: &mut BytesMut) -> Result<Next, String> {
    let Some(length) = buffer.first_chunk().map(|bytes| i32::from_be_bytes(*bytes)) else {
        return Ok(Next::Missing(LENGTH_BYTES - buffer.len()));
    };
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= RESPONSE_BYTES_MAX)
        .ok_or_else(|| format!("a response of {length} bytes: this is not Kafka's protocol"))?;
    let end = LENGTH_BYTES + length;
    if buffer.len() < end {
        return Ok(Next::Missing(end - buffer.len()));
    }
    let mut frame = buffer.split_to(end).freeze();
    Ok(Next::Frame(frame.split_off(LENGTH_BYTES)))
}
