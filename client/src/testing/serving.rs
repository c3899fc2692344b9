//! A fake broker's side of a connection: reads requests as they come, answers them in order.

use std::io;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::fake_cluster::Shared;
use super::metadata::NodeState;
use super::reply::{Content, Fate, Prepared};
use super::{Asked, builtin};

/// Serves a node's TCP connections until the runtime ends.
pub(super) async fn accept(shared: Arc<Shared>, node: i32, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = {
            let mut state = shared.lock();
            let node = state.nodes.node_mut(node);
            node.attempts.push(tokio::time::Instant::now());
            node.state
        };
        match state {
            NodeState::Up => drop(tokio::spawn(serve(Arc::clone(&shared), node, stream))),
            NodeState::Refusing => drop(stream),
            NodeState::Silent => {
                tokio::spawn(async move {
                    let _open = stream;
                    std::future::pending::<()>().await;
                });
            }
        }
    }
}

/// Serves one connection. Requests are noted as they come, however slow the answers are; those that
/// came before the client hung up are still worked on.
pub(super) async fn serve<S: AsyncRead + AsyncWrite>(shared: Arc<Shared>, node: i32, stream: S) {
    let (connection, mut incarnation) = {
        let mut state = shared.lock();
        let connection = state.nodes.next_connection();
        let node = state.nodes.node_mut(node);
        node.connections_count += 1;
        (connection, node.incarnation.subscribe())
    };
    shared.tell();
    incarnation.mark_unchanged();
    let (reader, writer) = tokio::io::split(stream);
    let (requests, queue) = mpsc::unbounded_channel();
    let reading = async {
        // The client has hung up, or sent half a frame.
        read(&shared, (node, connection), reader, requests)
            .await
            .ok();
        std::future::pending().await
    };
    tokio::select! {
        () = reading => {}
        _ = write(&shared, writer, queue) => {}
        _ = incarnation.changed() => {}
    }
    shared.lock().nodes.node_mut(node).connections_count -= 1;
    shared.tell();
}

async fn read<S: AsyncRead>(
    shared: &Shared,
    (node, connection): (i32, u64),
    mut reader: ReadHalf<S>,
    requests: mpsc::UnboundedSender<(Asked, Prepared)>,
) -> io::Result<()> {
    loop {
        let frame_bytes = reader.read_i32().await?;
        let mut frame = vec![0; usize::try_from(frame_bytes).expect("a frame has a length")];
        reader.read_exact(&mut frame).await?;
        let asked = Asked::parse(node, connection, Bytes::from(frame));
        let prepared = shared.reply_to(&asked);
        if requests.send((asked, prepared)).is_err() {
            return Ok(());
        }
    }
}

async fn write<S: AsyncWrite>(
    shared: &Shared,
    mut writer: WriteHalf<S>,
    mut requests: mpsc::UnboundedReceiver<(Asked, Prepared)>,
) -> io::Result<()> {
    let mut held_back = BytesMut::new();
    while let Some((asked, prepared)) = requests.recv().await {
        let Prepared {
            content,
            fate,
            delay,
            gate,
        } = prepared;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if let Some(gate) = gate {
            gate.passed().await;
        }
        let is_builtin = matches!(content, Content::Builtin(_));
        let frame = match content {
            Content::Nothing => None,
            Content::Raw(bytes) => Some(bytes),
            Content::Body(body) => Some(framed(&asked, fate, &body(&asked))),
            Content::Builtin(change) => {
                let body = builtin::answer(shared, &asked).await;
                let body = body.map(|body| match change {
                    Some(change) => change(&asked, body),
                    None => body,
                });
                body.map(|body| framed(&asked, fate, &body))
            }
        };
        match (fate, frame) {
            (Fate::CutAfter(bytes), frame) => {
                let frame = frame.unwrap_or_default();
                writer.write_all(&frame[..bytes.min(frame.len())]).await?;
                return writer.flush().await;
            }
            (Fate::Arrives | Fate::Misnumbered(_), Some(frame)) => {
                writer.write_all(&frame).await?;
                writer.write_all(&held_back.split()).await?;
                writer.flush().await?;
            }
            (Fate::AfterNext, Some(frame)) => held_back.put_slice(&frame),
            // One-way requests are not answered.
            (Fate::Arrives, None) if is_builtin => {}
            (_, _) => {
                // Nor is what comes behind it: answers have an order.
                while requests.recv().await.is_some() {}
            }
        }
    }
    Ok(())
}

fn framed(asked: &Asked, fate: Fate, body: &[u8]) -> Bytes {
    let correlation_id = match fate {
        Fate::Misnumbered(by) => asked.correlation_id.wrapping_add(by),
        _ => asked.correlation_id,
    };
    let mut frame = BytesMut::new();
    frame.put_i32(0);
    frame.put_i32(correlation_id);
    if 1 <= asked.api.response_header_version(asked.version) {
        frame.put_u8(0);
    }
    frame.put_slice(body);
    let length = i32::try_from(frame.len() - 4).expect("an answer is small");
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame.freeze()
}
