//! What goes in as a typed value comes out as the same, in every format and by every backend.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use proptest::prelude::*;
use redis_manager::{ErrorKind, Format, Json, RedisManager, Reply, Value};
use serde::{Deserialize, Serialize};

on_both_backends! {
    a_json_value_is_read_wherever_a_value_is_read,
    a_bool_is_stored_as_a_number,
    a_value_that_is_not_what_was_asked_for_is_a_decode_error_without_content,
}

#[derive(Debug, Clone, PartialEq, PartialOrd, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(u64),
    Tuple(i8, String),
    Struct { area: Option<f64>, name: char },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Nothing,
    Named { name: String, rank: Option<i32> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    nested: BTreeMap<String, BTreeMap<i64, Vec<Shape>>>,
    tagged: Vec<Tagged>,
    set: BTreeSet<String>,
    option: Option<Vec<Option<bool>>>,
    pair: (u128, i128),
    float: f64,
    small_float: f32,
    bytes: Vec<u8>,
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    later: Option<u8>,
}

fn texts() -> impl Strategy<Value = String> + Clone {
    let special = prop::sample::select(vec!['\0', '"', '\\', '\n', '\u{2028}', '🦀', '\u{feff}', '/']);
    let char = prop_oneof![any::<char>(), special];
    prop::collection::vec(char, 0..12).prop_map(|chars| chars.into_iter().collect())
}

fn floats() -> impl Strategy<Value = f64> + Clone {
    use prop::num::f64::{NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    prop_oneof![
        NORMAL | SUBNORMAL | ZERO | POSITIVE | NEGATIVE,
        Just(f64::MAX),
        Just(f64::MIN_POSITIVE)
    ]
    .prop_filter("finite", |float| float.is_finite())
}

fn shapes() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Unit),
        any::<u64>().prop_map(Shape::Newtype),
        (any::<i8>(), texts()).prop_map(|(number, text)| Shape::Tuple(number, text)),
        (prop::option::of(floats()), any::<char>()).prop_map(|(area, name)| Shape::Struct { area, name }),
    ]
}

fn tagged() -> impl Strategy<Value = Tagged> {
    prop_oneof![
        Just(Tagged::Nothing),
        (texts(), any::<Option<i32>>()).prop_map(|(name, rank)| Tagged::Named { name, rank }),
    ]
}

fn everything() -> impl Strategy<Value = Everything> {
    let inner = prop::collection::btree_map(any::<i64>(), prop::collection::vec(shapes(), 0..3), 0..3);
    let collections = (
        prop::collection::btree_map(texts(), inner, 0..3),
        prop::collection::vec(tagged(), 0..3),
        prop::collection::btree_set(texts(), 0..4),
        prop::option::of(prop::collection::vec(any::<Option<bool>>(), 0..4)),
    );
    let plain = (
        any::<(u128, i128)>(),
        floats(),
        any::<f32>().prop_filter("finite", |float| float.is_finite()),
        prop::collection::vec(any::<u8>(), 0..40),
        texts(),
        any::<Option<u8>>(),
    );
    (collections, plain).prop_map(
        |((nested, tagged, set, option), (pair, float, small_float, bytes, text, later))| Everything {
            nested,
            tagged,
            set,
            option,
            pair,
            float,
            small_float,
            bytes,
            text,
            later,
        },
    )
}

fn assert_round_trip(format: Format, value: &Everything) {
    let bytes = format.encode(value).unwrap();
    assert_eq!(&format.decode::<Everything>(&bytes).unwrap(), value, "{format:?}");
}

/// Whatever stands there: an answer or an error, but no panic.
fn assert_decodes_or_fails(format: Format, bytes: &[u8]) {
    if let Err(error) = format.decode::<Everything>(bytes) {
        assert_eq!(error.kind(), ErrorKind::Decode);
    }
}

proptest! {
    #[test]
    fn json_gives_back_what_it_was_given(value in everything()) {
        assert_round_trip(Format::Json, &value);
    }

    #[test]
    fn json_from_strangers_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        assert_decodes_or_fails(Format::Json, &bytes);
    }
}

#[cfg(feature = "msgpack")]
mod message_pack {
    use proptest::prelude::*;
    use redis_manager::{Format, MessagePack, RedisManager, Value};
    use serde::{Deserialize, Serialize};

    use super::{assert_decodes_or_fails, assert_round_trip, everything};

    on_both_backends! {
        a_packed_value_is_read_wherever_a_value_is_read,
    }

