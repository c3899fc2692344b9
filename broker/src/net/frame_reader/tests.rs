//! The reader against a real socket.

use proptest::prelude::*;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;

const PRODUCE: i16 = 0;
const HEARTBEAT: i16 = 12;

/// A frame of API `api_key` with `body_bytes` bytes behind its prefix.
fn frame(api_key: i16, correlation_id: i32, body_bytes: usize) -> Vec<u8> {
    let length = i32::try_from(PREFIX_BYTES + body_bytes).expect("small");
    let mut frame = length.to_be_bytes().to_vec();
    frame.extend(api_key.to_be_bytes());
    frame.extend(9i16.to_be_bytes());
    frame.extend(correlation_id.to_be_bytes());
    frame.extend((0..body_bytes).map(|place| u8::try_from(place % 251).expect("below 251")));
    frame
}

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.expect("connects"), server.expect("accepts").0)
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(test)
}

/// What the reader makes of `bytes`, sent in pieces, and of the end of the stream behind them.
fn read(bytes: &[u8], pieces: &[usize]) -> (Vec<Frame>, Result<(), ReadError>) {
    run(async {
        let (mut client, server) = pair().await;
        let send = async {
            let mut rest = bytes;
            for piece in pieces.iter().cycle() {
                let (now, later) = rest.split_at((*piece).min(rest.len()));
                // A reader that has refused the stream is gone.
                if client.write_all(now).await.is_err() || later.is_empty() {
                    break;
                }
                rest = later;
                tokio::task::yield_now().await;
            }
            drop(client);
        };
        let receive = async {
            let mut reader =
                FrameReader::new(FrameLimits::new(1024 * 1024), RequestMemory::new(1 << 30));
            let mut frames = Vec::new();
            let end = loop {
                match reader.next(&server).await {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            drop(server);
            (frames, end)
        };
        tokio::join!(send, receive).1
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_arrive_whole_however_the_stream_is_cut(
        sizes in prop::collection::vec(0usize..100_000, 1..8),
        pieces in prop::collection::vec(1usize..40_000, 1..6),
    ) {
        let sent: Vec<Vec<u8>> =
            sizes.iter().zip(0..).map(|(size, id)| frame(PRODUCE, id, *size)).collect();
        let (frames, end) = read(&sent.concat(), &pieces);
        prop_assert!(end.is_ok());
        prop_assert_eq!(frames.len(), sent.len());
        for ((frame, sent), id) in frames.iter().zip(&sent).zip(0..) {
            prop_assert_eq!(frame.prefix.correlation_id, id);
            prop_assert_eq!(&frame.bytes[..], &sent[LENGTH_BYTES..]);
        }
    }
}

#[test]
fn a_stream_that_ends_in_a_frame_is_truncated() {
    let sent = frame(PRODUCE, 1, 100);
    let (frames, end) = read(&sent[..50], &[50]);
    assert!(frames.is_empty());
    assert!(
        matches!(
            end,
            Err(ReadError::Truncated {
                received: 50,
                expected: 112
            })
        ),
        "{end:?}"
    );
}

#[test]
fn lengths_that_no_request_has_are_refused() {
    for length in [i32::MIN, -1, 0, 7, 2 * 1024 * 1024, i32::MAX] {
        let (frames, end) = read(&length.to_be_bytes(), &[4]);
        assert!(frames.is_empty());
        assert!(
            matches!(end, Err(ReadError::Protocol(_))),
            "{length}: {end:?}"
        );
    }
}

#[test]
fn a_frame_larger_than_its_api_allows_is_refused_before_it_is_read() {
    let sent = frame(HEARTBEAT, 1, 900_000);
    let (frames, end) = read(&sent[..LENGTH_BYTES + PREFIX_BYTES], &[64]);
    assert!(frames.is_empty());
    assert!(matches!(end, Err(ReadError::Protocol(_))), "{end:?}");
}

#[test]
fn an_announced_frame_gets_memory_only_as_it_arrives() {
    run(async {
        let (mut client, server) = pair().await;
        let mut reader = FrameReader::new(
            FrameLimits::new(100 * 1024 * 1024),
            RequestMemory::new(1 << 30),
        );
        let announced = frame(PRODUCE, 1, 0);
        let mut head = announced;
        head[..LENGTH_BYTES].copy_from_slice(&(64i32 * 1024 * 1024).to_be_bytes());
        client.write_all(&head).await.expect("sent");
        let waited =
            tokio::time::timeout(std::time::Duration::from_millis(50), reader.next(&server));
        assert!(waited.await.is_err(), "nothing more comes");
        assert!(
            reader.buf.capacity() <= 2 * UNPROVEN_BYTES_MAX,
            "{}",
            reader.buf.capacity()
        );
    });
}

#[test]
fn a_large_frame_waits_for_request_memory_before_it_is_read_on() {
    run(async {
        let (mut client, server) = pair().await;
        let memory = RequestMemory::new(1024 * 1024);
        let taken = memory.try_acquire(1024 * 1024).ok().flatten();
        let mut reader = FrameReader::new(FrameLimits::new(1024 * 1024), memory);
        let sent = frame(PRODUCE, 1, 900_000);
        let receive = async {
            let waited = tokio::time::timeout(Duration::from_millis(100), reader.next(&server));
            assert!(waited.await.is_err(), "there is no memory for the frame");
            assert!(
                reader.buf.capacity() <= 2 * UNPROVEN_BYTES_MAX,
                "{}",
                reader.buf.capacity()
            );
            drop(taken);
            reader.next(&server).await
        };
        let (sent_all, received) = tokio::join!(client.write_all(&sent), receive);
        sent_all.expect("sent");
        let received = received.expect("a frame").expect("no end");
        assert_eq!(&received.bytes[..], &sent[LENGTH_BYTES..]);
        assert!(received.memory.is_some());
    });
}

#[test]
fn a_connection_that_keeps_memory_and_sends_nothing_is_ended() {
    run(async {
        tokio::time::pause();
        let (mut client, server) = pair().await;
        let memory = RequestMemory::new(1024 * 1024);
        let mut reader = FrameReader::new(FrameLimits::new(1024 * 1024), memory.clone());
        let sent = frame(PRODUCE, 1, 900_000);
        client
            .write_all(&sent[..UNPROVEN_BYTES_MAX])
            .await
            .expect("sent");
        let ended = reader.next(&server).await;
        assert!(matches!(ended, Err(ReadError::Stalled)), "{ended:?}");
        drop(reader);
        assert!(
            memory.try_acquire(1024 * 1024).is_ok(),
            "the memory is given back"
        );
    });
}
