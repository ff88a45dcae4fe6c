//! The contract notices what a wrong store does. Each store here is right but for one thing.

use std::time::Duration;

use redis_manager::{
    ErrorKind, MemoryCache,
    testing::{ActiveFault, CacheOperation, Fault, FaultyCache, Violation, contract},
};

/// A store with a fault that it was made with.
struct Wrong {
    store: FaultyCache<MemoryCache>,
    _fault: ActiveFault,
}

impl std::ops::Deref for Wrong {
    type Target = FaultyCache<MemoryCache>;

    fn deref(&self) -> &Self::Target {
        &self.store
    }
}

fn wrong(fault: Fault) -> Wrong {
    let store = FaultyCache::new(super::memory());
    let fault = store.faults().inject(fault);
    Wrong { store, _fault: fault }
}

fn dropping(operation: CacheOperation) -> Wrong {
    wrong(Fault::drop_writes().on([operation]))
}

#[track_caller]
fn assert_noticed(outcome: Result<(), Violation>, part: &str) {
    let violation = outcome.unwrap_err().to_string();
    assert!(violation.contains(part), "{part:?} in {violation:?}");
    assert!(
        violation.contains("contract/"),
        "the line of the contract in {violation:?}"
    );
}

#[tokio::test]
async fn a_write_that_is_not_made_is_noticed() {
    use CacheOperation as Op;

    let outcome = contract::overwriting_replaces_the_value(async || dropping(Op::Set)).await;
    assert_noticed(outcome, "get: expected Some");
    let outcome = contract::delete_says_whether_there_was_a_key(async || dropping(Op::Delete)).await;
    assert_noticed(outcome, "get: expected None");
    let outcome = contract::expire_changes_the_ttl(async || dropping(Op::Expire)).await;
    assert_noticed(outcome, "this does not hold: it has a ttl");
    let outcome = contract::a_counter_goes_up_and_down(async || dropping(Op::Increment)).await;
    assert_noticed(outcome, "increment by 10: expected 11, found 10");
    let outcome = contract::concurrent_increments_are_all_counted(async || dropping(Op::Increment)).await;
    assert_noticed(outcome, "the sums");
    let outcome = contract::many_values_are_set_with_one_ttl(async || dropping(Op::SetMany)).await;
    assert_noticed(outcome, "a: expected Some");
    let outcome = contract::special_characters_can_be_escaped(async || dropping(Op::DeletePattern)).await;
    assert_noticed(outcome, "expected 1, found 0");
    let outcome = contract::flush_empties_this_store_and_no_other(async || dropping(Op::Flush)).await;
    assert_noticed(outcome, "flush: expected 4, found 0");
}

#[tokio::test]
async fn a_store_that_looks_at_no_arguments_is_noticed() {
    let careless = async || wrong(Fault::drop_writes());
    assert_noticed(
        contract::an_empty_key_is_refused(careless).await,
        "set of an empty key is not refused",
    );
    assert_noticed(
        contract::an_empty_pattern_is_refused(careless).await,
        "an empty pattern is not refused: 0",
    );
    let careless = async || dropping(CacheOperation::SetMany);
    assert_noticed(
        contract::set_many_sets_all_or_none(careless).await,
        "set_many with an empty key is not refused",
    );
}

#[tokio::test]
async fn a_slow_store_is_not_wrong() {
    let slow = async || wrong(Fault::delay(Duration::from_millis(150)).on([CacheOperation::Ttl]));
    contract::a_short_ttl_ends_after_its_time(slow).await.unwrap();
}

#[tokio::test]
async fn stores_that_share_their_keys_are_noticed() {
    let shared = MemoryCache::new(1 << 20);
    let outcome = contract::flush_empties_this_store_and_no_other(async || &shared).await;
    assert_noticed(outcome, "what the other store has of it");
}

#[tokio::test]
async fn an_error_is_shown_with_the_behaviour_that_met_it() {
    let failing = async || wrong(Fault::fail(ErrorKind::Timeout));
    let violation = contract::check_all(failing).await.unwrap_err();
    let text = format!("{violation:?}");
    assert!(
        text.starts_with("a_counter_begins_at_zero: a call failed: Error(timeout: increment"),
        "{text}"
    );
    assert!(text.contains("contract/counters.rs"), "{text}");
}

#[tokio::test]
async fn every_behaviour_is_tested_one_after_the_other() {
    contract::check_all(async || Box::new(super::memory())).await.unwrap();
}

#[test]
fn every_behaviour_that_is_written_is_in_the_list() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/testing");
    let contract = std::fs::read_to_string(folder.join("contract.rs")).unwrap();
    let (_, list) = contract.split_once("@$then $make;").unwrap();
    let (list, _) = list.split_once('}').unwrap();
    let listed: Vec<_> = list.split_whitespace().collect();
    let mut written = Vec::new();
    for file in std::fs::read_dir(folder.join("contract")).unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let names = source.split("pub async fn ").skip(1);
        written.extend(names.map(|rest| rest.split('<').next().unwrap().to_owned()));
    }
    written.sort();
    assert_eq!(listed, written);
}
