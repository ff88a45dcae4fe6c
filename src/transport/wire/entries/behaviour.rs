//! What the steps do: the same at a server and in the embedded store.

mod backend;

use std::{future::poll_fn, ops::RangeInclusive};

use bytes::Bytes;
use futures_util::future::join_all;

use self::backend::{Backend, Server, at_both, eventually, set};
use crate::{
    command::{Call, Command, EntryAct, EntryFill, Seen, Tell, version},
    envelope::header::{Draft, Header, ID, Id, Kind, LEASE, STALE, TOUCHED},
    error::ErrorKind,
    messages::{self, Item, Topic},
    reply::Reply,
    ttl::Ttl,
};

const KEY: &str = "k";

fn ttl(millis: u64) -> Ttl {
    Ttl::from_millis(millis).unwrap()
}

fn envelope(kind: Kind, id: Id) -> Bytes {
    let mut envelope = Draft::bare(kind, id).write(4);
    envelope.extend(b"body");
    envelope.into()
}

fn fill(seen: Seen, id: Id) -> EntryAct {
    fill_and_tell(seen, id, None)
}

fn fill_and_tell(seen: Seen, id: Id, tell: Option<Tell>) -> EntryAct {
    EntryAct::Fill {
        seen,
        envelope: envelope(Kind::Value, id),
        ttl: ttl(60_000),
        tell,
    }
}

fn lease(lease: u64, millis: u64, seen: Option<Id>) -> EntryAct {
    EntryAct::Lease {
        lease,
        ttl: ttl(millis),
        seen,
        placeholder: envelope(Kind::Awaited, 0xa),
    }
}

fn release(lease: u64) -> EntryAct {
    EntryAct::Release { lease, tell: None }
}

fn touch(id: Id, at: i64) -> EntryAct {
    EntryAct::Touch {
        id,
        at,
        ttl: ttl(90_000),
    }
}

fn expire(id: Id) -> EntryAct {
    EntryAct::Expire {
        id,
        removed: envelope(Kind::Removed, 0xe),
        ttl: ttl(60_000),
    }
}

/// Says whether the first is the second but for the bytes in these places.
fn differs_only(found: &Bytes, expected: &Bytes, places: &[RangeInclusive<usize>]) -> bool {
    let mut pairs = found.iter().zip(expected).enumerate();
    let is_free = |at| places.iter().any(|places| places.contains(&at));
    found.len() == expected.len() && pairs.all(|(at, (found, expected))| found == expected || is_free(at))
}

/// Takes the answer to a mark apart: the version, and its age.
async fn marked(backend: &Backend, id: Id, millis: u64) -> (String, u64) {
    let answer = backend.act(KEY, EntryAct::Mark { id, ttl: ttl(millis) }).await;
    let text = answer.unwrap().into_bytes().unwrap().unwrap();
    let (version, age) = std::str::from_utf8(&text).unwrap().split_once(':').unwrap();
    (version.to_owned(), age.parse().unwrap())
}

#[tokio::test]
async fn an_envelope_is_stored_only_while_what_was_seen_is_still_there() {
    at_both(async |backend| {
        assert_eq!(backend.number(KEY, fill(Seen::Content(1), 1)).await, 0);
        assert_eq!(backend.number(KEY, fill(Seen::Lease(1), 1)).await, 0);
        assert_eq!(backend.get(KEY).await, None);
        assert_eq!(backend.number(KEY, fill(Seen::Nothing, 1)).await, 1);
        assert_eq!(backend.number(KEY, fill(Seen::Nothing, 2)).await, 0);
        assert_eq!(backend.number(KEY, fill(Seen::Content(2), 2)).await, 0);
        assert_eq!(backend.get(KEY).await, Some(envelope(Kind::Value, 1)));
        assert_eq!(backend.number(KEY, fill(Seen::Content(1), 2)).await, 1);
        assert_eq!(backend.get(KEY).await, Some(envelope(Kind::Value, 2)));
        assert!((50_000..=60_000).contains(&backend.pttl(KEY).await));
    })
    .await;
}

