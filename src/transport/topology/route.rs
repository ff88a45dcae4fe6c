//! Which nodes of a cluster a command concerns.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::slot::slot_of;
use crate::{
    command::{Arg, Call, Command, Set, Versioned},
    error::{Error, ErrorKind, Result},
    reply::Reply,
};

/// Where a command goes.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Route {
    /// To the node of one slot.
    Slot(u16, Command),
    /// To any node.
    Anywhere(Command),
    /// To every node.
    Everywhere(Command, Merge),
    /// In parts, each to the node of a slot.
    Parts(Vec<(u16, Command)>, Merge),
    /// From node to node, by a cursor.
    Scan(Call),
}

/// How the answers to parts become one.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Merge {
    /// They are added.
    Sum,
    /// All have to be `OK`.
    Ok,
    /// One is enough, and they are alike.
    Any,
    /// Each is a value, in the order of the keys. An error takes its value's place.
    Values,
    /// The same, of a value and the versions that it depends on.
    Versioned,
    /// Each is a list of values; these are their places.
    Lists(Vec<Vec<usize>>),
}

impl Route {
    /// # Errors
    ///
    /// - The keys are in several slots, and the command cannot be taken apart: kind `InvalidArgument`, which names the slots.
    pub(in super::super) fn of(command: Command) -> Result<Self> {
        match command {
            Command::GetMany { keys } => Ok(Self::Parts(
                keys.into_iter()
                    .map(|key| (slot_of(&key), Command::Get { key }))
                    .collect(),
                Merge::Values,
            )),
            Command::SetMany { pairs, ttl } => {
                let parts = by_slot(pairs, |(key, _)| slot_of(key));
                let part = |(slot, (_, pairs))| (slot, Command::SetMany { pairs, ttl });
                Ok(Self::Parts(parts.into_iter().map(part).collect(), Merge::Ok))
            }
            Command::Delete { keys } => {
                let parts = by_slot(keys, |key| slot_of(key));
                let part = |(slot, (_, keys))| (slot, Command::Delete { keys });
                Ok(Self::Parts(parts.into_iter().map(part).collect(), Merge::Sum))
            }
            Command::Call(call) => Self::of_call(call),
            command => Self::whole(command),
        }
    }

    fn of_call(call: Call) -> Result<Self> {
        match call.name {
            "SCAN" => Ok(Self::Scan(call)),
            "DBSIZE" => Ok(Self::Everywhere(call.into(), Merge::Sum)),
            "SCRIPT LOAD" => Ok(Self::Everywhere(call.into(), Merge::Any)),
            name if counts_keys(name) => {
                let Call { name, args, guard } = call;
                let parts = by_slot(args, |arg| slot_of(arg.bytes()));
                let part = |(slot, (_, args))| (slot, Call { name, args, guard }.into());
                Ok(Self::Parts(parts.into_iter().map(part).collect(), Merge::Sum))
            }
            "JSON.MGET" => Ok(Self::of_json_mget(call)),
            _ => Self::whole(call.into()),
        }
    }

    /// Keys, and then one path.
    fn of_json_mget(mut call: Call) -> Self {
        let path: Vec<_> = call.args.extract_if(.., |arg| matches!(arg, Arg::Other(_))).collect();
        let args = std::mem::take(&mut call.args);
        let parts = by_slot(args, |arg| slot_of(arg.bytes()));
        let (mut commands, mut places) = (Vec::new(), Vec::new());
        for (slot, (at, mut args)) in parts {
            args.extend(path.iter().cloned());
            commands.push((slot, Call { args, ..call.clone() }.into()));
            places.push(at);
        }
        Self::Parts(commands, Merge::Lists(places))
    }

    fn whole(command: Command) -> Result<Self> {
        match slot_of_all([&command])? {
            Some(slot) => Ok(Self::Slot(slot, command)),
            None => Ok(Self::Anywhere(command)),
        }
    }
}

/// Says whether a command is nothing but a list of keys, and answers how many of them it concerned.
fn counts_keys(name: &str) -> bool {
    matches!(name, "UNLINK" | "EXISTS" | "TOUCH")
}

/// Takes a part of a command apart into single keys, if that is possible: those of a slot that is being moved may be on two nodes.
pub(in super::super) fn divided(command: &Command) -> Option<(Vec<Command>, Merge)> {
    match command {
        Command::Delete { keys } if keys.len() > 1 => {
            let one = |key: &Bytes| Command::Delete {
                keys: vec![key.clone()],
            };
            Some((keys.iter().map(one).collect(), Merge::Sum))
        }
        Command::GetVersioned(versioned) => {
            let get = |key| Command::Get {
                key: Bytes::copy_from_slice(key),
            };
            Some((versioned.keys().map(get).collect(), Merge::Versioned))
        }
        Command::SetMany { pairs, ttl } if pairs.len() > 1 => {
            let one = |pair: &(Bytes, Bytes)| Command::SetMany {
                pairs: vec![pair.clone()],
                ttl: *ttl,
            };
            Some((pairs.iter().map(one).collect(), Merge::Ok))
        }
        Command::Call(call) if counts_keys(call.name) && call.args.len() > 1 => {
            let one = |arg: &Arg| {
                let args = vec![arg.clone()];
                Call { args, ..*call }.into()
            };
            Some((call.args.iter().map(one).collect(), Merge::Sum))
        }
        _ => None,
    }
}

