//! Boxes for fred's futures, used again and again.
//!
//! Such a future is some 6 KB and nested deeply: without a box around it callers could not compile theirs. To allocate and free a box of that size for
//! each call costs a fifth of the throughput of 64 concurrent callers; so each thread keeps some for the next calls.

use std::{
    cell::RefCell,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use tokio_util::sync::ReusableBoxFuture;

use super::failure::Failure;
use crate::reply::Reply;

/// What comes of a command.
pub(super) type Outcome = Result<Reply, Failure>;

/// A command on its way.
#[must_use = "futures do nothing unless polled"]
pub(super) enum Sending<'a> {
    Plain(Reused),
    Special(Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>),
}

/// A future in a box that is used again when the future has ended.
pub(super) struct Reused(Option<ReusableBoxFuture<'static, Outcome>>, Shelf);

/// Futures of one kind are equally large, so that one's box fits the other.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shelf {
    Get,
    Set,
    List,
    Any,
}

/// So many boxes of a kind a thread keeps at most.
const KEPT: usize = 128;

thread_local! {
    static IDLE: RefCell<[Vec<ReusableBoxFuture<'static, Outcome>>; 4]> = const { RefCell::new([const { Vec::new() }; 4]) };
}

impl Reused {
    pub(super) fn new(shelf: Shelf, future: impl Future<Output = Outcome> + Send + 'static) -> Self {
        let idle = IDLE
            .try_with(|idle| shelf.of(&mut idle.borrow_mut()).pop())
            .ok()
            .flatten();
        let boxed = match idle {
            Some(mut idle) => {
                idle.set(future);
                idle
            }
            None => ReusableBoxFuture::new(future),
        };
        Self(Some(boxed), shelf)
    }
}

impl Shelf {
    fn of<T>(self, shelves: &mut [T; 4]) -> &mut T {
        let [get, set, list, any] = shelves;
        match self {
            Self::Get => get,
            Self::Set => set,
            Self::List => list,
            Self::Any => any,
        }
    }
}

impl Future for Reused {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let Some(future) = &mut self.0 else {
            return Poll::Pending;
        };
        let Poll::Ready(outcome) = future.poll(context) else {
            return Poll::Pending;
        };
        if let Some(ended) = self.0.take() {
            // A thread that ends keeps nothing any more.
            let _kept = IDLE.try_with(|idle| {
                let mut idle = idle.borrow_mut();
                let idle = self.1.of(&mut idle);
                if idle.len() < KEPT {
                    idle.push(ended);
                }
            });
        }
        Poll::Ready(outcome)
    }
}

impl Future for Sending<'_> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        match self.get_mut() {
            Self::Plain(future) => Pin::new(future).poll(context),
            Self::Special(future) => future.as_mut().poll(context),
        }
    }
}

impl fmt::Debug for Sending<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sending")
    }
}
