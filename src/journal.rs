//! Invalidations that could not be sent, kept until they are.
//!
//! What was removed while nobody could be asked is still at the server. Whoever reads looks here first whether that concerns it, and whoever
//! connects sends what is here before anybody else asks anything.

mod space;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;

use self::space::{Kept, Space};
use crate::{
    command::Command,
    metrics::{Counter, Metrics},
};

/// What is to be removed yet, by spaces: one for each cache, and that of plain deletes, whose name is empty. Bounded.
#[derive(Default)]
pub(crate) struct Journal {
    /// How many there are. Every read of a cache looks at it.
    count: AtomicUsize,
    book: Mutex<Book>,
    replayed: Counter,
    dropped: Counter,
}

#[derive(Default)]
struct Book {
    spaces: HashMap<Arc<str>, Space>,
    /// The number of the last note.
    ticket: u64,
}

/// What is to be removed, as the server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Key(Bytes),
    /// Whatever bears the tag.
    Tag(Bytes),
    /// Every key that matches.
    Pattern(Bytes),
    /// All of the space.
    All,
}

/// One removal that is owed to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pending {
    ticket: u64,
    pub(crate) space: Arc<str>,
    pub(crate) subject: Subject,
}

/// How much had been noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(u64);

/// For those who remove, and those who read.
impl Journal {
    /// Says whether nothing is to be removed.
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Notes what is to be removed, with the command that does it if one command can. Of one subject the last note counts.
    ///
    /// Of a space with more subjects than it may have, all of it is to be removed instead, by the command that `raise` makes; as long as that is so,
    /// further subjects are not kept. Plain deletes, in the space without a name, cannot become more than they are: the oldest are dropped.
    /// `raise` is called with a lock held, and must do nothing but make the command.
    pub(crate) fn note(
        &self,
        space: &Arc<str>,
        subject: Subject,
        command: Option<Command>,
        raise: impl FnOnce() -> Option<Command>,
    ) {
        let mut book = self.book();
        book.ticket += 1;
        let ticket = book.ticket;
        let noted = book.spaces.entry(Arc::clone(space)).or_default();
        noted.note(ticket, subject, command);
        let mut is_first_drop = false;
        if noted.is_overfull() {
            if space.is_empty() {
                let (dropped, is_first) = noted.drop_oldest();
                self.dropped.add(dropped);
                is_first_drop = is_first;
            } else {
                noted.note(ticket, Subject::All, raise());
            }
        }
        self.recount(&mut book);
        drop(book);
        if is_first_drop {
            tracing::warn!(
                bound = space::MAX_SUBJECTS,
                "more deletes could not be sent than are kept: the oldest are forgotten"
            );
        }
    }

    /// Says whether a key of a space is to be removed: itself, by a pattern that matches, or with all others.
    pub(crate) fn covers_key(&self, space: &str, key: &[u8]) -> bool {
        !self.is_empty() && self.book().spaces.get(space).is_some_and(|space| space.covers_key(key))
    }

    /// Says whether what bears a tag is to be removed: by that tag, or with all others.
    pub(crate) fn covers_tag(&self, space: &str, tag: &[u8]) -> bool {
        !self.is_empty() && self.book().spaces.get(space).is_some_and(|space| space.covers_tag(tag))
    }

    /// Forgets a subject that a later write has overtaken.
    pub(crate) fn forget(&self, space: &str, subject: &Subject) {
        if self.is_empty() {
            return;
        }
        let mut book = self.book();
        if let Some(space) = book.spaces.get_mut(space) {
            space.forget(subject);
        }
        self.recount(&mut book);
    }
}

/// For those who send.
impl Journal {
    /// Returns what one command each removes, those of a space in the order of their notes.
    pub(crate) fn sendable(&self) -> Vec<(Pending, Command)> {
        let with_command = |(pending, command): (Pending, Option<Command>)| Some((pending, command?));
        self.all().into_iter().filter_map(with_command).collect()
    }

    /// Returns what no single command removes: its owner has to.
    pub(crate) fn unsendable(&self) -> Vec<Pending> {
        let without = |(pending, command): (Pending, Option<Command>)| command.is_none().then_some(pending);
        self.all().into_iter().filter_map(without).collect()
    }