/// Returns the slot of a command that concerns one key only, and that of many callers at the same time.
pub(in super::super) fn of_one_key(command: &Command) -> Option<u16> {
    match command {
        Command::Get { key } | Command::Set(Set { key, .. }) => Some(slot_of(key)),
        // Its versions are in the same.
        Command::GetVersioned(versioned) => Some(slot_of(versioned.key())),
        _ => None,
    }
}

/// Returns the one slot of all keys that the commands name; `None` if they name none.
///
/// # Errors
///
/// - There are several: kind `InvalidArgument`.
pub(in super::super) fn slot_of_all<'a>(commands: impl IntoIterator<Item = &'a Command>) -> Result<Option<u16>> {
    let mut slots = Vec::new();
    for command in commands {
        command.each_key(|key| {
            let slot = slot_of(key);
            if !slots.contains(&slot) {
                slots.push(slot);
            }
        });
    }
    match slots[..] {
        [] => Ok(None),
        [slot] => Ok(Some(slot)),
        _ => Err(crossing(&slots)),
    }
}

/// Says that keys are in several slots, and what helps.
fn crossing(slots: &[u16]) -> Error {
    const SHOWN: usize = 8;
    let shown: Vec<_> = slots.iter().take(SHOWN).map(u16::to_string).collect();
    let more = if slots.len() > SHOWN { ", …" } else { "" };
    Error::invalid(format!(
        "the keys are in several slots of the cluster ({}{more}); keys with the same {{hash tag}} are in one",
        shown.join(", ")
    ))
}

/// Elements of one slot, and in which places they stood.
type Together<T> = (Vec<usize>, Vec<T>);

fn by_slot<T>(elements: Vec<T>, slot: impl Fn(&T) -> u16) -> BTreeMap<u16, Together<T>> {
    let mut parts = BTreeMap::<u16, Together<T>>::new();
    for (place, element) in elements.into_iter().enumerate() {
        let (places, together) = parts.entry(slot(&element)).or_default();
        places.push(place);
        together.push(element);
    }
    parts
}

impl Merge {
    /// # Errors
    ///
    /// - That of the first part that has failed, unless one that has not is enough, or an error may stand in its place.
    pub(in super::super) fn apply(self, answers: Vec<Result<Reply>>) -> Result<Reply> {
        match self {
            Self::Sum => {
                let counts = answers.into_iter().map(|answer| answer?.into_integer());
                counts.sum::<Result<i64>>().map(Reply::Integer)
            }
            Self::Ok => {
                answers.into_iter().try_for_each(|answer| answer?.into_unit())?;
                Ok(Reply::Ok)
            }
            Self::Any => {
                let mut answers = answers;
                let good = answers.iter().position(Result::is_ok).unwrap_or_default();
                if answers.is_empty() {
                    return Ok(Reply::Nil);
                }
                answers.swap_remove(good)
            }
            Self::Values => Ok(Reply::Array(answers.into_iter().map(value).collect())),
            Self::Versioned => {
                let found = answers.into_iter().map(|answer| match value(answer) {
                    Reply::Error(error) => Err(error),
                    reply => reply.into_bytes(),
                });
                let found: Vec<_> = found.collect::<Result<_>>()?;
                Ok(Reply::Bytes(Versioned::answer(found.iter().map(Option::as_deref))))
            }
            Self::Lists(places) => {
                let mut values: Vec<_> = places.iter().flatten().map(|_| Reply::Nil).collect();
                for (answer, places) in answers.into_iter().zip(places) {
                    for (value, place) in answer?.into_array()?.into_iter().zip(places) {
                        if let Some(found) = values.get_mut(place) {
                            *found = value;
                        }
                    }
                }
                Ok(Reply::Array(values))
            }
        }
    }
}

/// What is no string is nothing, as `MGET` tells it.
fn value(answer: Result<Reply>) -> Reply {
    match answer {
        Ok(value) => value,
        Err(error) if error.kind() == ErrorKind::WrongType => Reply::Nil,
        Err(error) => Reply::Error(error),
    }
}

