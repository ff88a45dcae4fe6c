//! Which listener gets what. Many who listen to one topic are one to the server.

use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
};

use super::{Arrival, Gap, Inbox, Kind, Topic, Wakers};
use crate::error::Error;

/// Topics, with who listens to them and where they come from.
#[derive(Debug)]
pub(crate) struct Switchboard<P> {
    topics: HashMap<Topic, Entry<P>>,
    /// Those that come from nowhere yet, or not any more. Some may have a place by now, or be gone.
    unplaced: Vec<Topic>,
}

#[derive(Debug)]
struct Entry<P> {
    inboxes: Vec<Arc<Inbox>>,
    /// Where it comes from.
    place: Option<P>,
    /// It certainly does, now.
    is_confirmed: bool,
}

impl<P> Default for Switchboard<P> {
    fn default() -> Self {
        Self {
            topics: HashMap::new(),
            unplaced: Vec::new(),
        }
    }
}

/// For listeners.
impl<P: Copy + PartialEq> Switchboard<P> {
    pub(crate) fn join(&mut self, inbox: &Arc<Inbox>, topics: &[Topic]) {
        let mut unconfirmed = 0;
        for topic in topics {
            let entry = self.topics.entry(topic.clone());
            if let hash_map::Entry::Vacant(_) = entry {
                self.unplaced.push(topic.clone());
            }
            let entry = entry.or_insert_with(|| Entry {
                inboxes: Vec::new(),
                place: None,
                is_confirmed: false,
            });
            entry.inboxes.push(Arc::clone(inbox));
            unconfirmed += usize::from(!entry.is_confirmed);
        }
        inbox.expect(unconfirmed);
    }

    /// Returns the topics that nobody listens to any more, with where they came from.
    pub(crate) fn leave(&mut self, inbox: &Arc<Inbox>, topics: &[Topic]) -> Vec<(Topic, P)> {
        let mut over = Vec::new();
        for topic in topics {
            let hash_map::Entry::Occupied(mut entry) = self.topics.entry(topic.clone()) else {
                continue;
            };
            entry.get_mut().inboxes.retain(|other| !Arc::ptr_eq(other, inbox));
            if entry.get().inboxes.is_empty() {
                let (topic, entry) = entry.remove_entry();
                over.extend(entry.place.map(|place| (topic, place)));
            }
        }
        over
    }

    /// Ends everybody's listening.
    pub(crate) fn end(&mut self, wakers: &mut Wakers) {
        self.unplaced.clear();
        for (_, entry) in self.topics.drain() {
            entry.inboxes.iter().for_each(|inbox| inbox.end(wakers));
        }
    }
}

/// For whoever brings the messages.
impl<P: Copy + PartialEq> Switchboard<P> {
    /// Hands a message out, and says whether anybody listens.
    pub(crate) fn deliver(&self, topic: &Topic, arrival: &Arrival, wakers: &mut Wakers) -> bool {
        let Some(entry) = self.topics.get(topic) else {
            return false;
        };
        entry.inboxes.iter().for_each(|inbox| inbox.put(arrival, wakers));
        true
    }

