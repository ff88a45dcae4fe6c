//! For the tests of applications: a cache that fails on command, and the tests that every [`CacheStore`](crate::CacheStore) has to pass.
//!
//! Switch the feature `testing` on where you declare your dev-dependencies, and only there:
//!
//! ```toml
//! [dev-dependencies]
//! redis-manager = { version = "0.1", features = ["testing"] }
//! ```

pub mod contract;
mod fault;
mod faulty;

#[doc(inline)]
pub use self::contract::cache_store_contract;
pub use self::{
    contract::Violation,
    fault::{CacheOperation, Fault},
    faulty::{ActiveFault, Faults, FaultyCache},
};
