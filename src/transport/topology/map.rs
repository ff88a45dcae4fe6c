//! Which node serves which slot.

use std::{collections::HashMap, fmt, sync::Arc};

use super::{slot::SLOTS, view::View};
use crate::config::Endpoint;

/// The slots, each with whom it belongs to.
#[derive(Clone)]
pub(super) struct SlotMap<N> {
    /// For each slot a place among the owners, or none.
    places: Box<[u16]>,
    /// Each once, by endpoint.
    owners: Vec<(Endpoint, N)>,
    /// Every node of the cluster, those without slots as well.
    members: Arc<[Endpoint]>,
}

/// Stands for a slot that nobody serves.
const NOBODY: u16 = u16::MAX;

impl<N: Clone> SlotMap<N> {
    /// Puts what several nodes have told together: where they differ, the greater epoch is right.
    pub(super) fn of(views: &[View], mut node: impl FnMut(&Endpoint) -> N) -> Self {
        let mut told: Vec<Option<(u64, &Endpoint)>> = vec![None; SLOTS.into()];
        for range in views.iter().flat_map(|view| &view.ranges) {
            for slot in range.first..=range.last {
                if let Some(told) = told.get_mut(usize::from(slot))
                    && told.is_none_or(|(epoch, _)| epoch < range.epoch)
                {
                    *told = Some((range.epoch, &range.owner));
                }
            }
        }
        let mut endpoints: Vec<_> = told.iter().flatten().map(|(_, owner)| *owner).collect();
        endpoints.sort();
        endpoints.dedup();
        let places: HashMap<_, _> = endpoints.iter().copied().zip(0..NOBODY).collect();
        let place = |told: Option<(u64, &Endpoint)>| told.and_then(|(_, owner)| places.get(owner).copied());
        let mut members: Vec<_> = views.iter().flat_map(|view| &view.members).cloned().collect();
        members.sort();
        members.dedup();
        Self {
            places: told.into_iter().map(|told| place(told).unwrap_or(NOBODY)).collect(),
            owners: endpoints
                .into_iter()
                .map(|endpoint| (endpoint.clone(), node(endpoint)))
                .collect(),
            members: members.into(),
        }
    }

    /// The same, with one slot that belongs to another node.
    pub(super) fn moved(&self, slot: u16, to: &Endpoint, node: impl FnOnce() -> N) -> Self {
        let mut map = self.clone();
        let known = map.owners.iter().position(|(endpoint, _)| endpoint == to);
        let place = known.unwrap_or_else(|| {
            map.owners.push((to.clone(), node()));
            map.owners.len() - 1
        });
        if let Some(owner) = map.places.get_mut(usize::from(slot)) {
            *owner = u16::try_from(place).unwrap_or(NOBODY);
        }
        map
    }

    /// Returns who serves a slot.
    pub(super) fn owner(&self, slot: u16) -> Option<&N> {
        let place = *self.places.get(usize::from(slot))?;
        Some(&self.owners.get(usize::from(place))?.1)
    }

    pub(super) fn owners(&self) -> &[(Endpoint, N)] {
        &self.owners
    }

    pub(super) fn members(&self) -> &[Endpoint] {
        &self.members
    }

    /// Says whether nobody serves some slot.
    pub(super) fn has_holes(&self) -> bool {
        self.places.contains(&NOBODY)
    }

    /// Says where the slots are, without repeating the nodes.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let endpoints = |map: &Self| {
            map.owners
                .iter()
                .map(|(endpoint, _)| endpoint.clone())
                .collect::<Vec<_>>()
        };
        self.places == other.places && endpoints(self) == endpoints(other) && self.members == other.members
    }

    /// Returns the slots that a node serves.
    pub(super) fn slots_of(&self, endpoint: &Endpoint) -> impl Iterator<Item = u16> {
        let place = self.owners.iter().position(|(owner, _)| owner == endpoint);
        let is_its = move |(_, owner): &(u16, &u16)| place == Some(usize::from(**owner));
        (0..SLOTS).zip(&self.places).filter(is_its).map(|(slot, _)| slot)
    }
}

impl<N> fmt::Debug for SlotMap<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owners: Vec<_> = self.owners.iter().map(|(endpoint, _)| endpoint.to_string()).collect();
        f.debug_struct("SlotMap")
            .field("owners", &owners)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::view::Range, *};

    fn at(port: u16) -> Endpoint {
        Endpoint::Tcp { host: "h".into(), port }
    }

    fn view(ranges: &[(u16, u16, u16, u64)]) -> View {
        let range = |&(first, last, port, epoch): &(u16, u16, u16, u64)| Range {
            first,
            last,
            owner: at(port),
            epoch,
        };
        View {
            ranges: ranges.iter().map(range).collect(),
            members: ranges.iter().map(|range| at(range.2)).collect(),
        }
    }

    fn map(views: &[View]) -> SlotMap<String> {
        SlotMap::of(views, ToString::to_string)
    }

    #[test]
    fn the_greater_epoch_is_right() {
        let old = view(&[(0, 99, 1, 5), (100, 16383, 2, 6)]);
        let new = view(&[(0, 49, 1, 5), (50, 99, 3, 7), (100, 16383, 2, 6)]);
        for views in [[old.clone(), new.clone()], [new, old]] {
            let map = map(&views);
            let owner = |slot| map.owner(slot).map(String::as_str);
            assert_eq!(
                [owner(49), owner(50), owner(100)],
                [Some("h:1"), Some("h:3"), Some("h:2")]
            );
            assert_eq!(map.owners().len(), 3);
            assert!(!map.has_holes());
        }
    }

    #[test]
    fn a_slot_can_be_nobodys_and_can_move() {
        let some = map(&[view(&[(0, 9, 1, 0), (20, 29, 2, 0)])]);
        assert_eq!(some.owner(10), None);
        assert!(some.has_holes());
        let moved = some
            .moved(3, &at(2), || "unused".into())
            .moved(10, &at(9), || "new".into());
        assert_eq!(moved.owner(3).map(String::as_str), Some("h:2"));
        assert_eq!(moved.owner(10).map(String::as_str), Some("new"));
        assert_eq!(
            moved.slots_of(&at(2)).collect::<Vec<_>>(),
            [3, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29]
        );
        assert!(some.is_like(&some.clone()) && !some.is_like(&moved));
    }
}
