//! The tests that every [`CacheStore`] has to pass.
//!
//! Run them all with [`cache_store_contract!`](crate::testing::cache_store_contract), each as a test of its own, or with [`check_all`], one
//! after the other. Each behaviour below is one of them.

mod counters;
mod expiry;
mod many;
mod patterns;
mod values;

use std::{
    fmt::{self, Debug},
    ops::Deref,
    panic::Location,
    time::{Duration, Instant},
};

pub use self::{
    counters::{
        a_counter_begins_at_zero, a_counter_can_be_stored_and_read, a_counter_goes_up_and_down,
        a_counter_keeps_its_time_to_live, a_counter_never_wraps_around, concurrent_increments_are_all_counted,
        text_cannot_be_counted,
    },
    expiry::{
        a_missing_key_and_one_that_does_not_expire_have_no_ttl, a_short_ttl_ends_after_its_time, a_ttl_counts_down,
        a_ttl_of_zero_is_refused, expire_changes_the_ttl, expire_of_a_missing_key_is_false,
        overwriting_takes_the_ttl_off, overwriting_with_a_ttl_sets_it_anew,
    },
    many::{
        empty_lists_are_nothing_to_do, many_values_are_set_with_one_ttl, set_many_sets_all_or_none,
        set_many_takes_the_ttl_off, values_come_in_the_order_of_their_keys,
    },
    patterns::{
        a_pattern_deletes_what_it_matches_and_nothing_else, a_pattern_that_matches_nothing_deletes_nothing,
        an_empty_pattern_is_refused, flush_empties_this_store_and_no_other, special_characters_can_be_escaped,
    },
    values::{
        a_key_is_any_text, a_missing_key_is_none, a_store_answers_a_ping, a_value_is_any_bytes,
        an_empty_key_is_refused, delete_says_whether_there_was_a_key, exists_says_whether_there_is_a_key,
        json_comes_back_as_it_was, json_of_another_shape_is_an_error_without_its_content,
        overwriting_replaces_the_value,
    },
};
use crate::{
    cache_store::CacheStore,
    error::{Error, ErrorKind},
};

/// Makes a test of each behaviour that a [`CacheStore`] has to have.
///
/// It takes an `async fn()` or an `async ||` closure that makes a pointer to an empty store: an `Arc`, a `Box`, or a guard of your own that
/// derefs to a store and ends its server when it is dropped. It is called once or twice in each test, and the stores that it makes share no keys:
/// on one Redis, each has a key prefix of its own. The tests are `#[tokio::test]`: the crate that
/// uses this has tokio, with the features `macros` and `rt`, among its dependencies. Put it into a module of its own.
///
/// # Examples
///
/// ```
/// #[cfg(test)]
/// mod memory_cache {
///     use std::sync::Arc;
///     use redis_manager::{MemoryCache, testing::cache_store_contract};
///
///     cache_store_contract!(async || Arc::new(MemoryCache::new(1 << 20)));
/// }
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! cache_store_contract {
    ($make:expr) => {
        $crate::testing::cache_store_contract! { @each tests $make }
    };
    (@each $then:ident $make:expr) => {
        $crate::testing::cache_store_contract! { @$then $make;
            a_counter_begins_at_zero
            a_counter_can_be_stored_and_read
            a_counter_goes_up_and_down
            a_counter_keeps_its_time_to_live
            a_counter_never_wraps_around
            a_key_is_any_text
            a_missing_key_and_one_that_does_not_expire_have_no_ttl
            a_missing_key_is_none
            a_pattern_deletes_what_it_matches_and_nothing_else
            a_pattern_that_matches_nothing_deletes_nothing
            a_short_ttl_ends_after_its_time
            a_store_answers_a_ping
            a_ttl_counts_down
            a_ttl_of_zero_is_refused
            a_value_is_any_bytes
            an_empty_key_is_refused
            an_empty_pattern_is_refused
            concurrent_increments_are_all_counted
            delete_says_whether_there_was_a_key
            empty_lists_are_nothing_to_do
            exists_says_whether_there_is_a_key
            expire_changes_the_ttl
            expire_of_a_missing_key_is_false
            flush_empties_this_store_and_no_other
            json_comes_back_as_it_was
            json_of_another_shape_is_an_error_without_its_content
            many_values_are_set_with_one_ttl
            overwriting_replaces_the_value
            overwriting_takes_the_ttl_off
            overwriting_with_a_ttl_sets_it_anew
            set_many_sets_all_or_none
            set_many_takes_the_ttl_off
            special_characters_can_be_escaped
            text_cannot_be_counted
            values_come_in_the_order_of_their_keys
        }
    };
    (@tests $make:expr; $($behaviour:ident)+) => {
        $(
            #[tokio::test]
            async fn $behaviour() -> ::std::result::Result<(), $crate::testing::Violation> {
                $crate::testing::contract::$behaviour($make).await
            }
        )+
    };
    (@run $make:expr; $($behaviour:ident)+) => {
        $(
            $behaviour($make).await.map_err(|violation| violation.of(stringify!($behaviour)))?;
        )+
    };
}

