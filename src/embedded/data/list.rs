//! What a list is.

use std::{collections::VecDeque, ops::Range};

use bytes::Bytes;

use super::{Collection, Data, element_cost, owned};

/// Elements in their order.
#[derive(Clone, Default)]
pub(in crate::embedded) struct List {
    elements: VecDeque<Bytes>,
    bytes: usize,
}

#[derive(Clone, Copy)]
pub(in crate::embedded) enum End {
    Left,
    Right,
}

impl List {
    pub(in crate::embedded) fn elements(&self) -> &VecDeque<Bytes> {
        &self.elements
    }

    pub(in crate::embedded) fn push(&mut self, end: End, element: &Bytes) {
        self.bytes += element_cost(element);
        match end {
            End::Left => self.elements.push_front(owned(element)),
            End::Right => self.elements.push_back(owned(element)),
        }
    }

    pub(in crate::embedded) fn pop(&mut self, end: End) -> Option<Bytes> {
        let element = match end {
            End::Left => self.elements.pop_front(),
            End::Right => self.elements.pop_back(),
        }?;
        self.bytes -= element_cost(&element);
        Some(element)
    }

    /// Puts an element in a place; those from there on move to the right.
    pub(in crate::embedded) fn insert(&mut self, at: usize, element: &Bytes) {
        self.bytes += element_cost(element);
        self.elements.insert(at, owned(element));
    }

    /// Replaces the element in a place, and says whether there was one.
    pub(in crate::embedded) fn replace(&mut self, at: usize, element: &Bytes) -> bool {
        let Some(place) = self.elements.get_mut(at) else {
            return false;
        };
        self.bytes = self.bytes + element_cost(element) - element_cost(place);
        *place = owned(element);
        true
    }

    /// Removes the elements in these places, which are in rising order.
    pub(in crate::embedded) fn remove_all(&mut self, places: &[usize]) {
        let mut places = places.iter().copied().peekable();
        let (mut at, mut freed) = (0, 0);
        self.elements.retain(|element| {
            let goes = places.next_if_eq(&at).is_some();
            at += 1;
            freed += if goes { element_cost(element) } else { 0 };
            !goes
        });
        self.bytes -= freed;
    }

    pub(in crate::embedded) fn keep(&mut self, range: Range<usize>) {
        self.elements.truncate(range.end);
        self.elements.drain(..range.start.min(range.end));
        self.bytes = self.elements.iter().map(element_cost).sum();
    }

    /// Returns the place of an index, which may count from the end.
    pub(in crate::embedded) fn place(&self, index: i64) -> Option<usize> {
        let length = i64::try_from(self.elements.len()).ok()?;
        let at = if index < 0 { index + length } else { index };
        usize::try_from(at).ok().filter(|at| *at < self.elements.len())
    }

    /// Returns the places from one index to another, both included: as many as there are.
    pub(in crate::embedded) fn range(&self, start: i64, stop: i64) -> Range<usize> {
        let length = i64::try_from(self.elements.len()).unwrap_or(i64::MAX);
        let at = |index: i64| if index < 0 { index + length } else { index };
        let (start, stop) = (at(start).max(0), at(stop).min(length - 1));
        match (usize::try_from(start), usize::try_from(stop)) {
            (Ok(start), Ok(stop)) if start <= stop => start..stop + 1,
            _ => 0..0,
        }
    }
}

impl Collection for List {
    fn of(data: &mut Data) -> Option<&mut Self> {
        match data {
            Data::List(list) => Some(list),
            _ => None,
        }
    }

    fn into_data(self) -> Data {
        Data::List(self)
    }

    fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    fn cost(&self) -> usize {
        self.bytes
    }
}
