//! Integration tests, against real servers that they start and end themselves.

#![expect(missing_docs, reason = "tests are named by what they show")]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failed expectation is a failed test, in the support as well"
)]

mod support;

mod lifecycle;
mod outage;
