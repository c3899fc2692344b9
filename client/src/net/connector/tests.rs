//! All addresses of a name are tried.

use tokio::net::TcpListener;
use tokio::time::Instant;

use super::*;

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 9092))
}

#[tokio::test(start_paused = true)]
async fn a_dead_address_costs_a_head_start_and_a_refused_one_nothing() {
    let addresses: Vec<_> = (0..4).map(address).collect();
    let started = Instant::now();
    let reached = first_of(&addresses, async |it| match it {
        it if it == address(0) => std::future::pending().await,
        it if it == address(1) => Err(io::ErrorKind::ConnectionRefused.into()),
        it => Ok(it),
    });
    assert_eq!(reached.await.unwrap(), address(2));
    assert_eq!(started.elapsed(), HEAD_START);
}

#[tokio::test(start_paused = true)]
async fn a_slow_address_may_still_be_the_first() {
    let addresses = [address(0), address(1)];
    let reached = first_of(&addresses, async |it| {
        let is_first = it == address(0);
        tokio::time::sleep(if is_first { 3 } else { 9 } * HEAD_START).await;
        Ok(it)
    });
    assert_eq!(reached.await.unwrap(), address(0));
}

#[tokio::test(start_paused = true)]
async fn the_last_error_is_told_when_none_answers() {
    let addresses = [address(0), address(1)];
    let failed = first_of::<()>(&addresses, async |it| Err(io::Error::other(it.to_string())));
    assert_eq!(failed.await.unwrap_err().to_string(), "10.0.0.1:9092");
    let failed = first_of::<()>(&[], async |_| unreachable!("there is no address"));
    assert_eq!(failed.await.unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn names_are_resolved() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let host = "localhost".to_owned();
    let connected = TcpConnector.connect(&HostPort { host, port }).await;
    assert!(connected.is_ok());
}
