//! What has come for one listener and is not taken yet.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use super::{Arrival, Gap, Wakers};
use crate::error::{Error, ErrorKind, Result};

/// The messages for one listener, in their order, within bounds. What comes when it is full is dropped, and a gap stands in its place.
#[derive(Debug)]
pub(crate) struct Inbox(Mutex<State>);

/// What a listener takes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Message(Arrival),
    Gap(Gap),
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Of so many of its topics it is not certain that they are listened to now.
    unconfirmed: usize,
    /// Some of them were not listened to for a while.
    missed: Option<Gap>,
    waiting: VecDeque<Item>,
    messages: usize,
    bytes: usize,
    /// What came last was dropped.
    is_overflowing: bool,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum Phase {
    /// Not all of its topics were ever listened to.
    Joining,
    Listening,
    Over(Option<Error>),
}

/// So many messages may wait.
const MESSAGES: usize = 1024;

/// So many bytes may wait before the last message that is taken in.
const BYTES: usize = 16 * 1024 * 1024;

/// For the listener.
impl Inbox {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            phase: Phase::Joining,
            unconfirmed: 0,
            missed: None,
            waiting: VecDeque::new(),
            messages: 0,
            bytes: 0,
            is_overflowing: false,
            waker: None,
        }))
    }

    /// Waits until all topics are listened to.
    ///
    /// # Errors
    ///
    /// - One of them cannot be.
    pub(crate) fn poll_joined(&self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let mut state = self.state();
        match &state.phase {
            Phase::Joining => {
                state.wait(context);
                Poll::Pending
            }
            Phase::Listening => Poll::Ready(Ok(())),
            Phase::Over(reason) => Poll::Ready(Err(reason
                .clone()
                .unwrap_or_else(|| Error::new(ErrorKind::Unavailable, "the subscriptions were ended").unsent()))),
        }
    }

    /// Takes what came next; `None` after the end.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Item>> {
        let mut state = self.state();
        if let Some(item) = state.waiting.pop_front() {
            if let Item::Message(arrival) = &item {
                state.messages -= 1;
                state.bytes -= weight(arrival);
            }
            return Poll::Ready(Some(item));
        }
        if std::mem::take(&mut state.is_overflowing) {
            return Poll::Ready(Some(Item::Gap(Gap::Lagged)));
        }
        if let Phase::Over(_) = state.phase {
            return Poll::Ready(None);
        }
        state.wait(context);
        Poll::Pending
    }

    /// Gives up waiting for the topics, unless all are listened to by now.
    pub(crate) fn give_up(&self, error: Error) {
        let mut wakers = Wakers::default();
        self.refuse(&error, &mut wakers);
        wakers.wake();
    }
}

/// For the switchboard.
impl Inbox {
    /// Notes that so many topics are still to be listened to.
    pub(super) fn expect(&self, topics: usize) {
        let mut state = self.state();
        state.unconfirmed += topics;
        if state.unconfirmed == 0 && matches!(state.phase, Phase::Joining) {
            state.phase = Phase::Listening;
        }
    }

    /// Notes that one more topic is listened to.
    pub(super) fn confirm(&self, wakers: &mut Wakers) {
        let mut state = self.state();
        state.unconfirmed = state.unconfirmed.saturating_sub(1);
        if state.unconfirmed > 0 {
            return;
        }
        match state.phase {
            Phase::Joining => state.phase = Phase::Listening,
            Phase::Listening => {
                if let Some(gap) = state.missed.take() {
                    state.put_gap(gap);
                }
            }
            Phase::Over(_) => return,
        }
        wakers.add(state.waker.take());
    }

    /// Notes that a topic is not listened to for a while. After that, when all are again, comes a gap.
    pub(super) fn lose(&self, was_confirmed: bool, gap: Gap) {
        let mut state = self.state();
        state.unconfirmed += usize::from(was_confirmed);
        if matches!(state.phase, Phase::Listening) {
            state.missed.get_or_insert(gap);
        }
    }

    /// Ends it if it is still joining; says whether it is over.
    pub(super) fn refuse(&self, error: &Error, wakers: &mut Wakers) -> bool {
        let mut state = self.state();
        if matches!(state.phase, Phase::Joining) {
            state.phase = Phase::Over(Some(error.clone()));
            wakers.add(state.waker.take());
        }
        matches!(state.phase, Phase::Over(_))
    }

    /// Ends it. What has come before is still taken.
    pub(super) fn end(&self, wakers: &mut Wakers) {
        let mut state = self.state();
        if !matches!(state.phase, Phase::Over(_)) {
            state.phase = Phase::Over(None);
        }
        wakers.add(state.waker.take());
    }