    proptest! {
        #[test]
        fn it_gives_back_what_it_was_given(value in everything()) {
            assert_round_trip(Format::MessagePack, &value);
        }

        #[test]
        fn from_strangers_it_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            assert_decodes_or_fails(Format::MessagePack, &bytes);
        }
    }

    #[test]
    fn floats_that_are_no_numbers_come_back() {
        let packed = Format::MessagePack.encode(&[f64::INFINITY, f64::NAN]).unwrap();
        let [infinity, nan] = Format::MessagePack.decode::<[f64; 2]>(&packed).unwrap();
        assert_eq!(infinity, f64::INFINITY);
        assert!(nan.is_nan());
    }

    #[test]
    fn a_field_can_be_added_to_a_struct() {
        #[derive(Serialize)]
        struct Old {
            name: String,
            gone: bool,
        }
        #[derive(Debug, PartialEq, Deserialize)]
        struct New {
            #[serde(default)]
            rank: u8,
            name: String,
        }
        let old = Old {
            name: "Ada".to_owned(),
            gone: true,
        };
        let packed = Format::MessagePack.encode(&old).unwrap();
        let new: New = Format::MessagePack.decode(&packed).unwrap();
        assert_eq!((new.rank, new.name.as_str()), (0, "Ada"));
    }

    async fn a_packed_value_is_read_wherever_a_value_is_read(redis: &RedisManager) {
        let value = Value::message_pack(&(1, "ü")).unwrap();
        redis.service().hash().hset("h", [("f", value)]).await.unwrap();
        let found: Option<MessagePack<(u8, String)>> = redis.service().hash().hget("h", "f").await.unwrap();
        assert_eq!(found, Some(MessagePack((1, "ü".to_owned()))));
    }
}

/// The table at `Format` says so.
#[test]
fn the_limits_of_json_are_as_documented() {
    assert!(Format::Json.encode(&HashMap::from([((1, 2), 3)])).is_err());
    assert_eq!(
        Format::Json.encode(&BTreeMap::from([(true, 1)])).unwrap(),
        r#"{"true":1}"#
    );
    assert_eq!(Format::Json.encode(&f64::NAN).unwrap(), "null");
    assert!(Format::Json.decode::<f64>(b"null").is_err());
    let nothing = Format::Json.encode(&Some(None::<u8>)).unwrap();
    assert_eq!(Format::Json.decode::<Option<Option<u8>>>(&nothing).unwrap(), None);
}

#[test]
fn wide_numbers_do_not_pass_a_flattened_struct() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Outer {
        #[serde(flatten)]
        wide: Wide,
    }
    #[derive(Debug, Serialize, Deserialize)]
    struct Wide {
        number: u128,
    }
    let encode = |format: Format| {
        let wide = Wide { number: 7 };
        format.encode(&Outer { wide })
    };
    let fails = |format: Format, bytes: Bytes| format.decode::<Outer>(&bytes).is_err();
    assert!(fails(Format::Json, encode(Format::Json).unwrap()));
    #[cfg(feature = "msgpack")]
    assert!(encode(Format::MessagePack).map_or(true, |bytes| fails(Format::MessagePack, bytes)));
}

async fn a_json_value_is_read_wherever_a_value_is_read(redis: &RedisManager) {
    let (strings, hash) = (redis.service().string(), redis.service().hash());
    let value = Value::json(&[1, 2]).unwrap();
    strings.set("s", &value).await.unwrap();
    hash.hset("h", [("f", value)]).await.unwrap();
    assert_eq!(strings.get("s").await.unwrap(), Some(Json(vec![1, 2])));
    assert_eq!(hash.hget("h", "f").await.unwrap(), Some(Json(vec![1, 2])));
    let all: HashMap<String, Json<(u8, u8)>> = hash.hgetall("h").await.unwrap();
    assert_eq!(all["f"], Json((1, 2)));
    let many: Vec<Option<Json<[i64; 2]>>> = strings.get_many(["s", "nobody"]).await.unwrap();
    assert_eq!(many, [Some(Json([1, 2])), None]);
}

async fn a_bool_is_stored_as_a_number(redis: &RedisManager) {
    let strings = redis.service().string();
    strings.set("yes", true).await.unwrap();
    let no = &false; // by reference, too
    strings.set("no", no).await.unwrap();
    assert_eq!(strings.get::<String>("yes").await.unwrap().as_deref(), Some("1"));
    let both: Vec<Option<bool>> = strings.get_many(["yes", "no"]).await.unwrap();
    assert_eq!(both, [Some(true), Some(false)]);
    assert_eq!(strings.incr("yes").await.unwrap(), 2);
}

async fn a_value_that_is_not_what_was_asked_for_is_a_decode_error_without_content(redis: &RedisManager) {
    redis.set("k", r#"{"name": "sesame"}"#).await;
    let strings = redis.service().string();
    let error = strings.get::<Json<HashMap<String, u8>>>("k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    let text = format!("{error} {error:?}");
    assert!(text.contains("HashMap") && text.contains("column 17"), "{text}");
    assert!(!text.contains("sesame") && !text.contains("name\""), "{text}");
    let nothing: Option<Json<u8>> = strings.get("nobody").await.unwrap();
    assert_eq!(nothing, None);
    assert!(
        redis_manager::FromReply::from_reply(Reply::Nil)
            .map(|Json::<u8>(_)| ())
            .is_err()
    );
}