/// Returns the bytes of a scan's cursor.
pub(in super::super) fn cursor_of(call: &Call) -> Bytes {
    call.args.first().map(|arg| arg.bytes().clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ttl::Ttl;

    fn keys(keys: &[&'static str]) -> Vec<Bytes> {
        keys.iter().map(|key| Bytes::from_static(key.as_bytes())).collect()
    }

    fn parts_of(command: impl Into<Command>) -> (Vec<(u16, Command)>, Merge) {
        match Route::of(command.into()).unwrap() {
            Route::Parts(parts, merge) => (parts, merge),
            other => panic!("{other:?}"),
        }
    }

    fn text(text: &'static str) -> Reply {
        Reply::Bytes(text.into())
    }

    #[test]
    fn one_key_goes_to_its_slot_and_none_anywhere() {
        let get = Command::Get { key: "foo".into() };
        assert_eq!(Route::of(get.clone()).unwrap(), Route::Slot(12182, get));
        let ping = Command::from(Call::new("PING"));
        assert_eq!(Route::of(ping.clone()).unwrap(), Route::Anywhere(ping));
    }

    #[test]
    fn what_can_be_taken_apart_is() {
        let (parts, merge) = parts_of(Command::Delete {
            keys: keys(&["{a}1", "b", "{a}2"]),
        });
        let together = |keys: &[&'static str]| Command::Delete { keys: self::keys(keys) };
        let expected = [
            (slot_of(b"b"), together(&["b"])),
            (slot_of(b"a"), together(&["{a}1", "{a}2"])),
        ];
        assert_eq!((parts, merge), (expected.into(), Merge::Sum));
        let pairs = vec![("a".into(), "1".into()), ("b".into(), "2".into())];
        let ttl = Some(Ttl::from_millis(5).unwrap());
        let (parts, merge) = parts_of(Command::SetMany { pairs, ttl });
        assert_eq!((parts.len(), merge), (2, Merge::Ok));
        let (parts, _) = parts_of(Call::new("UNLINK").keys_of(keys(&["a", "b"])));
        assert!(parts.contains(&(slot_of(b"a"), Call::new("UNLINK").key("a".into()).into())));
    }

    #[test]
    fn values_come_back_in_the_order_of_their_keys() {
        let (parts, merge) = parts_of(Command::GetMany {
            keys: keys(&["b", "a", "b"]),
        });
        assert_eq!(parts.len(), 3);
        let wrong = Error::new(ErrorKind::WrongType, "WRONGTYPE");
        let gone = Error::new(ErrorKind::Unavailable, "gone");
        let answers = vec![Ok(text("2")), Err(wrong), Err(gone.clone())];
        let merged = merge.apply(answers).unwrap();
        assert_eq!(merged, Reply::Array(vec![text("2"), Reply::Nil, Reply::Error(gone)]));
        let (parts, merge) = parts_of(Call::new("JSON.MGET").keys_of(keys(&["b", "a", "{b}c"])).arg("$"));
        assert_eq!(
            parts[0].1,
            Call::new("JSON.MGET").keys_of(keys(&["b", "{b}c"])).arg("$").into()
        );
        let lists = [vec![text("b"), text("c")], vec![text("a")]];
        let merged = merge.apply(lists.map(|list| Ok(Reply::Array(list))).into()).unwrap();
        assert_eq!(merged, Reply::Array(vec![text("b"), text("a"), text("c")]));
    }

    #[test]
    fn a_part_can_be_taken_apart_into_single_keys() {
        let (singles, merge) = divided(&Call::new("UNLINK").keys_of(keys(&["a", "b"])).into()).unwrap();
        let one = |key: &'static str| Command::from(Call::new("UNLINK").key(key.into()));
        assert_eq!((singles, merge), (vec![one("a"), one("b")], Merge::Sum));
        assert_eq!(divided(&one("a")), None);
        assert_eq!(
            divided(&Call::new("RENAME").key("a".into()).key("b".into()).into()),
            None
        );
    }

    #[test]
    fn what_cannot_be_taken_apart_has_to_be_in_one_slot() {
        let rename = |to: &'static str| Route::of(Call::new("RENAME").key("{a}1".into()).key(to.into()).into());
        assert!(matches!(rename("{a}2"), Ok(Route::Slot(..))));
        let error = rename("b").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        for key in ["a", "b"] {
            assert!(
                error.message().contains(&slot_of(key.as_bytes()).to_string()),
                "{error}"
            );
        }
    }

    #[test]
    fn counts_are_added_and_one_digest_is_enough() {
        let failed = || Err(Error::new(ErrorKind::Unavailable, "gone"));
        let counts = vec![Ok(Reply::Integer(2)), Ok(Reply::Integer(3))];
        assert_eq!(Merge::Sum.apply(counts).unwrap(), Reply::Integer(5));
        assert!(Merge::Sum.apply(vec![Ok(Reply::Integer(2)), failed()]).is_err());
        assert!(Merge::Ok.apply(vec![Ok(Reply::Ok), failed()]).is_err());
        assert_eq!(
            Merge::Any.apply(vec![failed(), Ok(text("digest"))]).unwrap(),
            text("digest")
        );
        assert!(Merge::Any.apply(vec![failed()]).is_err());
    }
}
