//! Writes a log dir that Kafka's `DumpLogSegments` reads in tests/clients/format: see `writer`.
//!
//!     cargo run --example every_file -- DIR [killed]
//!
//! With `killed` the process ends as if it were killed: nothing is closed.

mod writer;

fn main() -> writer::Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next().ok_or("usage: every_file DIR [killed]")?;
    let is_killed = match arguments.next().as_deref() {
        None => false,
        Some("killed") => true,
        Some(other) => return Err(format!("{other} is unknown").into()),
    };
    let manager = writer::write(dir.into())?;
    if is_killed {
        std::process::exit(0);
    }
    manager.shutdown()?;
    Ok(())
}