#[tokio::test]
async fn of_many_who_saw_the_same_one_stores() {
    at_both(async |backend| {
        for (key, seen) in [("new", Seen::Nothing), ("old", Seen::Content(1))] {
            backend.number("old", fill(Seen::Nothing, 1)).await;
            let ids = 100..164;
            let answers = join_all(ids.clone().map(|id| backend.number(key, fill(seen, id)))).await;
            let winners: Vec<_> = ids.zip(answers).filter(|(_, answer)| *answer == 1).collect();
            let [(id, _)] = winners[..] else {
                panic!("{key}: {winners:?}")
            };
            assert_eq!(backend.get(key).await, Some(envelope(Kind::Value, id)));
        }
    })
    .await;
}

#[tokio::test]
async fn many_are_stored_each_by_itself() {
    at_both(async |backend| {
        assert_eq!(backend.number("old", fill(Seen::Nothing, 1)).await, 1);
        backend.command(set("foreign".into(), "text".into(), None)).await;
        let fills = [
            ("new", Seen::Nothing),
            ("old", Seen::Nothing),
            ("old", Seen::Content(1)),
            ("foreign", Seen::Nothing),
            ("gone", Seen::Content(1)),
        ];
        let fill = |(key, seen): (&'static str, Seen)| EntryFill {
            key: key.into(),
            seen,
            envelope: envelope(Kind::Value, 2),
            ttl: ttl(60_000),
        };
        let answer = backend.command(Command::FillMany(fills.map(fill).into())).await;
        assert_eq!(answer, Reply::Array([1, 0, 1, 1, 0].map(Reply::Integer).into()));
        for key in ["new", "old", "foreign"] {
            assert_eq!(backend.get(key).await, Some(envelope(Kind::Value, 2)), "{key}");
            assert!((50_000..=60_000).contains(&backend.pttl(key).await));
        }
        assert_eq!(backend.get("gone").await, None);
    })
    .await;
}

#[tokio::test]
async fn what_is_none_of_ours_counts_as_nothing_and_is_overwritten() {
    at_both(async |backend| {
        let text = |text: &'static [u8]| set(KEY.into(), text.into(), None);
        // Ours, but it ends before all is said that scripts look for.
        let cut = envelope(Kind::Value, 1).slice(..STALE);
        let fields = vec![("f".into(), "v".into())];
        let foreign: [Command; 6] = [
            text(b"{\"a\":1}"),
            text(b""),
            set(KEY.into(), cut, None),
            Command::HashSet {
                key: KEY.into(),
                fields,
            },
            Call::new("RPUSH").key(KEY.into()).arg("e").into(),
            Call::new("SADD").key(KEY.into()).arg("m").into(),
        ];
        let put = async |command: &Command| {
            backend.command(Command::Delete { keys: vec![KEY.into()] }).await;
            backend.command(command.clone()).await;
        };
        for command in foreign {
            put(&command).await;
            for act in [
                fill(Seen::Content(1), 2),
                fill(Seen::Lease(1), 2),
                release(1),
                touch(1, 5),
                expire(2),
            ] {
                assert_eq!(backend.number(KEY, act.clone()).await, 0, "{command:?} {act:?}");
            }
            assert_eq!(backend.number(KEY, lease(7, 60_000, Some(1))).await, -1);
            assert_eq!(backend.number(KEY, lease(7, 60_000, None)).await, 0);
            assert_eq!(backend.header(KEY).await.kind, Kind::Awaited);
            put(&command).await;
            assert_eq!(backend.number(KEY, fill(Seen::Nothing, 2)).await, 1);
            assert_eq!(backend.get(KEY).await, Some(envelope(Kind::Value, 2)));
            put(&command).await;
            assert_eq!(marked(backend, 3, 60_000).await, (format!("c{:016x}", 3), 0));
            assert_eq!(marked(backend, 4, 60_000).await.0, format!("c{:016x}", 3));
        }
    })
    .await;
}

