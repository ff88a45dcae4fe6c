//! What a set is.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
};

use bytes::Bytes;

use super::{Collection, Data, element_cost};

/// Members, each once. The list is for picking one by chance, the map for finding one.
#[derive(Clone, Default)]
pub(in crate::embedded) struct Set {
    members: Vec<Bytes>,
    places: HashMap<Bytes, usize>,
    bytes: usize,
}

impl Set {
    pub(in crate::embedded) fn members(&self) -> &[Bytes] {
        &self.members
    }

    pub(in crate::embedded) fn contains(&self, member: &Bytes) -> bool {
        self.places.contains_key(member)
    }

    /// Returns whether it is new.
    pub(in crate::embedded) fn insert(&mut self, member: Bytes) -> bool {
        if self.contains(&member) {
            return false;
        }
        self.bytes += element_cost(&member);
        self.places.insert(member.clone(), self.members.len());
        self.members.push(member);
        true
    }

    pub(in crate::embedded) fn remove(&mut self, member: &Bytes) -> bool {
        let Some(at) = self.places.remove(member) else {
            return false;
        };
        self.bytes -= element_cost(member);
        self.members.swap_remove(at);
        if let Some(moved) = self.members.get(at) {
            self.places.insert(moved.clone(), at);
        }
        true
    }

    pub(in crate::embedded) fn retain(&mut self, is_kept: impl Fn(&Bytes) -> bool) {
        let gone: Vec<_> = self.members.iter().filter(|member| !is_kept(member)).cloned().collect();
        for member in &gone {
            self.remove(member);
        }
    }

    pub(in crate::embedded) fn any(&self) -> Option<&Bytes> {
        self.members.get(below(self.members.len()))
    }

    /// Returns up to so many different members by chance.
    pub(in crate::embedded) fn some(&self, count: usize) -> Vec<Bytes> {
        let mut members = self.members.clone();
        for at in 0..count.min(members.len()) {
            let other = at + below(members.len() - at);
            members.swap(at, other);
        }
        members.truncate(count);
        members
    }
}

/// Returns a number below a bound by chance. Every `RandomState` has other keys, which serve as the dice.
fn below(bound: usize) -> usize {
    let bound = u64::try_from(bound).unwrap_or(u64::MAX).max(1);
    usize::try_from(RandomState::new().hash_one(0) % bound).unwrap_or_default()
}

impl Extend<Bytes> for Set {
    fn extend<I: IntoIterator<Item = Bytes>>(&mut self, members: I) {
        for member in members {
            self.insert(member);
        }
    }
}

impl FromIterator<Bytes> for Set {
    fn from_iter<I: IntoIterator<Item = Bytes>>(members: I) -> Self {
        let mut set = Self::default();
        set.extend(members);
        set
    }
}

impl Collection for Set {
    fn of(data: &mut Data) -> Option<&mut Self> {
        match data {
            Data::Set(set) => Some(set),
            _ => None,
        }
    }

    fn into_data(self) -> Data {
        Data::Set(self)
    }

    fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn cost(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: usize) -> Bytes {
        n.to_string().into()
    }

    #[test]
    fn members_are_found_whatever_was_removed_before() {
        let mut set: Set = (0..100).map(number).collect();
        for n in (0..100).step_by(3) {
            assert!(set.remove(&number(n)));
            assert!(!set.remove(&number(n)));
        }
        for n in 0..100 {
            assert_eq!(set.contains(&number(n)), n % 3 != 0, "{n}");
        }
        assert_eq!(set.cost(), set.members().iter().map(element_cost).sum::<usize>());
        for n in 0..100 {
            set.remove(&number(n));
        }
        assert_eq!((set.cost(), set.is_empty()), (0, true));
    }

    #[test]
    fn chance_reaches_every_member_and_repeats_none() {
        let set: Set = (0..10).map(number).collect();
        let mut seen = Set::default();
        while seen.members().len() < 10 {
            let some: Set = set.some(4).into_iter().collect();
            assert_eq!(some.members().len(), 4);
            for member in some.members() {
                seen.insert(member.clone());
            }
        }
        assert_eq!(set.some(99).len(), 10);
        assert!(Set::default().any().is_none());
    }
}