pub use cache_store_contract;

/// Tests one behaviour after the other, until one is violated. Prefer [`cache_store_contract!`](crate::testing::cache_store_contract): it makes a test of each.
///
/// # Errors
///
/// - A behaviour is violated; the error names it.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use redis_manager::{MemoryCache, testing::contract};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), redis_manager::testing::Violation> {
/// contract::check_all(async || Arc::new(MemoryCache::new(1 << 20))).await
/// # }
/// ```
pub async fn check_all<P: Deref<Target: CacheStore>>(make: impl AsyncFn() -> P) -> Result<(), Violation> {
    crate::testing::cache_store_contract! { @each run &make }
    Ok(())
}

/// What a store did that the contract forbids, and which line of the contract says so. Its `Debug` form, which a failed test shows, is its
/// `Display` form.
///
/// # Examples
///
/// ```
/// use redis_manager::{MemoryCache, testing::contract};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let full = async || Box::new(MemoryCache::new(0));
/// let violation = contract::a_value_is_any_bytes(full).await.unwrap_err();
/// assert!(violation.to_string().contains("larger than the embedded store"));
/// # }
/// ```
#[derive(Clone)]
pub struct Violation {
    behaviour: Option<&'static str>,
    what: String,
    rule: &'static Location<'static>,
}

type Verdict = Result<(), Violation>;

impl Violation {
    #[track_caller]
    fn new(what: impl Into<String>) -> Self {
        Self {
            behaviour: None,
            what: what.into(),
            rule: Location::caller(),
        }
    }

    fn of(self, behaviour: &'static str) -> Self {
        Self {
            behaviour: Some(behaviour),
            ..self
        }
    }
}

/// A call failed that ought to succeed.
impl From<Error> for Violation {
    #[track_caller]
    fn from(error: Error) -> Self {
        Self::new(format!("a call failed: {error:?}"))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(behaviour) = self.behaviour {
            write!(f, "{behaviour}: ")?;
        }
        write!(f, "{} (see {})", self.what, self.rule)
    }
}

impl Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Violation {}

/// Far longer than anything may take on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(30);

#[track_caller]
fn equal<A: Debug + PartialEq<B>, B: Debug + ?Sized>(what: &str, found: &A, expected: &B) -> Verdict {
    if found == expected {
        return Ok(());
    }
    Err(Violation::new(format!(
        "{what}: expected {expected:?}, found {found:?}"
    )))
}

#[track_caller]
fn holds(what: &str, does: bool) -> Verdict {
    if does {
        return Ok(());
    }
    Err(Violation::new(format!("this does not hold: {what}")))
}

/// Checks that a call was refused before it did anything.
#[track_caller]
fn refused<T: Debug>(what: &str, outcome: Result<T, Error>) -> Verdict {
    match outcome {
        Err(error) if error.kind() == ErrorKind::InvalidArgument => Ok(()),
        Err(error) => Err(Violation::new(format!(
            "{what}: expected an error of kind InvalidArgument, it is {error:?}"
        ))),
        Ok(answer) => Err(Violation::new(format!("{what} is not refused: {answer:?}"))),
    }
}

/// Waits until a key is gone, and returns how long after `began` that was seen.
async fn gone<S: CacheStore + ?Sized>(store: &S, key: &str, began: Instant) -> Result<Duration, Violation> {
    while store.exists(key).await? {
        holds("a key with a time to live is gone some day", began.elapsed() < PATIENCE)?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(began.elapsed())
}