    /// Notes that something was removed, unless the same was noted again since it was looked up: then the removal may have come too early.
    pub(crate) fn done(&self, pending: &Pending) {
        let mut book = self.book();
        if let Some(space) = book.spaces.get_mut(&pending.space)
            && space.done(pending.ticket, &pending.subject)
        {
            self.replayed.add(1);
        }
        self.recount(&mut book);
    }

    /// Returns how much has been noted up to now.
    pub(crate) fn mark(&self) -> Mark {
        Mark(self.book().ticket)
    }

    /// Does something if nothing was noted since, and says whether. Nothing can be noted meanwhile: it must be quick, and not come back here.
    pub(crate) fn unless_noted_since(&self, mark: Mark, then: impl FnOnce()) -> bool {
        let book = self.book();
        let is_unchanged = Mark(book.ticket) == mark;
        if is_unchanged {
            then();
        }
        is_unchanged
    }

    /// Adds what came of its notes.
    pub(crate) fn count(&self, metrics: &mut Metrics) {
        metrics.replayed = self.replayed.get();
        metrics.replays_dropped = self.dropped.get();
    }

    fn all(&self) -> Vec<(Pending, Option<Command>)> {
        if self.is_empty() {
            return Vec::new();
        }
        let book = self.book();
        let pending = |name: &Arc<str>, (ticket, kept): (u64, &Kept)| {
            let pending = Pending {
                ticket,
                space: Arc::clone(name),
                subject: kept.subject.clone(),
            };
            (pending, kept.command.clone())
        };
        let spaces = book.spaces.iter();
        spaces
            .flat_map(|(name, space)| space.all().map(move |kept| pending(name, kept)))
            .collect()
    }

    fn recount(&self, book: &mut Book) {
        book.spaces.retain(|_, space| !space.is_empty());
        let count = book.spaces.values().map(Space::len).sum();
        self.count.store(count, Ordering::Release);
    }