    /// Returns the patterns that are listened to.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = &Topic> {
        self.topics.keys().filter(|topic| topic.kind == Kind::Pattern)
    }

    /// Returns the topics that come from nowhere.
    pub(crate) fn take_unplaced(&mut self) -> Vec<Topic> {
        let mut unplaced = std::mem::take(&mut self.unplaced);
        unplaced.retain(|topic| self.is_unplaced(topic));
        unplaced
    }

    /// Says whether a topic is listened to, and comes from nowhere.
    pub(crate) fn is_unplaced(&self, topic: &Topic) -> bool {
        self.topics.get(topic).is_some_and(|entry| entry.place.is_none())
    }

    /// Says whether a topic is listened to, and is to come from there.
    pub(crate) fn is_at(&self, topic: &Topic, place: P) -> bool {
        self.topics.get(topic).is_some_and(|entry| entry.place == Some(place))
    }

    /// Says whether any topic is to come from there.
    pub(crate) fn is_in_use(&self, place: P) -> bool {
        self.topics.values().any(|entry| entry.place == Some(place))
    }

    /// Notes where a topic is to come from.
    pub(crate) fn assign(&mut self, topic: &Topic, place: P) {
        if let Some(entry) = self.topics.get_mut(topic) {
            entry.place = Some(place);
        }
    }

    /// Notes that a topic comes from there now.
    pub(crate) fn confirm(&mut self, topic: &Topic, place: P, wakers: &mut Wakers) {
        if let Some(entry) = self.topics.get_mut(topic)
            && entry.place == Some(place)
            && !std::mem::replace(&mut entry.is_confirmed, true)
        {
            entry.inboxes.iter().for_each(|inbox| inbox.confirm(wakers));
        }
    }

    /// Notes that nothing comes from a place any more, and says whether anything has.
    pub(crate) fn lose(&mut self, place: P) -> bool {
        let lost = self.topics.iter().filter(|(_, entry)| entry.place == Some(place));
        let lost: Vec<_> = lost.map(|(topic, entry)| (topic.clone(), entry.is_confirmed)).collect();
        lost.iter()
            .for_each(|(topic, _)| self.displace(topic, place, Gap::ConnectionLost));
        lost.iter().any(|(_, was_confirmed)| *was_confirmed)
    }

    /// Notes that a topic does not come from there any more. Who is still joining waits for it to come from elsewhere.
    pub(crate) fn displace(&mut self, topic: &Topic, place: P, gap: Gap) {
        if let Some(entry) = self.topics.get_mut(topic)
            && entry.place == Some(place)
        {
            entry.place = None;
            let was_confirmed = std::mem::take(&mut entry.is_confirmed);
            entry.inboxes.iter().for_each(|inbox| inbox.lose(was_confirmed, gap));
            self.unplaced.push(topic.clone());
        }
    }

    /// Refuses all who are still joining, for the sake of this topic.
    pub(crate) fn refuse_joining(&mut self, topic: &Topic, error: &Error, wakers: &mut Wakers) {
        if let hash_map::Entry::Occupied(mut entry) = self.topics.entry(topic.clone()) {
            entry.get_mut().inboxes.retain(|inbox| !inbox.refuse(error, wakers));
            if entry.get().inboxes.is_empty() {
                entry.remove();
            }
        }
    }

    /// Takes a topic off: it will not come from anywhere. Returns how many listeners were ended who had it before.
    pub(crate) fn refuse(&mut self, topic: &Topic, error: &Error, wakers: &mut Wakers) -> usize {
        self.refuse_joining(topic, error, wakers);
        let Some(entry) = self.topics.remove(topic) else {
            return 0;
        };
        entry.inboxes.iter().for_each(|inbox| inbox.end(wakers));
        entry.inboxes.len()
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::{super::Item, *};

    fn topic(name: &'static str) -> Topic {
        Topic {
            kind: Kind::Channel,
            name: name.into(),
        }
    }

    fn joined(board: &mut Switchboard<u8>, topics: &[Topic]) -> Arc<Inbox> {
        let inbox = Arc::new(Inbox::new());
        board.join(&inbox, topics);
        inbox
    }

    fn confirm(board: &mut Switchboard<u8>, topic: &Topic, place: u8) {
        let mut wakers = Wakers::default();
        board.assign(topic, place);
        board.confirm(topic, place, &mut wakers);
        wakers.wake();
    }

    fn is_joined(inbox: &Inbox) -> Poll<bool> {
        let joined = inbox.poll_joined(&mut Context::from_waker(Waker::noop()));
        joined.map(|joined| joined.is_ok())
    }

    fn next(inbox: &Inbox) -> Poll<Option<Item>> {
        inbox.poll_next(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_topic_is_placed_for_its_first_listener_and_given_up_after_its_last() {
        let mut board = Switchboard::default();
        let (a, b) = (topic("a"), topic("b"));
        let first = joined(&mut board, std::slice::from_ref(&a));
        assert_eq!(board.take_unplaced(), std::slice::from_ref(&a));
        confirm(&mut board, &a, 1);
        let second = joined(&mut board, &[a.clone(), b.clone()]);
        assert_eq!(board.take_unplaced(), std::slice::from_ref(&b));
        assert_eq!(
            (is_joined(&first), is_joined(&second)),
            (Poll::Ready(true), Poll::Pending)
        );
        confirm(&mut board, &b, 2);
        assert_eq!(is_joined(&second), Poll::Ready(true));
        assert_eq!(board.leave(&first, std::slice::from_ref(&a)), []);
        assert_eq!(board.leave(&second, &[a.clone(), b.clone()]), [(a, 1), (b, 2)]);
    }

    #[test]
    fn who_has_listened_waits_for_another_place_and_who_has_not_can_be_refused() {
        let mut board = Switchboard::default();
        let (a, b) = (topic("a"), topic("b"));
        let listening = joined(&mut board, std::slice::from_ref(&a));
        confirm(&mut board, &a, 1);
        let joining = joined(&mut board, &[a.clone(), b.clone()]);
        board.assign(&b, 1);
        board.take_unplaced();
        assert!(board.lose(1));
        assert!(is_joined(&joining).is_pending());
        let mut wakers = Wakers::default();
        for topic in [&a, &b] {
            board.refuse_joining(topic, &Error::unavailable("lost"), &mut wakers);
        }
        wakers.wake();
        assert_eq!(is_joined(&joining), Poll::Ready(false));
        assert_eq!(board.take_unplaced(), std::slice::from_ref(&a));
        assert!(next(&listening).is_pending());
        confirm(&mut board, &a, 2);
        assert_eq!(next(&listening), Poll::Ready(Some(Item::Gap(Gap::ConnectionLost))));
    }

    #[test]
    fn who_is_joining_follows_a_topic_that_moves() {
        let mut board = Switchboard::default();
        let a = topic("a");
        let joining = joined(&mut board, std::slice::from_ref(&a));
        board.assign(&a, 1);
        board.displace(&a, 1, Gap::SlotMoved);
        assert!(board.is_unplaced(&a) && is_joined(&joining).is_pending());
        confirm(&mut board, &a, 2);
        assert_eq!(is_joined(&joining), Poll::Ready(true));
        assert!(next(&joining).is_pending(), "it has missed nothing");
    }

    #[test]
    fn what_an_old_place_says_counts_for_nothing() {
        let mut board = Switchboard::default();
        let a = topic("a");
        let listening = joined(&mut board, std::slice::from_ref(&a));
        confirm(&mut board, &a, 2);
        board.displace(&a, 1, Gap::SlotMoved);
        assert!(!board.lose(1));
        assert!(board.is_at(&a, 2) && next(&listening).is_pending());
    }
}
