//! What came of a batch, for each of its members.

use bytes::Bytes;
use smallvec::SmallVec;

use super::{
    super::{boxes::Outcome, failure::Failure, wire},
    load::Word,
};
use crate::{command::Versioned, reply::Reply};

/// What came of a batch.
#[derive(Debug)]
pub(super) enum Answers {
    /// The same for all.
    Alike(Outcome),
    /// An outcome for each member.
    Each(Vec<Outcome>),
    /// Values, each asked for once, and which of them are whose.
    Values(Values, Vec<Share>),
}

/// Values, copied out of the client's read buffer into one of their own.
///
/// The client can use its buffer again as large as it is, once nobody holds a part of it. Otherwise it makes a new one, lets it grow step by step, and reads
/// a reply from its beginning after each step: to copy at once made batches of long values a quarter faster.
#[derive(Debug)]
pub(super) struct Values {
    buffer: Vec<u8>,
    words: Vec<Option<Word>>,
}

/// Which values answer a member, by their places.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// None: it does not wait any more.
    Nothing,
    One(usize),
    List(Vec<usize>),
    /// A value, and the versions that it depends on.
    Versioned(SmallVec<[usize; 2]>),
}

/// To copy values from this size on takes longer than it saves.
const LONG: usize = 16 * 1024;

impl Values {
    pub(super) fn copied(values: Vec<Option<Bytes>>) -> Self {
        let is_short = |value: &&Bytes| value.len() < LONG;
        let short = values.iter().flatten().filter(is_short);
        let mut buffer = Vec::with_capacity(short.map(Bytes::len).sum());
        let mut word = |value: &Bytes| Word::put(value, LONG, &mut buffer);
        let words = values.into_iter().map(|value| value.as_ref().map(&mut word)).collect();
        Self { buffer, words }
    }

    fn slice(&self, place: usize) -> Option<&[u8]> {
        match self.words.get(place)?.as_ref()? {
            Word::Copied(range) => self.buffer.get(range.clone()),
            Word::Shared(value) => Some(value),
        }
    }

    fn is_missing(&self, place: usize) -> bool {
        matches!(self.words.get(place), Some(None))
    }

    /// Copies a value for its caller, unless that would take long.
    fn reply(&self, place: usize) -> Reply {
        match self.words.get(place) {
            Some(Some(word)) => Reply::Bytes(match word {
                Word::Copied(range) => Bytes::copy_from_slice(self.buffer.get(range.clone()).unwrap_or_default()),
                Word::Shared(value) => wire::detached(value),
            }),
            Some(None) | None => Reply::Nil,
        }
    }
}

impl Answers {
    /// Says whether a member has asked for one value, and there is none.
    pub(super) fn lack_the_value_of(&self, place: usize) -> bool {
        let Self::Values(values, shares) = self else {
            return false;
        };
        matches!(shares.get(place), Some(Share::One(place)) if values.is_missing(*place))
    }

    /// Gives outcomes to the members in those places; nobody waits in the others, of so many.
    pub(super) fn spread(members: usize, places: Vec<usize>, outcomes: Vec<Outcome>) -> Self {
        let mut answers = Self::Each((0..members).map(|_| Err(Failure::Timeout)).collect());
        answers.replace(members, places, outcomes);
        answers
    }

    /// Replaces what the members in those places, of so many, are told.
    pub(super) fn replace(&mut self, members: usize, places: Vec<usize>, outcomes: Vec<Outcome>) {
        let mut each: Vec<_> = (0..members).map(|place| self.of(place)).collect();
        for (place, outcome) in places.into_iter().zip(outcomes) {
            if let Some(told) = each.get_mut(place) {
                *told = outcome;
            }
        }
        *self = Self::Each(each);
    }

    /// Returns a member's own answer.
    pub(super) fn of(&self, place: usize) -> Outcome {
        match self {
            Self::Alike(outcome) => copied(outcome),
            Self::Each(outcomes) => outcomes.get(place).map_or_else(|| Err(Failure::lost()), copied),
            Self::Values(values, shares) => {
                let value = |place: &usize| values.reply(*place);
                match shares.get(place) {
                    Some(Share::One(place)) => Ok(value(place)),
                    Some(Share::Versioned(places)) => {
                        let found = places.iter().map(|place| values.slice(*place));
                        Ok(Reply::Bytes(Versioned::answer(found)))
                    }
                    Some(Share::List(places)) => Ok(Reply::Array(places.iter().map(value).collect())),
                    Some(Share::Nothing) | None => Err(Failure::Timeout),
                }
            }
        }
    }
}

impl Share {
    pub(super) fn places(&self) -> &[usize] {
        match self {
            Self::Nothing => &[],
            Self::One(place) => std::slice::from_ref(place),
            Self::List(places) => places,
            Self::Versioned(places) => places,
        }
    }
}

fn copied(outcome: &Outcome) -> Outcome {
    match outcome {
        Ok(reply) => Ok(wire::copied(reply)),
        Err(failure) => Err(failure.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &'static str) -> Reply {
        Reply::Bytes(text.into())
    }

    #[test]
    fn outcomes_go_to_those_who_wait() {
        let answers = Answers::spread(3, vec![0, 2], vec![Ok(text("a")), Ok(text("c"))]);
        assert_eq!(answers.of(0).unwrap(), text("a"));
        assert!(matches!(answers.of(1), Err(Failure::Timeout)));
        assert_eq!(answers.of(2).unwrap(), text("c"));
    }

    #[test]
    fn what_is_replaced_changes_nobody_elses_answer() {
        let values = Values::copied(vec![Some("1".into()), None]);
        let shares = vec![Share::One(0), Share::One(1), Share::List(vec![1, 0])];
        let mut answers = Answers::Values(values, shares);
        let lacking: Vec<_> = (0..3).filter(|place| answers.lack_the_value_of(*place)).collect();
        assert_eq!(lacking, [1]);
        answers.replace(3, lacking, vec![Err(Failure::lost())]);
        assert_eq!(answers.of(0).unwrap(), text("1"));
        assert!(matches!(answers.of(1), Err(Failure::Broken(_))));
        assert_eq!(answers.of(2).unwrap(), Reply::Array(vec![Reply::Nil, text("1")]));
    }

    #[test]
    fn values_of_any_length_come_back() {
        let values: Vec<_> = [0, 1, LONG - 1, LONG, LONG + 1]
            .map(|len| Some(Bytes::from(vec![b'v'; len])))
            .into();
        let copied = Values::copied(values.clone());
        let replies = values.into_iter().flatten().map(Reply::Bytes);
        for (place, reply) in replies.enumerate() {
            assert_eq!(copied.reply(place), reply);
        }
        assert_eq!(copied.reply(5), Reply::Nil);
    }
}
