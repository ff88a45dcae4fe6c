//! `json_module()`, against a server with RedisJSON's commands and against those that have none.

pub mod server;

use std::collections::BTreeMap;

use redis_manager::{Config, Error, ErrorKind, JsonModuleOperations, JsonType, Operation, RedisManager};
use serde::{Deserialize, Serialize};

use self::server::Shared;
use crate::support::RedisServer;

/// Makes a test of each behaviour, an `async fn(JsonModuleOperations<'_>)`.
macro_rules! on_a_json_server {
    ($($behaviour:ident,)+) => {
        mod json_server {
            $(
                #[tokio::test]
                async fn $behaviour() {
                    let shared = super::Shared::join();
                    super::$behaviour(shared.redis.service().json_module()).await;
                    shared.assert_undisturbed();
                }
            )+
        }
    };
}

on_a_json_server! {
    a_document_comes_back,
    a_path_finds_the_first_match_or_all,
    a_part_is_set_only_where_it_can_be,
    conditions_look_at_the_path,
    nothing_is_found_without_a_key_and_without_a_match,
    many_documents_are_read_at_once,
    parts_and_documents_are_deleted_and_counted,
    types_are_told,
    numbers_are_added_to,
    strings_grow,
    arrays_grow_and_shrink,
    objects_tell_their_fields,
    booleans_are_toggled,
    documents_are_merged,
    older_paths_are_read_as_the_newer_form,
    changing_a_missing_document_is_an_error_of_the_server,
    a_wrong_path_is_an_error_and_the_connection_stays,
    what_cannot_be_read_as_asked_is_a_decode_error,
    what_cannot_be_written_is_not_sent,
    words_of_pubsub_are_texts_like_any_other,
    replies_stay_with_their_callers,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    age: u32,
    tags: Vec<String>,
    admin: bool,
}

fn ada() -> User {
    User {
        name: "Ada".to_owned(),
        age: 36,
        tags: vec!["math".to_owned(), "poetry".to_owned()],
        admin: false,
    }
}

async fn a_document_comes_back(json: JsonModuleOperations<'_>) {
    assert!(json.set("k", "$", &ada()).await.unwrap());
    assert_eq!(json.get("k", "$").await.unwrap(), Some(ada()));
    assert!(json.set("k", "$.age", &37).await.unwrap());
    assert_eq!(json.get::<u32>("k", "$.age").await.unwrap(), Some(37));
    assert!(json.set("list", "$", &[[1, 2], [3, 4]]).await.unwrap());
    assert_eq!(json.get("list", "$").await.unwrap(), Some([[1, 2], [3, 4]]));
}

async fn a_path_finds_the_first_match_or_all(json: JsonModuleOperations<'_>) {
    json.set("k", "$", &[ada(), User { age: 7, ..ada() }]).await.unwrap();
    assert_eq!(json.get::<u32>("k", "$[*].age").await.unwrap(), Some(36));
    assert_eq!(json.get_all::<u32>("k", "$[*].age").await.unwrap(), [36, 7]);
    assert_eq!(
        json.get_all::<Vec<String>>("k", "$[0].tags").await.unwrap(),
        [ada().tags]
    );
    assert_eq!(json.get_all::<User>("k", "$[1]").await.unwrap().len(), 1);
    // The first match is read whatever the others are.
    json.set("mixed", "$", &(1, "two", [3])).await.unwrap();
    assert_eq!(json.get::<u8>("mixed", "$[*]").await.unwrap(), Some(1));
}

async fn a_part_is_set_only_where_it_can_be(json: JsonModuleOperations<'_>) {
    let error = json.set("k", "$.a", &1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server, "{error}");
    json.set("k", "$", &BTreeMap::from([("a", 1)])).await.unwrap();
    assert!(json.set("k", "$.b", &2).await.unwrap());
    let all: BTreeMap<String, u8> = json.get("k", "$").await.unwrap().unwrap();
    assert_eq!(all, BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]));
}

