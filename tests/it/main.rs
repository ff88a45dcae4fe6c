//! Integration tests, against real servers that they start and end themselves.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failed expectation is a failed test, in the support as well"
)]
#![expect(unreachable_pub, reason = "what the support offers to the tests is marked so")]

mod support;

#[macro_use]
mod face;

mod bad_input;
mod batches;
mod batching;
mod blocking;
#[cfg(feature = "testing")]
mod cache_store;
#[cfg(feature = "macros")]
mod cached;
mod capabilities;
mod codecs;
mod entities;
mod guest;
mod hostile;
mod journal;
mod json_module;
mod layering;
mod lifecycle;
#[cfg(feature = "near-cache")]
mod near;
mod operations;
mod outage;
mod pubsub;
mod rights;
mod scans;
mod scripts;
mod secrets;
mod servers;
mod service;
mod sockets;
mod spans;
mod surface;
#[cfg(feature = "tls")]
mod tls;
mod typed_keys;
mod typed_values;
