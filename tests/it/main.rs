//! Integration tests, against real servers that they start and end themselves.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failed expectation is a failed test, in the support as well"
)]
#![expect(unreachable_pub, reason = "what the support offers to the tests is marked so")]

mod support;

#[cfg(feature = "testing")]
mod cache_store;
mod face;
mod hostile;
mod layering;
mod lifecycle;
mod outage;
mod secrets;
mod servers;
mod spans;
mod surface;