#[tokio::test]
async fn a_lease_has_one_holder_who_alone_stores() {
    at_both(async |backend| {
        assert_eq!(backend.number(KEY, lease(1, 30_000, Some(9))).await, -1);
        assert_eq!(backend.number(KEY, lease(1, 30_000, None)).await, 0);
        assert!((20_000..=30_000).contains(&backend.number(KEY, lease(2, 1, None)).await));
        assert!((20_000..=30_000).contains(&backend.pttl(KEY).await));
        assert_eq!(backend.number(KEY, lease(1, 60_000, Some(9))).await, 0);
        assert!((50_000..=60_000).contains(&backend.number(KEY, lease(2, 1, Some(0xa))).await));
        assert_eq!(backend.number(KEY, fill(Seen::Lease(2), 5)).await, 0);
        assert_eq!(backend.number(KEY, fill(Seen::Lease(1), 5)).await, 1);
        // Stored, the lease is over.
        assert_eq!(backend.get(KEY).await, Some(envelope(Kind::Value, 5)));
        assert_eq!(backend.number(KEY, lease(2, 60_000, None)).await, -1);
        assert_eq!(backend.number(KEY, lease(2, 60_000, Some(5))).await, 0);
        assert_eq!(backend.number(KEY, release(1)).await, 0);
        let found = backend.get(KEY).await.unwrap();
        assert!(differs_only(&found, &envelope(Kind::Value, 5), &[LEASE..=TOUCHED - 1]));
        assert_eq!(backend.number(KEY, release(2)).await, 1);
        assert_eq!(backend.get(KEY).await, Some(envelope(Kind::Value, 5)));
    })
    .await;
}

#[tokio::test]
async fn of_many_who_want_a_lease_one_has_it() {
    at_both(async |backend| {
        let wanted = (1..65).map(|holder| backend.number(KEY, lease(holder, 60_000, None)));
        let answers = join_all(wanted).await;
        assert_eq!(answers.iter().filter(|answer| **answer == 0).count(), 1);
        assert!(answers.iter().all(|answer| (0..=60_000).contains(answer)));
    })
    .await;
}

#[tokio::test]
async fn a_lease_passes_to_another_when_its_time_is_over() {
    at_both(async |backend| {
        backend.number(KEY, fill(Seen::Nothing, 5)).await;
        assert_eq!(backend.number(KEY, lease(1, 40, Some(5))).await, 0);
        eventually(async || backend.number(KEY, lease(2, 60_000, Some(5))).await == 0).await;
        assert_eq!(backend.number(KEY, fill(Seen::Lease(1), 6)).await, 0);
        assert_eq!(backend.number(KEY, fill(Seen::Lease(2), 7)).await, 1);
        assert_eq!(backend.number("new", lease(1, 40, None)).await, 0);
        eventually(async || backend.number("new", lease(2, 60_000, None)).await == 0).await;
    })
    .await;
}

#[tokio::test]
async fn what_stands_for_a_lease_that_is_over_counts_as_nothing_and_goes_with_the_next() {
    at_both(async |backend| {
        backend.set(KEY, envelope(Kind::Awaited, 0xb), 60_000).await;
        assert_eq!(backend.number(KEY, lease(1, 60_000, Some(9))).await, -1);
        assert_eq!(backend.number(KEY, lease(1, 60_000, None)).await, 0);
        assert_eq!(backend.header(KEY).await.id, 0xb);
        assert_eq!(backend.number(KEY, release(2)).await, 0);
        assert_eq!(backend.number(KEY, release(1)).await, 1);
        assert_eq!(backend.get(KEY).await, None);
        assert_eq!(backend.number(KEY, release(1)).await, 0);
    })
    .await;
}

#[tokio::test]
async fn what_a_lease_is_on_lives_as_long_at_least() {
    at_both(async |backend| {
        for (before, leased, after) in [
            (30_000, 60_000, 50_000..=60_000),
            (60_000, 30_000, 50_000..=60_000),
            (0, 30_000, -1..=-1),
        ] {
            backend.set(KEY, envelope(Kind::Removed, 5), before).await;
            assert_eq!(backend.number(KEY, lease(1, leased, Some(5))).await, 0);
            assert!(after.contains(&backend.pttl(KEY).await), "{before} {leased}");
        }
    })
    .await;
}

