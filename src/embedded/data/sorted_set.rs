//! What a sorted set is.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap},
};

use bytes::Bytes;

use super::{Collection, Data, OVERHEAD, owned};

/// Members and their scores, found by member and in order.
#[derive(Clone, Default)]
pub(in crate::embedded) struct SortedSet {
    scores: HashMap<Bytes, f64>,
    order: BTreeSet<(Score, Bytes)>,
    bytes: usize,
}

/// A score, which is never NaN: so this is a total order, in which -0 equals 0 as in Redis.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Score(f64);

impl Eq for Score {}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.partial_cmp(&other.0).unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl SortedSet {
    /// Gives a member a score, and says whether the member is new.
    pub(in crate::embedded) fn set(&mut self, member: &Bytes, score: f64) -> bool {
        let old = self.scores.get(member).copied();
        let place = old.and_then(|old| self.order.take(&(Score(old), member.clone())));
        let member = place.map_or_else(|| owned(member), |(_, member)| member);
        if old.is_none() {
            self.bytes += member_cost(&member);
        }
        self.order.insert((Score(score), member.clone()));
        self.scores.insert(member, score);
        old.is_none()
    }

    pub(in crate::embedded) fn remove(&mut self, member: &Bytes) -> bool {
        let Some(score) = self.scores.remove(member) else {
            return false;
        };
        self.order.remove(&(Score(score), member.clone()));
        self.bytes -= member_cost(member);
        true
    }

    pub(in crate::embedded) fn score(&self, member: &Bytes) -> Option<f64> {
        self.scores.get(member).copied()
    }

    pub(in crate::embedded) fn len(&self) -> usize {
        self.scores.len()
    }

    /// Returns the members from the lowest to the highest.
    pub(in crate::embedded) fn iter(&self) -> impl DoubleEndedIterator<Item = (&Bytes, f64)> {
        self.order.iter().map(|(score, member)| (member, score.0))
    }

    /// Returns the members from this score on, upwards.
    pub(in crate::embedded) fn from(&self, score: f64) -> impl DoubleEndedIterator<Item = (&Bytes, f64)> {
        let from = (Score(score), Bytes::new());
        self.order.range(from..).map(|(score, member)| (member, score.0))
    }

    /// Returns how many members stand before this one. Counts them.
    pub(in crate::embedded) fn rank(&self, member: &Bytes) -> Option<usize> {
        let score = self.score(member)?;
        Some(self.order.range(..(Score(score), member.clone())).count())
    }

    pub(in crate::embedded) fn pop(&mut self, is_highest: bool) -> Option<(Bytes, f64)> {
        let popped = if is_highest {
            self.order.pop_last()
        } else {
            self.order.pop_first()
        };
        let (score, member) = popped?;
        self.scores.remove(&member);
        self.bytes -= member_cost(&member);
        Some((member, score.0))
    }
}

/// A member stands in two tables.
fn member_cost(member: &Bytes) -> usize {
    member.len() + 2 * OVERHEAD
}

impl Collection for SortedSet {
    fn of(data: &mut Data) -> Option<&mut Self> {
        match data {
            Data::SortedSet(set) => Some(set),
            _ => None,
        }
    }

    fn into_data(self) -> Data {
        Data::SortedSet(self)
    }

    fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    fn cost(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(set: &SortedSet) -> Vec<(&[u8], f64)> {
        set.iter().map(|(member, score)| (&member[..], score)).collect()
    }

    #[test]
    fn members_stand_by_score_then_by_bytes() {
        let mut set = SortedSet::default();
        for (member, score) in [("b", 1.0), ("a", 1.0), ("z", f64::NEG_INFINITY), ("y", f64::INFINITY)] {
            assert!(set.set(&Bytes::from(member), score));
        }
        assert!(!set.set(&Bytes::from("y"), 0.0));
        let order = [
            (&b"z"[..], f64::NEG_INFINITY),
            (&b"y"[..], 0.0),
            (&b"a"[..], 1.0),
            (&b"b"[..], 1.0),
        ];
        assert_eq!(members(&set), order);
        assert_eq!(set.rank(&Bytes::from("b")), Some(3));
        assert_eq!(set.from(0.5).count(), 2);
    }

    #[test]
    fn minus_zero_is_zero() {
        let mut set = SortedSet::default();
        set.set(&Bytes::from("a"), -0.0);
        set.set(&Bytes::from("b"), 0.0);
        set.set(&Bytes::from("a"), 0.0);
        assert_eq!(set.len(), 2);
        assert_eq!(members(&set), [(&b"a"[..], 0.0), (&b"b"[..], 0.0)]);
    }

    #[test]
    fn what_is_gone_costs_nothing() {
        let mut set = SortedSet::default();
        for member in ["a", "bb", "ccc"] {
            set.set(&Bytes::from(member), 1.0);
            set.set(&Bytes::from(member), 2.0);
        }
        assert!(set.remove(&Bytes::from("bb")));
        assert!(!set.remove(&Bytes::from("bb")));
        assert_eq!(set.pop(true), Some((Bytes::from("ccc"), 2.0)));
        assert_eq!(set.pop(false), Some((Bytes::from("a"), 2.0)));
        assert_eq!((set.pop(false), set.cost(), set.is_empty()), (None, 0, true));
    }
}
