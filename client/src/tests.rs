//! Tests of producer, consumer and admin client together, over the fake cluster.

mod chaos;
mod connectors;
mod errors;
