//! Families of keys: different fields never meet, and a mistake does not compile.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use proptest::prelude::*;
use redis_manager::{IntoKeys, Key, KeyFamily, KeyPart, ParseKey, RedisManager, redis_key};
use serde::{Deserialize, Serialize};

on_both_backends! {
    a_typed_key_tells_the_type_of_its_value,
    a_typed_key_is_a_key_wherever_one_is_asked_for,
    a_key_without_a_type_holds_whatever_one_asks_for,
    a_family_is_found_by_its_pattern_and_read_back,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Profile {
    name: String,
}

redis_key! {
    /// What a user tells of themselves.
    UserProfile => "user:{id}:profile" { id: u64 } -> Profile;

    /// All that a user has.
    #[derive(PartialOrd, Ord)]
    User => "user:{name}" { name: String };

    /// One for all.
    Settings => "settings" {} -> HashMap<String, bool>;

    /// In one slot of a cluster.
    pub(crate) Visits => "visits:{{{page}}}:{day}" { page: Cow<'static, str>, day: u32 } -> u64;

    Pair => "p*[{a}]?{b}\\{c}" {
        /// The first.
        a: String,
        b: String,
        c: char,
    };

    Twice => "{r}:{r}" { r: i8 };

    Raw => "raw:{type}" { r#type: bool };
}

#[test]
fn a_mistake_in_a_declaration_or_in_its_use_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

#[test]
fn a_key_looks_like_its_template() {
    assert_eq!(UserProfile { id: 7 }.key(), Key::from("user:7:profile"));
    assert_eq!(Settings {}.key(), Key::from("settings"));
    let page = "home".into();
    assert_eq!(Visits { page, day: 3 }.key(), Key::from("visits:{home}:3"));
    assert_eq!(Raw { r#type: true }.key(), Key::from("raw:true"));
    assert_eq!(Twice { r: -5 }.key(), Key::from("-5:-5"));
}

#[test]
fn a_field_cannot_leave_its_place() {
    let name = "1:profile".to_owned();
    assert_eq!(User { name }.key(), Key::from("user:1%3Aprofile"));
    let page = "a}:*?[x]^\\%\r\n\u{7f}ü🦀".into();
    assert_eq!(
        Visits { page, day: 0 }.key(),
        Key::from("visits:{a%7D%3A%2A%3F%5Bx%5D%5E%5C%25%0D%0A%7Fü🦀}:0")
    );
}

#[test]
fn a_pattern_means_what_is_literal_as_it_stands() {
    assert_eq!(UserProfile::pattern(), "user:*:profile");
    assert_eq!(Settings::pattern(), "settings");
    assert_eq!(Visits::pattern(), "visits:{*}:*");
    assert_eq!(Pair::pattern(), r"p\*\[*\]\?*\\*");
}

#[test]
fn only_keys_of_the_family_are_read_back() {
    assert_eq!(UserProfile::parse("user:7:profile"), Some(UserProfile { id: 7 }));
    for other in [
        "user:7",
        "user:7:profile:x",
        "user:7:8:profile",
        "user:07:profile",
        "user:+7:profile",
        "user::profile",
        "xuser:7:profile",
        "user:x:profile",
        "",
    ] {
        assert_eq!(UserProfile::parse(other), None, "{other:?}");
    }
    // Not as the family would have written it.
    for other in ["user:%61", "user:%3a", "user:%3", "user:%zz", "user:%FF", "user:a:b"] {
        assert_eq!(User::parse(other), None, "{other:?}");
    }
    assert_eq!(User::parse(&b"user:\xff"[..]), None);
    assert_eq!(Twice::parse("1:1"), Some(Twice { r: 1 }));
    assert_eq!(Twice::parse("1:2"), None);
    assert_eq!(Settings::parse("settings"), Some(Settings {}));
    assert_eq!(Settings::parse("settings:x"), None);
    assert_eq!(Raw::parse("raw:false"), Some(Raw { r#type: false }));
}

#[test]
fn whatever_is_a_key_part_stands_in_a_key_as_it_is_written() {
    fn part(part: impl KeyPart) -> String {
        part.part().into_owned()
    }
    assert_eq!(part(u128::MAX), u128::MAX.to_string());
    assert_eq!(part(i64::MIN), i64::MIN.to_string());
    assert_eq!(
        (part('ü'), part(true), part("a")),
        ("ü".into(), "true".into(), "a".into())
    );
    assert_eq!(part(std::net::Ipv6Addr::LOCALHOST), "::1");
    assert_eq!(part(std::num::NonZeroU8::MAX), "255");
}

#[test]
fn one_key_and_many_are_lists_of_keys() {
    let keys = [UserProfile { id: 1 }, UserProfile { id: 2 }];
    assert_eq!((&keys[0]).into_keys(), [Key::from("user:1:profile")]);
    assert_eq!((&keys).into_keys(), keys.clone().into_keys());
    assert_eq!(keys.to_vec().into_keys().len(), 2);
    assert_eq!(User { name: "a".into() }.count(), 1);
}

fn names() -> impl Strategy<Value = String> + Clone {
    let hostile = prop::sample::select(vec![
        ':', '%', '{', '}', '*', '?', '[', ']', '\\', '^', '\0', '-', 'a', '1', '2', '5', '3', 'A', 'D', 'ü', '🦀',
    ]);
    let char = prop_oneof![4 => hostile, 1 => any::<char>()];
    prop::collection::vec(char, 0..6).prop_map(|chars| chars.into_iter().collect())
}

fn pairs() -> impl Strategy<Value = Pair> + Clone {
    let char = prop_oneof![Just('%'), Just('\\'), Just(':'), any::<char>()];
    (names(), names(), char).prop_map(|(a, b, c)| Pair { a, b, c })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn different_fields_never_give_equal_keys(one in pairs(), other in pairs()) {
        prop_assert_eq!(one == other, one.key() == other.key());
    }

    #[test]
    fn every_key_is_read_back_as_its_fields(pair in pairs()) {
        prop_assert_eq!(Pair::parse(pair.key()), Some(pair));
    }

    #[test]
    fn no_field_makes_a_key_of_another_shape(name in names()) {
        let key = User { name }.key();
        prop_assert_eq!(UserProfile::parse(&key), None);
        prop_assert!(!key.as_str().unwrap()["user:".len()..].contains(':'));
    }

    #[test]
    fn what_is_read_back_has_that_key(text in "[uservit:{}%0-9A-F*]{0,20}") {
        for key in [Key::from(text.as_str()), Key::from(format!("user:{text}"))] {
            if let Some(user) = User::parse(&key) {
                prop_assert_eq!(user.key(), key);
            }
        }
    }
}

async fn a_typed_key_tells_the_type_of_its_value(redis: &RedisManager) {
    let json = redis.service().json();
    let ada = Profile { name: "Ada".to_owned() };
    assert!(json.set(&UserProfile { id: 7 }, &ada).ex(60).await.unwrap());
    let found = json.get(&UserProfile { id: 7 }).await.unwrap();
    assert_eq!(found.unwrap().name, "Ada");
    assert_eq!(json.get(UserProfile { id: 8 }).await.unwrap(), None);
    let many = json
        .get_many([UserProfile { id: 7 }, UserProfile { id: 8 }])
        .await
        .unwrap();
    assert_eq!(many[0].as_ref().map(|profile| profile.name.as_str()), Some("Ada"));
    let settings = HashMap::from([("dark".to_owned(), true)]);
    json.set(&Settings {}, &settings).await.unwrap();
    assert!(json.get(&Settings {}).await.unwrap().unwrap()["dark"]);
    // By its name it is a key like any other.
    assert_eq!(json.get::<Profile>("user:7:profile").await.unwrap(), Some(ada));
}

async fn a_typed_key_is_a_key_wherever_one_is_asked_for(redis: &RedisManager) {
    let service = redis.service();
    let key = UserProfile { id: 7 };
    service.string().set(&key, "text").await.unwrap();
    assert_eq!(
        service.string().get::<String>(&key).await.unwrap().as_deref(),
        Some("text")
    );
    assert_eq!(redis.get(&key).await.as_deref(), Some("text"));
    assert!(service.keys().expire(&key, 60).await.unwrap());
    assert_eq!(service.keys().exists([&key, &UserProfile { id: 8 }]).await.unwrap(), 1);
    assert_eq!(service.keys().delete(key).await.unwrap(), 1);
}

async fn a_key_without_a_type_holds_whatever_one_asks_for(redis: &RedisManager) {
    let json = redis.service().json();
    let key = User { name: "Ada".to_owned() };
    json.set(&key, &[1, 2]).await.unwrap();
    assert_eq!(json.get::<Vec<u8>>(&key).await.unwrap(), Some(vec![1, 2]));
    assert_eq!(json.get::<(i64, i64)>(&key).await.unwrap(), Some((1, 2)));
}

async fn a_family_is_found_by_its_pattern_and_read_back(redis: &RedisManager) {
    let names = ["a", "b:c", "*", "ü", "x:profile"];
    let keys = names.map(|name| User { name: name.to_owned() });
    redis.set_many(keys.iter().map(|key| (key, "v"))).await;
    redis
        .set_many([("user:1:profile", "v"), ("users", "v"), ("xuser:1", "v")])
        .await;
    let mut found = BTreeSet::new();
    let mut scan = redis.service().keys().scan(<User as KeyFamily>::pattern());
    while let Some(key) = scan.next().await {
        found.extend(User::parse_key(&key.unwrap()));
    }
    assert_eq!(found, BTreeSet::from(keys));
}
