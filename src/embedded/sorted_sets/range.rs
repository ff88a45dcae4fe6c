//! From where to where: by place, by score, by lex.

use bytes::Bytes;

use crate::{
    embedded::{
        data::SortedSet,
        words::{float, integer},
    },
    error::{Error, ErrorKind, Result},
};

/// What a range goes by.
#[derive(Clone, Copy)]
pub(super) enum By {
    Index,
    Score,
    Lex,
}

/// A range, from low to high; of places, counted from the end where it is read.
pub(super) enum Range {
    Index(i64, i64),
    Score(Bound<f64>, Bound<f64>),
    Lex(Bound<Bytes>, Bound<Bytes>),
}

/// One end of a range.
pub(super) enum Bound<T> {
    Min,
    Max,
    Inclusive(T),
    Exclusive(T),
}

impl Range {
    pub(super) fn parse(by: By, start: &Bytes, stop: &Bytes) -> Result<Self> {
        Ok(match by {
            By::Index => Self::Index(integer(start)?, integer(stop)?),
            By::Score => Self::Score(score_bound(start)?, score_bound(stop)?),
            By::Lex => Self::Lex(lex_bound(start)?, lex_bound(stop)?),
        })
    }

    /// A reversed range is given from high to low.
    pub(super) fn reversed(self) -> Self {
        match self {
            Self::Index(start, stop) => Self::Index(start, stop),
            Self::Score(max, min) => Self::Score(min, max),
            Self::Lex(max, min) => Self::Lex(min, max),
        }
    }

    /// Returns the members of the range, in the order in which it is read.
    pub(super) fn of(&self, set: &SortedSet, is_reversed: bool) -> Vec<(Bytes, f64)> {
        match self {
            Self::Index(start, stop) => {
                let (skip, take) = places(*start, *stop, set.len());
                if is_reversed {
                    kept(set.iter().rev().skip(skip).take(take))
                } else {
                    kept(set.iter().skip(skip).take(take))
                }
            }
            Self::Score(min, max) => {
                let low = match min {
                    Bound::Inclusive(low) | Bound::Exclusive(low) => *low,
                    Bound::Min => f64::NEG_INFINITY,
                    Bound::Max => f64::INFINITY,
                };
                let found = set
                    .from(low)
                    .skip_while(|(_, score)| !min.is_below(score))
                    .take_while(|(_, score)| max.is_above(score));
                in_order(kept(found), is_reversed)
            }
            Self::Lex(min, max) => {
                let found = set
                    .iter()
                    .skip_while(|(member, _)| !min.is_below(member))
                    .take_while(|(member, _)| max.is_above(member));
                in_order(kept(found), is_reversed)
            }
        }
    }
}

fn kept<'a>(members: impl Iterator<Item = (&'a Bytes, f64)>) -> Vec<(Bytes, f64)> {
    members.map(|(member, score)| (member.clone(), score)).collect()
}

fn in_order(mut members: Vec<(Bytes, f64)>, is_reversed: bool) -> Vec<(Bytes, f64)> {
    if is_reversed {
        members.reverse();
    }
    members
}

/// Returns how many places to leave out, and how many to take then. Negative places count from the end.
fn places(start: i64, stop: i64, len: usize) -> (usize, usize) {
    let from_end = |place: i64| {
        if place < 0 {
            let back = usize::try_from(place.unsigned_abs()).unwrap_or(usize::MAX);
            len.checked_sub(back)
        } else {
            Some(usize::try_from(place).unwrap_or(usize::MAX))
        }
    };
    let skip = from_end(start).unwrap_or(0);
    let take = from_end(stop).map_or(0, |stop| stop.saturating_add(1).saturating_sub(skip));
    (skip, take)
}

impl<T: PartialOrd> Bound<T> {
    fn is_below(&self, it: &T) -> bool {
        match self {
            Self::Min => true,
            Self::Max => false,
            Self::Inclusive(bound) => bound <= it,
            Self::Exclusive(bound) => bound < it,
        }
    }

    fn is_above(&self, it: &T) -> bool {
        match self {
            Self::Min => false,
            Self::Max => true,
            Self::Inclusive(bound) => it <= bound,
            Self::Exclusive(bound) => it < bound,
        }
    }
}

fn score_bound(word: &Bytes) -> Result<Bound<f64>> {
    let (number, is_exclusive) = word.strip_prefix(b"(").map_or((&word[..], false), |rest| (rest, true));
    let score = float(number).map_err(|_not_a_float| Error::new(ErrorKind::Server, "ERR min or max is not a float"))?;
    Ok(if is_exclusive {
        Bound::Exclusive(score)
    } else {
        Bound::Inclusive(score)
    })
}

fn lex_bound(word: &Bytes) -> Result<Bound<Bytes>> {
    match &word[..] {
        b"-" => Ok(Bound::Min),
        b"+" => Ok(Bound::Max),
        [b'[', ..] => Ok(Bound::Inclusive(word.slice(1..))),
        [b'(', ..] => Ok(Bound::Exclusive(word.slice(1..))),
        _ => Err(Error::new(
            ErrorKind::Server,
            "ERR min or max not valid string range item",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_from_both_ends() {
        for (start, stop, taken) in [
            (0, -1, 0..3),
            (1, 1, 1..2),
            (-2, -1, 1..3),
            (-9, 9, 0..3),
            (2, 1, 0..0),
            (5, 9, 0..0),
            (0, -9, 0..0),
            (i64::MIN, i64::MAX, 0..3),
        ] {
            let (skip, take) = places(start, stop, 3);
            let places: Vec<_> = (0..3).skip(skip).take(take).collect();
            assert_eq!(places, taken.collect::<Vec<_>>(), "{start} {stop}");
        }
    }
}
