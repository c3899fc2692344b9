//! Tests of one partition's log, over the simulated disk unless a file says otherwise.

mod appends;
mod producers;
mod reopens;
mod support;