#[tokio::test]
async fn to_touch_lets_the_same_content_live_anew() {
    at_both(async |backend| {
        backend.set(KEY, envelope(Kind::Value, 5), 30_000).await;
        assert_eq!(backend.number(KEY, touch(6, 77)).await, 0);
        assert!(backend.pttl(KEY).await <= 30_000);
        assert_eq!(backend.number(KEY, touch(5, 77)).await, 1);
        assert!((80_000..=90_000).contains(&backend.pttl(KEY).await));
        assert_eq!(backend.header(KEY).await.touched, 77);
        let found = backend.get(KEY).await.unwrap();
        assert!(differs_only(&found, &envelope(Kind::Value, 5), &[TOUCHED..=STALE - 1]));
    })
    .await;
}

#[tokio::test]
async fn to_expire_makes_values_stale_and_gives_whatever_is_there_another_identity() {
    at_both(async |backend| {
        assert_eq!(backend.number(KEY, expire(6)).await, 0);
        assert_eq!(backend.get(KEY).await, Some(envelope(Kind::Removed, 0xe)));
        assert!((50_000..=60_000).contains(&backend.pttl(KEY).await));
        assert_eq!(backend.number(KEY, fill(Seen::Nothing, 7)).await, 0);
        for (kind, is_value) in [
            (Kind::Value, true),
            (Kind::NotFound, true),
            (Kind::Removed, false),
            (Kind::Awaited, false),
        ] {
            backend.set(KEY, envelope(kind, 5), 60_000).await;
            let answer = backend.number(KEY, expire(6)).await;
            assert_eq!(answer, i64::from(is_value), "{kind:?}");
            let header = backend.header(KEY).await;
            assert_eq!((header.id, header.is_declared_stale), (6, is_value), "{kind:?}");
            let found = backend.get(KEY).await.unwrap();
            let changed = [ID..=LEASE - 1, STALE..=STALE];
            assert!(differs_only(&found, &envelope(kind, 5), &changed), "{kind:?}");
            assert!((50_000..=60_000).contains(&backend.pttl(KEY).await));
            assert_eq!(backend.number(KEY, fill(Seen::Content(5), 7)).await, 0);
            assert_eq!(backend.number(KEY, fill(Seen::Content(6), 7)).await, 1);
            assert!(!backend.header(KEY).await.is_declared_stale);
        }
    })
    .await;
}

#[tokio::test]
async fn a_version_that_is_there_stays_with_its_age() {
    at_both(async |backend| {
        let new = format!("c{:016x}", 1);
        assert_eq!(marked(backend, 1, 60_000).await, (new.clone(), 0));
        assert_eq!(backend.get(KEY).await, Some(version('c', 1, ttl(60_000))));
        eventually(async || marked(backend, 2, 1_000).await.1 >= 20).await;
        let (found, age) = marked(backend, 2, 1_000).await;
        assert!(found == new && age < 20_000, "{found} {age}");
        assert!((40_000..60_000).contains(&backend.pttl(KEY).await));
    })
    .await;
}

#[tokio::test]
async fn a_version_lives_as_long_as_is_asked_for_and_its_age_is_still_told() {
    at_both(async |backend| {
        // It was set ten seconds ago.
        backend.set(KEY, version('r', 1, ttl(60_000)), 50_000).await;
        for millis in [40_000, 90_000, 70_000] {
            let (found, age) = marked(backend, 2, millis).await;
            assert_eq!(found, format!("r{:016x}", 1));
            assert!((10_000..20_000).contains(&age), "{millis} {age}");
        }
        assert!((80_000..=90_000).contains(&backend.pttl(KEY).await));
    })
    .await;
}

