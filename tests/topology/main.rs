//! Sentinel and Cluster, as real processes that the tests start, hurt and end.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failed expectation is a failed test, in the support as well"
)]
#![expect(unreachable_pub, reason = "what the support offers to the tests is marked so")]

#[expect(dead_code, reason = "it is there for the other tests too")]
#[path = "../it/support.rs"]
mod support;

mod cluster;
mod deployment;
mod pubsub;

mod fixtures;
mod sentinel;