    /// Never held while something is awaited or logged.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without the keys.
impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.count.load(Ordering::Relaxed);
        f.debug_struct("Journal").field("count", &count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delete(key: &'static str) -> (Subject, Option<Command>) {
        let key = Bytes::from_static(key.as_bytes());
        let keys = vec![key.clone()];
        (Subject::Key(key), Some(Command::Delete { keys }))
    }

    fn numbered(number: usize) -> (Subject, Option<Command>) {
        let key = Bytes::from(format!("key:{number}"));
        (Subject::Key(key.clone()), Some(Command::Delete { keys: vec![key] }))
    }

    fn raise() -> Option<Command> {
        let key = "epoch".into();
        Some(Command::IncrBy { key, by: 1, ttl: None })
    }

    fn note(journal: &Journal, space: &str, (subject, command): (Subject, Option<Command>)) {
        journal.note(&space.into(), subject, command, raise);
    }

    fn subjects(journal: &Journal) -> Vec<Subject> {
        journal
            .sendable()
            .into_iter()
            .map(|(pending, _)| pending.subject)
            .collect()
    }

    #[test]
    fn what_is_noted_covers_reads_of_its_space_until_it_is_done() {
        let journal = Journal::default();
        assert!(journal.is_empty() && !journal.covers_key("users", b"a"));
        note(&journal, "users", delete("a"));
        note(&journal, "users", (Subject::Tag("t".into()), raise()));
        note(&journal, "users", (Subject::Pattern("p:*".into()), None));
        assert!(journal.covers_key("users", b"a") && journal.covers_key("users", b"p:1"));
        assert!(!journal.covers_key("users", b"b") && !journal.covers_key("other", b"a"));
        assert!(journal.covers_tag("users", b"t") && !journal.covers_tag("users", b"a"));
        assert_eq!(journal.unsendable()[0].subject, Subject::Pattern("p:*".into()));
        assert_eq!(subjects(&journal).len(), 2);
        for pending in journal.unsendable() {
            journal.done(&pending);
        }
        for (pending, _) in journal.sendable() {
            journal.done(&pending);
        }
        assert!(journal.is_empty() && !journal.covers_key("users", b"a"));
    }

    #[test]
    fn of_one_subject_the_last_note_counts() {
        let journal = Journal::default();
        note(&journal, "users", (Subject::Key("a".into()), None));
        note(&journal, "users", delete("b"));
        note(&journal, "users", delete("a"));
        assert!(journal.unsendable().is_empty());
        assert_eq!(subjects(&journal), [Subject::Key("b".into()), Subject::Key("a".into())]);
    }

    #[test]
    fn what_was_noted_again_meanwhile_is_not_done() {
        let journal = Journal::default();
        note(&journal, "users", delete("a"));
        let sent = journal.sendable();
        note(&journal, "users", delete("a"));
        journal.done(&sent[0].0);
        assert!(journal.covers_key("users", b"a"));
        journal.done(&journal.sendable()[0].0);
        assert!(journal.is_empty());
    }

    #[test]
    fn all_of_a_space_covers_whatever_else_was_noted_in_it() {
        let journal = Journal::default();
        note(&journal, "users", delete("a"));
        note(&journal, "users", (Subject::All, raise()));
        note(&journal, "users", delete("b"));
        assert_eq!(subjects(&journal), [Subject::All]);
        assert!(journal.covers_key("users", b"b") && journal.covers_tag("users", b"t"));
        assert!(!journal.covers_key("other", b"b"));
    }

    #[test]
    fn all_is_not_done_if_more_was_noted_while_it_was_under_way() {
        let journal = Journal::default();
        note(&journal, "users", (Subject::All, raise()));
        let sent = journal.sendable();
        note(&journal, "users", delete("later"));
        journal.done(&sent[0].0);
        assert!(journal.covers_key("users", b"later"));
        assert_eq!(subjects(&journal), [Subject::All], "which raises it once more");
    }

    #[test]
    fn too_many_subjects_of_a_space_become_all_of_it() {
        let journal = Journal::default();
        for number in 0..space::MAX_SUBJECTS {
            note(&journal, "users", numbered(number));
        }
        note(&journal, "other", delete("a"));
        assert_eq!(journal.sendable().len(), space::MAX_SUBJECTS + 1);
        note(&journal, "users", delete("one more"));
        assert_eq!(journal.sendable().len(), 2);
        assert!(journal.covers_key("users", b"key:0") && journal.covers_key("users", b"never named"));
        let (_, command) = journal
            .sendable()
            .into_iter()
            .find(|(p, _)| p.subject == Subject::All)
            .unwrap();
        assert_eq!(Some(command), raise());
    }

    #[test]
    fn too_many_bytes_of_a_space_become_all_of_it() {
        let journal = Journal::default();
        let large = |first: u8| {
            let mut key = vec![0; space::MAX_BYTES / 2];
            key[0] = first;
            (Subject::Key(key.into()), None)
        };
        note(&journal, "users", large(1));
        note(&journal, "users", large(2));
        note(&journal, "users", large(1));
        assert_eq!(journal.unsendable().len(), 2, "the same again takes no more room");
        note(&journal, "users", large(3));
        assert_eq!(subjects(&journal), [Subject::All]);
    }

    #[test]
    fn of_too_many_plain_deletes_the_oldest_are_dropped_and_counted() {
        let journal = Journal::default();
        for number in 0..space::MAX_SUBJECTS + 3 {
            note(&journal, "", numbered(number));
        }
        assert_eq!(journal.sendable().len(), space::MAX_SUBJECTS);
        assert!(!journal.covers_key("", b"key:2") && journal.covers_key("", b"key:3"));
        let mut metrics = Metrics::default();
        journal.count(&mut metrics);
        assert_eq!(metrics.replays_dropped, 3);
    }

    #[test]
    fn what_a_later_write_has_overtaken_is_forgotten() {
        let journal = Journal::default();
        note(&journal, "", delete("a"));
        note(&journal, "", delete("b"));
        journal.forget("", &Subject::Key("a".into()));
        journal.forget("", &Subject::Key("unknown".into()));
        journal.forget("unknown", &Subject::Key("b".into()));
        assert_eq!(subjects(&journal), [Subject::Key("b".into())]);
    }

    #[test]
    fn whoever_begins_after_the_last_note_knows_that_it_was_the_last() {
        let journal = Journal::default();
        let mark = journal.mark();
        assert!(journal.unless_noted_since(mark, || {}));
        note(&journal, "", delete("a"));
        assert!(!journal.unless_noted_since(mark, || unreachable!()));
        let mark = journal.mark();
        journal.forget("", &Subject::Key("a".into()));
        assert!(journal.unless_noted_since(mark, || {}));
    }

    #[test]
    fn its_debug_form_shows_no_key() {
        let journal = Journal::default();
        note(&journal, "", delete("sesame"));
        assert_eq!(format!("{journal:?}"), "Journal { count: 1, .. }");
    }
}