async fn conditions_look_at_the_path(json: JsonModuleOperations<'_>) {
    let empty = BTreeMap::<String, u8>::new();
    assert!(!json.set("k", "$", &empty).xx().await.unwrap());
    assert!(json.set("k", "$", &empty).nx().await.unwrap());
    assert!(!json.set("k", "$", &[1]).nx().await.unwrap());
    assert!(!json.set("k", "$.a", &1).xx().await.unwrap());
    assert!(json.set("k", "$.a", &1).nx().await.unwrap());
    assert!(!json.set("k", "$.a", &2).nx().await.unwrap());
    assert!(json.set("k", "$.a", &3).xx().await.unwrap());
    assert_eq!(json.get::<u8>("k", "$.a").await.unwrap(), Some(3));
    let error = json.set("k", "$", &1).nx().xx().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

async fn nothing_is_found_without_a_key_and_without_a_match(json: JsonModuleOperations<'_>) {
    json.set("k", "$", &ada()).await.unwrap();
    for (key, path) in [("missing", "$"), ("missing", "$.nothing"), ("k", "$.nothing")] {
        assert_eq!(json.get::<User>(key, path).await.unwrap(), None, "{key} {path}");
        assert!(
            json.get_all::<User>(key, path).await.unwrap().is_empty(),
            "{key} {path}"
        );
        assert!(json.type_of(key, path).await.unwrap().is_empty(), "{key} {path}");
        assert_eq!(json.del(key, path).await.unwrap(), 0, "{key} {path}");
    }
    let path = "$.nothing";
    assert!(json.numincrby::<f64>("k", path, 1).await.unwrap().is_empty());
    assert!(json.strappend("k", path, "x").await.unwrap().is_empty());
    assert!(json.arrappend("k", path, [1]).await.unwrap().is_empty());
    assert!(json.arrinsert("k", path, 0, [1]).await.unwrap().is_empty());
    assert!(json.arrlen("k", path).await.unwrap().is_empty());
    assert!(json.arrpop::<u8>("k", path, -1).await.unwrap().is_empty());
    assert!(json.objkeys("k", path).await.unwrap().is_empty());
    assert!(json.objlen("k", path).await.unwrap().is_empty());
    assert!(json.toggle("k", path).await.unwrap().is_empty());
    assert_eq!(json.get("k", "$").await.unwrap(), Some(ada()));
}

async fn many_documents_are_read_at_once(json: JsonModuleOperations<'_>) {
    json.set("a", "$", &ada()).await.unwrap();
    json.set("b", "$", &User { age: 7, ..ada() }).await.unwrap();
    json.set("c", "$", &BTreeMap::from([("name", "no user")]))
        .await
        .unwrap();
    let ages: Vec<Option<u32>> = json.mget(["missing", "a", "c", "b", "a"], "$.age").await.unwrap();
    assert_eq!(ages, [None, Some(36), None, Some(7), Some(36)]);
    for count in 1..6 {
        let users: Vec<Option<User>> = json.mget(vec!["a"; count], "$").await.unwrap();
        assert_eq!(users, vec![Some(ada()); count]);
    }
    assert!(json.mget::<u32>(Vec::<String>::new(), "$").await.unwrap().is_empty());
    let error = json.mget::<u32>(["a", "a", "c"], "$.name").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(
        error.message().ends_with("(at 0)") && !error.message().contains("Ada"),
        "{error}"
    );
}

async fn parts_and_documents_are_deleted_and_counted(json: JsonModuleOperations<'_>) {
    json.set("k", "$", &[ada(), ada()]).await.unwrap();
    assert_eq!(json.del("k", "$[*].tags").await.unwrap(), 2);
    assert!(json.get_all::<Vec<String>>("k", "$[*].tags").await.unwrap().is_empty());
    assert_eq!(json.del("k", "$").await.unwrap(), 1);
    assert_eq!(json.del("k", "$").await.unwrap(), 0);
    assert!(json.type_of("k", "$").await.unwrap().is_empty());
}

async fn types_are_told(json: JsonModuleOperations<'_>) {
    json.set("k", "$", &((), true, 1, 1.5, "x", [1], ada())).await.unwrap();
    assert_eq!(json.type_of("k", "$").await.unwrap(), [JsonType::Array]);
    assert_eq!(
        json.type_of("k", "$[*]").await.unwrap(),
        [
            JsonType::Null,
            JsonType::Boolean,
            JsonType::Integer,
            JsonType::Number,
            JsonType::String,
            JsonType::Array,
            JsonType::Object,
        ]
    );
}

async fn numbers_are_added_to(json: JsonModuleOperations<'_>) {
    json.set("k", "$", &(1, "x", 2)).await.unwrap();
    assert_eq!(
        json.numincrby::<f64>("k", "$[*]", 10).await.unwrap(),
        [Some(11.0), None, Some(12.0)]
    );
    assert_eq!(json.numincrby::<f64>("k", "$[0]", -0.5).await.unwrap(), [Some(10.5)]);
    assert_eq!(json.get::<f64>("k", "$[0]").await.unwrap(), Some(10.5));
    for step in [f64::NAN, f64::INFINITY] {
        let error = json.numincrby::<f64>("k", "$[0]", step).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
    let error = json.numincrby::<f64>("k", "$[0]", "ten").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

async fn strings_grow(json: JsonModuleOperations<'_>) {
    json.set("k", "$", &("ab", 1)).await.unwrap();
    assert_eq!(json.strappend("k", "$[*]", "\"c\r\n").await.unwrap(), [Some(6), None]);
    assert_eq!(
        json.get::<String>("k", "$[0]").await.unwrap().as_deref(),
        Some("ab\"c\r\n")
    );
}

/// Not an array of arrays: the JSON server changes those wrongly in place.
#[derive(Serialize)]
struct Lists<'a> {
    a: &'a [&'a str],
    b: u8,
}

async fn arrays_grow_and_shrink(json: JsonModuleOperations<'_>) {
    json.set("k", "$", &Lists { a: &["b"], b: 1 }).await.unwrap();
    assert_eq!(json.arrappend("k", "$.*", ["c", "d"]).await.unwrap(), [Some(3), None]);
    assert_eq!(json.arrinsert("k", "$.a", 0, ["a"]).await.unwrap(), [Some(4)]);
    assert_eq!(json.arrinsert("k", "$.a", -1, ["x"]).await.unwrap(), [Some(5)]);
    assert_eq!(json.arrlen("k", "$.*").await.unwrap(), [Some(5), None]);
    let all: Vec<String> = json.get("k", "$.a").await.unwrap().unwrap();
    assert_eq!(all, ["a", "b", "c", "x", "d"]);
    assert!(json.arrappend("k", "$.a", Vec::<u8>::new()).await.unwrap().is_empty());

    let popped: Vec<Option<String>> = json.arrpop("k", "$.*", -1).await.unwrap();
    assert_eq!(popped, [Some("d".to_owned()), None]);
    let popped: Vec<Option<String>> = json.arrpop("k", "$.a", 0).await.unwrap();
    assert_eq!(popped, [Some("a".to_owned())]);
    json.set("empty", "$", &[0; 0]).await.unwrap();
    assert_eq!(json.arrpop::<u8>("empty", "$", -1).await.unwrap(), [None]);
}

async fn objects_tell_their_fields(json: JsonModuleOperations<'_>) {
    json.set("k", "$", &(ada(), 1)).await.unwrap();
    assert_eq!(json.objlen("k", "$[*]").await.unwrap(), [Some(4), None]);
    let mut keys = json.objkeys("k", "$[*]").await.unwrap();
    keys[0].as_mut().unwrap().sort();
    let names = ["admin", "age", "name", "tags"].map(str::to_owned).to_vec();
    assert_eq!(keys, [Some(names), None]);
}

async fn booleans_are_toggled(json: JsonModuleOperations<'_>) {
    json.set("k", "$", &(true, "true", false)).await.unwrap();
    assert_eq!(json.toggle("k", "$[*]").await.unwrap(), [Some(false), None, Some(true)]);
    assert_eq!(json.toggle("k", "$[1]").await.unwrap(), [None]);
    assert_eq!(
        json.get("k", "$").await.unwrap(),
        Some((false, "true".to_owned(), true))
    );
}

async fn documents_are_merged(json: JsonModuleOperations<'_>) {
    let map = |pairs: &[(&'static str, Option<u8>)]| pairs.iter().copied().collect::<BTreeMap<_, _>>();
    assert!(
        json.merge("k", "$", &map(&[("a", Some(1)), ("b", Some(2))]))
            .await
            .unwrap()
    );
    assert!(
        json.merge("k", "$", &map(&[("a", None), ("c", Some(3))]))
            .await
            .unwrap()
    );
    let merged: BTreeMap<String, u8> = json.get("k", "$").await.unwrap().unwrap();
    assert_eq!(merged, BTreeMap::from([("b".to_owned(), 2), ("c".to_owned(), 3)]));
}

async fn older_paths_are_read_as_the_newer_form(json: JsonModuleOperations<'_>) {
    json.set("k", ".", &ada()).await.unwrap();
    for path in ["$.tags", ".tags", "tags", "[\"tags\"]"] {
        assert_eq!(json.get("k", path).await.unwrap(), Some(ada().tags), "{path}");
        assert_eq!(json.arrlen("k", path).await.unwrap(), [Some(2)], "{path}");
        assert_eq!(json.type_of("k", path).await.unwrap(), [JsonType::Array], "{path}");
    }
    let error = json.get::<User>("k", "").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

/// Every operation that changes a document in place, or measures one, and its error.
async fn errors_of_other_than_reading(json: JsonModuleOperations<'_>, key: &str) -> Vec<Error> {
    vec![
        json.numincrby::<f64>(key, "$", 1).await.unwrap_err(),
        json.strappend(key, "$", "x").await.unwrap_err(),
        json.arrappend(key, "$", [1]).await.unwrap_err(),
        json.arrinsert(key, "$", 0, [1]).await.unwrap_err(),
        json.arrlen(key, "$").await.unwrap_err(),
        json.arrpop::<u8>(key, "$", -1).await.unwrap_err(),
        json.objkeys(key, "$").await.unwrap_err(),
        json.objlen(key, "$").await.unwrap_err(),
        json.toggle(key, "$").await.unwrap_err(),
    ]
}

async fn errors_of_the_others(json: JsonModuleOperations<'_>, key: &str) -> Vec<Error> {
    vec![
        json.set(key, "$.a", &1).await.unwrap_err(),
        json.set(key, "$.a", &1).nx().into_request().await.unwrap_err(),
        json.get::<u8>(key, "$").await.unwrap_err(),
        json.get_all::<u8>(key, "$").await.unwrap_err(),
        json.del(key, "$").await.unwrap_err(),
        json.type_of(key, "$").await.unwrap_err(),
        json.merge(key, "$.a", &1).await.unwrap_err(),
    ]
}

async fn changing_a_missing_document_is_an_error_of_the_server(json: JsonModuleOperations<'_>) {
    for error in errors_of_other_than_reading(json, "missing").await {
        assert_eq!(error.kind(), ErrorKind::Server, "{error}");
        assert!(error.message().contains("doesn't exist"), "{error}");
    }
}

#[tokio::test]
async fn a_key_that_holds_no_document_is_the_wrong_type() {
    let shared = Shared::join();
    let service = shared.redis.service();
    assert!(service.string().set("text", "7").await.unwrap());
    let mut errors = errors_of_other_than_reading(service.json_module(), "text").await;
    errors.extend(errors_of_the_others(service.json_module(), "text").await);
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::WrongType, "{error}");
    }
    // As MGET does.
    let found: Vec<Option<u8>> = service.json_module().mget(["text"], "$").await.unwrap();
    assert_eq!(found, [None]);
    assert_eq!(service.string().get("text").await.unwrap(), Some(7));
    shared.assert_undisturbed();
}

async fn a_wrong_path_is_an_error_and_the_connection_stays(json: JsonModuleOperations<'_>) {
    json.set("k", "$", &ada()).await.unwrap();
    for path in ["$.[[[", "$[", "$.a b ("] {
        let error = json.arrlen("k", path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Server, "{path}: {error}");
        assert_eq!(json.get("k", "$").await.unwrap(), Some(ada()));
    }
}

async fn what_cannot_be_read_as_asked_is_a_decode_error(json: JsonModuleOperations<'_>) {
    json.set("k", "$", &("sesame", (), [1])).await.unwrap();
    let error = json.get::<u8>("k", "$[0]").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(!error.to_string().contains("sesame"), "{error}");
    assert_eq!(json.get::<u8>("k", "$[1]").await.unwrap_err().kind(), ErrorKind::Decode);
    assert_eq!(json.get::<Option<u8>>("k", "$[1]").await.unwrap(), Some(None));
    let error = json.get_all::<String>("k", "$[*]").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
}

async fn what_cannot_be_written_is_not_sent(json: JsonModuleOperations<'_>) {
    // JSON has no keys that are lists.
    let value = BTreeMap::from([(vec![1], 2)]);
    let errors = [
        json.set("k", "$", &value).await.unwrap_err(),
        json.merge("k", "$", &value).await.unwrap_err(),
        json.arrappend("k", "$", [&value]).await.unwrap_err(),
        json.arrinsert("k", "$", 0, [&value]).await.unwrap_err(),
    ];
    assert!(
        errors.iter().all(|error| error.kind() == ErrorKind::Encode),
        "{errors:?}"
    );
    assert!(json.type_of("k", "$").await.unwrap().is_empty());
    assert_eq!(
        json.get::<u8>("", "$").await.unwrap_err().kind(),
        ErrorKind::InvalidArgument
    );
}

/// What the client below takes for a message of a channel, if it begins a list of three or four.
const HOSTILE: [&str; 6] = [
    "message",
    "pmessage",
    "smessage",
    "subscribe",
    "unsubscribe",
    "invalidate",
];

/// Writes and reads a word in every place that a reply could begin with.
async fn says_back(json: JsonModuleOperations<'_>, key: &str, word: &str) {
    for count in 3..=4 {
        let list = vec![word.to_owned(); count];
        let names = [word, "b", "c", "d"].map(str::to_owned);
        let object: BTreeMap<_, _> = names[..count].iter().map(|name| (name.clone(), word)).collect();

        assert!(json.set(key, "$", &list).await.unwrap());
        assert_eq!(json.get(key, "$").await.unwrap(), Some(list.clone()));
        assert_eq!(json.get_all::<String>(key, "$[*]").await.unwrap(), list);
        assert_eq!(
            json.mget::<Vec<String>>(vec![key; count], "$").await.unwrap(),
            vec![Some(list.clone()); count]
        );
        assert_eq!(
            json.mget::<String>(vec![key; count], "$[0]").await.unwrap(),
            vec![Some(word.to_owned()); count]
        );
        assert_eq!(
            json.mget::<String>(vec![key; count - 1], "$[0]").await.unwrap().len(),
            count - 1
        );
        assert_eq!(json.type_of(key, "$[*]").await.unwrap(), vec![JsonType::String; count]);
        assert_eq!(json.strappend(key, "$[*]", word).await.unwrap().len(), count);

        let lists: BTreeMap<_, _> = names[..count].iter().map(|name| (name, &list)).collect();
        assert!(json.set(key, "$", &lists).await.unwrap());
        let popped: Vec<Option<String>> = json.arrpop(key, "$.*", 0).await.unwrap();
        assert_eq!(popped, vec![Some(word.to_owned()); count]);
        let lengths = json.arrappend(key, "$.*", [word]).await.unwrap();
        assert_eq!(lengths, vec![Some(count as u64); count]);

        assert!(json.set(key, "$", &object).await.unwrap());
        let mut found = json.objkeys(key, "$").await.unwrap().pop().unwrap().unwrap();
        found.sort();
        assert!(found.iter().eq(object.keys()), "{found:?}");
        assert!(json.set(key, "$", &vec![&object; count]).await.unwrap());
        assert_eq!(json.objkeys(key, "$[*]").await.unwrap().len(), count);
        let path = format!("$[*].{word}");
        assert_eq!(json.get_all::<String>(key, &path).await.unwrap(), list);
        assert_eq!(json.get::<String>(key, word).await.unwrap(), None);
    }
}

async fn words_of_pubsub_are_texts_like_any_other(json: JsonModuleOperations<'_>) {
    for word in HOSTILE {
        says_back(json, word, word).await;
    }
}

async fn replies_stay_with_their_callers(json: JsonModuleOperations<'_>) {
    let hostile = async {
        for word in HOSTILE {
            says_back(json, "hostile", word).await;
        }
    };
    let others = async {
        for number in 0..200 {
            assert!(json.set("number", "$", &number).await.unwrap());
            assert_eq!(json.get("number", "$").await.unwrap(), Some(number));
        }
    };
    tokio::join!(hostile, others);
}

/// Every operation, each with the name of its command.
async fn errors(redis: &RedisManager) -> Vec<(&'static str, Error)> {
    let json = redis.service().json_module();
    vec![
        ("JSON.SET", json.set("k", "$", &1).await.unwrap_err()),
        ("JSON.GET", json.get::<u8>("k", "$").await.unwrap_err()),
        ("JSON.GET", json.get_all::<u8>("k", "$").await.unwrap_err()),
        ("JSON.MGET", json.mget::<u8>(["k", "l"], "$").await.unwrap_err()),
        ("JSON.DEL", json.del("k", "$").await.unwrap_err()),
        ("JSON.TYPE", json.type_of("k", "$").await.unwrap_err()),
        ("JSON.NUMINCRBY", json.numincrby::<i64>("k", "$", 1).await.unwrap_err()),
        ("JSON.STRAPPEND", json.strappend("k", "$", "x").await.unwrap_err()),
        ("JSON.ARRAPPEND", json.arrappend("k", "$", [1]).await.unwrap_err()),
        ("JSON.ARRINSERT", json.arrinsert("k", "$", 0, [1]).await.unwrap_err()),
        ("JSON.ARRLEN", json.arrlen("k", "$").await.unwrap_err()),
        ("JSON.ARRPOP", json.arrpop::<u8>("k", "$", -1).await.unwrap_err()),
        ("JSON.OBJKEYS", json.objkeys("k", "$").await.unwrap_err()),
        ("JSON.OBJLEN", json.objlen("k", "$").await.unwrap_err()),
        ("JSON.TOGGLE", json.toggle("k", "$").await.unwrap_err()),
        ("JSON.MERGE", json.merge("k", "$", &1).await.unwrap_err()),
    ]
}

async fn assert_lacking(redis: &RedisManager) {
    for (command, error) in errors(redis).await {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(!error.is_unavailable() && !error.is_retryable());
        let missing = format!("the RedisJSON module ({command})");
        assert!(error.message().contains(&missing), "{error}");
    }
    assert!(redis.set("k", "v").await, "the connection stays");
}

#[tokio::test]
async fn a_server_without_the_module_does_not_support_it_and_says_what_is_missing() {
    let server = RedisServer::start();
    let redis = server.manager();
    assert_lacking(&redis).await;
    assert_eq!(redis.metrics().outages, 0);
}

#[tokio::test]
async fn the_embedded_backend_does_not_support_it_and_says_what_is_missing() {
    assert_lacking(&RedisManager::new(Config::from_url("memory://")).unwrap()).await;
}

#[tokio::test]
async fn a_manager_that_is_disabled_says_so() {
    for (command, error) in errors(&RedisManager::disabled("not needed here")).await {
        assert_eq!(error.kind(), ErrorKind::Disabled, "{command}");
    }
}
