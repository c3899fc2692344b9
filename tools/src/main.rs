//! The program `rbk`; everything it does is in the library beside it.

use std::process::ExitCode;

/// Allocates faster than glibc when many records pass, and refuses absurd sizes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ringbrook_tools::main(std::env::args_os())
}
