//! What was wrong with connections and requests is counted, and said when the broker stops.

use ringbrook_tests::{TestBroker, Wire};
use rustix::process::Signal;

#[test]
fn bad_frames_and_unknown_requests_are_counted() -> anyhow::Result<()> {
    let mut broker = TestBroker::start()?;
    for _ in 0..3 {
        let mut wire = Wire::connect(broker.address())?;
        wire.send_raw(&(-1i32).to_be_bytes())?;
        assert!(wire.is_closed_by_broker());
    }
    let mut wire = Wire::connect(broker.address())?;
    // API key 9999, version 0, correlation id 1, no client id.
    wire.send_raw(&[0, 0, 0, 10, 0x27, 0x0f, 0, 0, 0, 0, 0, 1, 0xff, 0xff])?;
    assert!(wire.is_closed_by_broker());
    let status = broker.terminate(Signal::TERM)?;
    assert!(status.success(), "{status}");
    let log = broker.log();
    for counted in [
        "4 connections accepted",
        "1 unsupported",
        "4 invalid frames",
    ] {
        assert!(log.contains(counted), "{counted:?} is missing in: {log}");
    }
    Ok(())
}