    pub(super) fn put(&self, arrival: &Arrival, wakers: &mut Wakers) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Over(_)) {
            return;
        }
        if state.messages >= MESSAGES || state.bytes >= BYTES {
            state.is_overflowing = true;
            return;
        }
        if std::mem::take(&mut state.is_overflowing) {
            state.put_gap(Gap::Lagged);
        }
        state.messages += 1;
        state.bytes += weight(arrival);
        state.waiting.push_back(Item::Message(arrival.clone()));
        wakers.add(state.waker.take());
    }

    /// Never held while something else is locked or awaited.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait(&mut self, context: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(context.waker()),
            None => self.waker = Some(context.waker().clone()),
        }
    }

    /// Two gaps with nothing between them are one.
    fn put_gap(&mut self, gap: Gap) {
        if !self.is_overflowing && !matches!(self.waiting.back(), Some(Item::Gap(_))) {
            self.waiting.push_back(Item::Gap(gap));
        }
    }
}

fn weight(arrival: &Arrival) -> usize {
    arrival.channel.len() + arrival.payload.len()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn arrival(payload: impl Into<Bytes>) -> Arrival {
        Arrival {
            channel: "c".into(),
            pattern: None,
            payload: payload.into(),
        }
    }

    fn listening() -> Inbox {
        let inbox = Inbox::new();
        inbox.expect(0);
        inbox
    }

    fn put(inbox: &Inbox, payload: impl Into<Bytes>) {
        let mut wakers = Wakers::default();
        inbox.put(&arrival(payload), &mut wakers);
        wakers.wake();
    }

    fn take(inbox: &Inbox) -> Poll<Option<Item>> {
        inbox.poll_next(&mut Context::from_waker(Waker::noop()))
    }

    fn takes(inbox: &Inbox, payload: impl Into<Bytes>) -> bool {
        take(inbox) == Poll::Ready(Some(Item::Message(arrival(payload))))
    }

    const LAGGED: Poll<Option<Item>> = Poll::Ready(Some(Item::Gap(Gap::Lagged)));

    #[test]
    fn what_does_not_fit_is_a_gap_in_its_place() {
        let inbox = listening();
        (0..MESSAGES + 5).for_each(|number| put(&inbox, number.to_string()));
        assert!(takes(&inbox, "0"));
        put(&inbox, "late");
        assert!((1..MESSAGES).all(|number| takes(&inbox, number.to_string())));
        assert_eq!(take(&inbox), LAGGED);
        assert!(takes(&inbox, "late"));
        assert!(take(&inbox).is_pending());
    }

    #[test]
    fn who_has_taken_all_learns_of_the_gap_without_another_message() {
        let inbox = listening();
        (0..=MESSAGES).for_each(|_| put(&inbox, "m"));
        assert!((0..MESSAGES).all(|_| takes(&inbox, "m")));
        assert_eq!(take(&inbox), LAGGED);
        assert!(take(&inbox).is_pending());
    }

    #[test]
    fn bytes_are_bounded_but_for_the_last_message() {
        let inbox = listening();
        let large = Bytes::from(vec![b'x'; BYTES]);
        put(&inbox, large.clone());
        put(&inbox, "small");
        assert!(takes(&inbox, large));
        assert_eq!(take(&inbox), LAGGED);
        put(&inbox, "small");
        assert!(takes(&inbox, "small"));
    }

    #[test]
    fn a_loss_of_several_topics_is_one_gap_after_all_are_back() {
        let mut wakers = Wakers::default();
        let inbox = listening();
        inbox.lose(true, Gap::ConnectionLost);
        inbox.lose(true, Gap::ConnectionLost);
        inbox.confirm(&mut wakers);
        put(&inbox, "of the first");
        assert!(takes(&inbox, "of the first") && take(&inbox).is_pending());
        inbox.confirm(&mut wakers);
        wakers.wake();
        assert_eq!(take(&inbox), Poll::Ready(Some(Item::Gap(Gap::ConnectionLost))));
        assert!(take(&inbox).is_pending());
    }

    #[test]
    fn who_never_joined_is_refused_and_who_listens_is_not() {
        let mut wakers = Wakers::default();
        let error = Error::unavailable("gone");
        let (joining, listening) = (Inbox::new(), listening());
        joining.expect(1);
        assert!(joining.refuse(&error, &mut wakers) && !listening.refuse(&error, &mut wakers));
        wakers.wake();
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(joining.poll_joined(&mut context), Poll::Ready(Err(error)));
        assert_eq!(listening.poll_joined(&mut context), Poll::Ready(Ok(())));
    }

    #[test]
    fn what_came_before_the_end_is_still_taken() {
        let inbox = listening();
        put(&inbox, "last");
        let mut wakers = Wakers::default();
        inbox.end(&mut wakers);
        wakers.wake();
        put(&inbox, "too late");
        assert!(takes(&inbox, "last"));
        assert_eq!(take(&inbox), Poll::Ready(None));
    }
}
