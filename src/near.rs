//! The near cache: what was read lately, kept in this process for as long as the server would tell if it changed.
//!
//! Plain data: time is an argument, and nothing here asks anybody. [`transport`](crate::transport) fills it, and follows the server's messages
//! (`tracking`). Four rules make it gap-proof:
//!
//! - a value is stored only with a [`Ticket`] that was taken before it was asked for. Whatever happened to its key since, or to the whole
//!   cache, has made the ticket void (`stamps`);
//! - it is served only while a heartbeat on the very connection that brings the messages is young enough (`lease`);
//! - whenever a message may have been missed everything is emptied, for a [`Reason`];
//! - it is empty when serving begins again.

#[cfg(not(feature = "near-cache"))]
mod absent;
#[cfg(feature = "near-cache")]
mod cache;
#[cfg(feature = "near-cache")]
mod flushes;
#[cfg(feature = "near-cache")]
mod held;
#[cfg(feature = "near-cache")]
mod lease;
mod owed;
#[cfg(feature = "near-cache")]
mod shelf;
#[cfg(feature = "near-cache")]
mod stamps;

use std::sync::Arc;

#[cfg(not(feature = "near-cache"))]
pub(crate) use self::absent::{Held, Near};
pub(crate) use self::owed::Owed;
#[cfg(feature = "near-cache")]
pub(crate) use self::{cache::Near, held::Held};

/// A time, in nanoseconds since the near cache was made. It fits into an atomic word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// The right to store one value, unless it was overtaken meanwhile.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "near-cache"), expect(dead_code, reason = "nobody takes one then"))]
pub(crate) struct Ticket {
    /// Where its key's stamp stands.
    stripe: usize,
    stamp: u64,
    epoch: u64,
    taken: Moment,
}

/// Why everything was emptied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "near-cache"),
    expect(dead_code, reason = "there is nothing to empty then")
)]
pub(crate) enum Reason {
    /// The connection that brings the server's messages has ended, or did not answer.
    FeedLost,
    /// There is a new one.
    FeedBegins,
    /// More messages came at once than could be kept.
    Lagged,
    /// The server has emptied a database.
    ServerFlushed,
    /// Calls are refused, or were.
    Outage,
    /// The manager was disconnected.
    Disconnected,
    /// Another server serves what this one did: slots of a cluster, or a new master.
    Moved,
}

/// Whether the near cache serves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(feature = "near-cache"), expect(dead_code, reason = "there is none then"))]
pub(crate) enum Condition {
    /// The first read will have it begin.
    Idle,
    Serving,
    /// It does not, for this reason.
    Unavailable(Arc<str>),
}

/// Larger values are not stored.
#[cfg_attr(not(feature = "near-cache"), expect(dead_code, reason = "nothing is stored then"))]
const LARGE: usize = 1024 * 1024;
