//! Many commands, put into a client's queue one after the other.

use std::{
    pin::Pin,
    task::{self, Poll, Waker},
};

/// Sends all, and waits for all outcomes.
///
/// The first poll of each puts it into the client's queue. Replies come in the order of commands, so it is enough to be woken for the last.
pub(super) async fn in_order<F: Future + Unpin>(mut sending: Vec<F>) -> Vec<F::Output> {
    let send = |sending: &mut F| {
        let mut nobody = task::Context::from_waker(Waker::noop());
        match Pin::new(sending).poll(&mut nobody) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    };
    let mut outcomes: Vec<_> = sending.iter_mut().map(send).collect();
    for (outcome, sending) in outcomes.iter_mut().zip(&mut sending).rev() {
        if outcome.is_none() {
            *outcome = Some(sending.await);
        }
    }
    outcomes.into_iter().flatten().collect()
}