#[tokio::test]
async fn a_version_without_end_is_older_than_anything_and_one_from_the_future_is_new() {
    at_both(async |backend| {
        backend.set(KEY, version('r', 1, ttl(60_000)), 0).await;
        assert_eq!(marked(backend, 2, 60_000).await, (format!("r{:016x}", 1), 1 << 53));
        assert_eq!(backend.pttl(KEY).await, -1);
        backend.set(KEY, version('r', 1, ttl(10_000)), 60_000).await;
        assert_eq!(marked(backend, 2, 5_000).await, (format!("r{:016x}", 1), 0));
    })
    .await;
}

#[tokio::test]
async fn what_only_resembles_a_version_is_overwritten() {
    at_both(async |backend| {
        let good = "c0123456789abcdef:1000";
        for bad in [
            "x0123456789abcdef:1000",
            "c0123456789abcdeF:1000",
            "c0123456789abcde:1000",
            "c0123456789abcdef0:1000",
            "c0123456789abcdef:",
            "c0123456789abcdef:-5",
            "c0123456789abcdef:1e3",
            "c0123456789abcdef:1000 ",
            "c0123456789abcdef:12345678901234567890",
            "c0123456789abcdef:123456789012345678901",
        ] {
            backend.set(KEY, bad.into(), 60_000).await;
            assert_eq!(marked(backend, 3, 1_000).await, (format!("c{:016x}", 3), 0), "{bad}");
        }
        backend.set(KEY, good.into(), 60_000).await;
        assert_eq!(marked(backend, 3, 1_000).await.0, good[..17]);
    })
    .await;
}

#[tokio::test]
async fn who_listens_is_told_of_what_was_stored_and_given_back_and_of_nothing_else() {
    at_both(async |backend| {
        for (kind, verb) in [
            (messages::Kind::Channel, "PUBLISH"),
            (messages::Kind::Shard, "SPUBLISH"),
        ] {
            let key = verb;
            let topic = Topic {
                kind,
                name: "told".into(),
            };
            let listener = backend.road().listen(vec![topic]).await.unwrap();
            let tell = Tell {
                channel: "told".into(),
                is_sharded: verb == "SPUBLISH",
            };
            let told = |seen, id| fill_and_tell(seen, id, Some(tell.clone()));
            let release = |lease| EntryAct::Release {
                lease,
                tell: Some(tell.clone()),
            };
            assert_eq!(backend.number(key, told(Seen::Content(1), 2)).await, 0);
            assert_eq!(backend.number(key, fill(Seen::Nothing, 2)).await, 1);
            assert_eq!(backend.number(key, release(7)).await, 0);
            assert_eq!(backend.number(key, told(Seen::Content(2), 3)).await, 1);
            assert_eq!(backend.number(key, lease(7, 60_000, Some(3))).await, 0);
            assert_eq!(backend.number(key, release(7)).await, 1);
            let last = Call::new(verb).key("told".into()).arg("last").into();
            backend.command(last).await;
            // Also that the lease was another's.
            for expected in ["1", "1", "1", "last"] {
                match poll_fn(|context| listener.inbox().poll_next(context)).await {
                    Some(Item::Message(arrival)) => assert_eq!(arrival.payload, expected),
                    other => panic!("{other:?}"),
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_error_of_the_server_comes_back_and_nothing_was_done() {
    let server = Server::start();
    let backend = Backend::of(&server.url());
    backend.number(KEY, fill(Seen::Nothing, 1)).await;
    let full = Call::new("CONFIG SET").args(["maxmemory", "1"]);
    backend.command(full.into()).await;
    for act in [
        fill(Seen::Content(1), 2),
        lease(1, 60_000, Some(1)),
        touch(1, 5),
        expire(2),
        EntryAct::Mark { id: 2, ttl: ttl(5) },
    ] {
        let error = backend.act(KEY, act.clone()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{act:?}: {error}");
    }
    assert_eq!(backend.get(KEY).await, Some(envelope(Kind::Value, 1)));
}

impl Backend {
    async fn header(&self, key: &'static str) -> Header {
        Header::read(&self.get(key).await.unwrap()).unwrap()
    }

    async fn pttl(&self, key: &'static str) -> i64 {
        let reply = self.command(Call::new("PTTL").key(key.into()).into()).await;
        reply.into_integer().unwrap()
    }
}
