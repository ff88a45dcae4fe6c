//! What a key may hold that only one task writes.

use std::{collections::HashSet, time::Instant};

use super::{sky::Sky, word::version_of};

/// What there is to say of an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// It is this call's, and as new as it has to be.
    Right,
    /// It is this call's, and older than what was confirmed before a server was lost: the deployment has lost that.
    Lost,
    /// It is not this call's, or nothing excuses that it is so old.
    Wrong(String),
}

/// Versions that are written one after the other.
#[derive(Debug, Default)]
pub(super) struct Register {
    /// The last one that was sent.
    newest: u64,
    /// One that was there, and when that was known. What is older should not be seen any more.
    sure: Option<(u64, Instant)>,
    /// Those that were certainly not executed, as the caller was told.
    refused: HashSet<u64>,
}

/// A counter that begins far from all others, so that it is known by its number.
#[derive(Debug)]
pub(super) struct Counter {
    /// Where it begins.
    base: i64,
    /// What it has been, and when that was known.
    sure: (i64, Instant),
    /// Additions of which nobody knows whether they were executed.
    doubtful: i64,
}

/// Between the beginnings of two counters.
const APART: i64 = 1_000_000_000;

impl Register {
    /// Returns the version to send next.
    pub(super) fn next(&mut self) -> u64 {
        self.newest += 1;
        self.newest
    }

    /// Notes that the server has confirmed a version.
    pub(super) fn confirm(&mut self, version: u64) {
        self.sure = Some((version, Instant::now()));
    }

    /// Notes that a version was certainly not written.
    pub(super) fn refuse(&mut self, version: u64) {
        self.refused.insert(version);
    }

    /// Judges what was read; `None` if there was nothing.
    pub(super) fn judge(&mut self, key: &str, value: Option<&[u8]>, sky: &Sky) -> Verdict {
        let version = match value {
            Some(value) => match version_of(key, value) {
                Some(version) => version,
                None => return Verdict::Wrong(format!("{key} is {:?}", value.escape_ascii().to_string())),
            },
            None => 0,
        };
        if version > self.newest {
            return Verdict::Wrong(format!("{key} has version {version} of {}", self.newest));
        }
        if self.refused.contains(&version) {
            return Verdict::Wrong(format!("{key} has version {version}, which was refused"));
        }
        let verdict = match self.sure {
            Some((sure, _)) if version >= sure => Verdict::Right,
            Some((_, since)) if sky.excuses(since) => Verdict::Lost,
            Some((sure, since)) => Verdict::Wrong(format!(
                "{key} has version {version} and had {sure} {} ms ago",
                since.elapsed().as_millis()
            )),
            None => Verdict::Right,
        };
        self.sure = Some((version, Instant::now()));
        verdict
    }
}

impl Counter {
    /// Makes the one with this number.
    pub(super) fn new(number: usize) -> Self {
        let base = i64::try_from(number + 1).unwrap_or_default() * APART;
        Self {
            base,
            sure: (base, Instant::now()),
            doubtful: 0,
        }
    }

    /// Returns what it is before the first addition.
    pub(super) fn base(&self) -> i64 {
        self.base
    }

    /// Notes an addition of which nobody knows whether it was executed.
    pub(super) fn doubt(&mut self) {
        self.doubtful += 1;
    }

    /// Judges what an addition has answered.
    pub(super) fn judge(&mut self, key: &str, count: i64, sky: &Sky) -> Verdict {
        let (sure, since) = self.sure;
        if count <= self.base || count >= self.base + APART {
            return Verdict::Wrong(format!("{key} is {count}, and began at {}", self.base));
        }
        let verdict = if count > sure + 1 + self.doubtful {
            Verdict::Wrong(format!(
                "{key} is {count}, and was {sure} with {} in doubt",
                self.doubtful
            ))
        } else if count > sure {
            self.doubtful -= count - sure - 1;
            Verdict::Right
        } else if sky.excuses(since) {
            Verdict::Lost
        } else {
            Verdict::Wrong(format!("{key} is {count}, and was {sure}"))
        };
        self.sure = (count, Instant::now());
        verdict
    }
}

/// Judges the elements of a list: each is the key's own, and none is there twice.
pub(super) fn judge_list(key: &str, elements: &[impl AsRef<[u8]>]) -> Verdict {
    let mut seen = HashSet::new();
    for element in elements.iter().map(AsRef::as_ref) {
        match version_of(key, element) {
            Some(version) if seen.insert(version) => {}
            Some(version) => return Verdict::Wrong(format!("{key} has the element {version} twice")),
            None => {
                return Verdict::Wrong(format!(
                    "{key} has the element {:?}",
                    element.escape_ascii().to_string()
                ));
            }
        }
    }
    Verdict::Right
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::word::bound, *};

    #[test]
    fn a_register_is_never_younger_than_what_was_sent_nor_older_than_what_was_confirmed() {
        let (mut register, sky) = (Register::default(), Sky::default());
        let first = register.next();
        register.confirm(first);
        assert_eq!(register.judge("k", Some(&bound("k", 1)), &sky), Verdict::Right);
        assert!(matches!(
            register.judge("k", Some(&bound("k", 2)), &sky),
            Verdict::Wrong(_)
        ));
        assert!(matches!(
            register.judge("k", Some(&bound("l", 1)), &sky),
            Verdict::Wrong(_)
        ));
        let second = register.next();
        register.confirm(second);
        assert!(matches!(
            register.judge("k", Some(&bound("k", 1)), &sky),
            Verdict::Wrong(_)
        ));
        register.confirm(second);
        let third = register.next();
        register.refuse(third);
        assert!(matches!(
            register.judge("k", Some(&bound("k", 3)), &sky),
            Verdict::Wrong(_)
        ));
        sky.darken(Instant::now());
        assert_eq!(register.judge("k", None, &sky), Verdict::Lost);
    }

    #[test]
    fn a_counter_may_have_counted_what_is_in_doubt() {
        let (mut counter, sky) = (Counter::new(0), Sky::default());
        let base = counter.base();
        assert_eq!(counter.judge("k", base + 1, &sky), Verdict::Right);
        counter.doubt();
        assert_eq!(counter.judge("k", base + 3, &sky), Verdict::Right);
        assert!(matches!(counter.judge("k", base + 5, &sky), Verdict::Wrong(_)));
        assert!(matches!(counter.judge("k", 2 * base + 1, &sky), Verdict::Wrong(_)));
        sky.darken(Instant::now() + Duration::from_secs(1));
        assert_eq!(counter.judge("k", base + 2, &sky), Verdict::Lost);
    }

    #[test]
    fn a_list_has_its_own_elements_once() {
        let (first, second) = (bound("k", 1), bound("k", 2));
        assert_eq!(judge_list("k", &[&first, &second]), Verdict::Right);
        assert!(matches!(judge_list("k", &[&first, &first]), Verdict::Wrong(_)));
        assert!(matches!(judge_list("k", &[bound("l", 1)]), Verdict::Wrong(_)));
    }
}
