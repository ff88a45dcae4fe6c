//! Who can be asked to read through a cache: to answer from it, or else to load, store, and answer. Each as its own documentation says.

mod cached;
mod cachekit;
mod hitbox;
mod moka;
mod multi_tier;
mod ours;
mod source;

use std::time::Duration;

pub(crate) use self::{
    cached::Cached,
    cachekit::Cachekit,
    hitbox::Hitbox,
    moka::Moka,
    multi_tier::MultiTier,
    ours::{Distributed, Ours, OursNear},
    source::{Failure, Source, moment},
};
use crate::{Outcome, suite::VALUE};

/// How long what is stored lives: longer than any run.
pub(crate) const LIFE: Duration = Duration::from_secs(600);

/// Somebody who reads through a cache. A clone is the same one.
pub(crate) trait Reader: Clone + Send + Sync + 'static {
    /// Its name in the figures.
    const NAME: &'static str;
    /// What it does on the way.
    const WIRING: &'static str;

    /// How it hands out a text.
    type Value: AsRef<[u8]> + Send;

    /// Connects to the server on a port of this machine.
    fn connect(port: u16) -> impl Future<Output = Outcome<Self>> + Send;

    /// Returns the value of a key, from the cache or else from its source; `None` if the source failed, or the cache did.
    fn read(&self, key: &str, source: &Source) -> impl Future<Output = Option<Self::Value>> + Send;

    /// Says whether a value as long as all came.
    fn is_answered(&self, key: &str, source: &Source) -> impl Future<Output = bool> + Send {
        async { matches!(self.read(key, source).await, Some(value) if value.as_ref().len() == VALUE.len()) }
    }
}

/// Somebody who wants to know every reader, one after the other.
pub(crate) trait Visitor {
    /// Meets one of them.
    fn meet<R: Reader>(&mut self) -> impl Future<Output = Outcome>;
}

/// Writes down what those do that it meets, once for each.
#[derive(Debug, Default)]
pub(crate) struct Scribe(Vec<String>);

impl Scribe {
    /// Returns a line for each.
    pub(crate) fn lines(&self) -> String {
        self.0.join("\n")
    }
}

impl Visitor for Scribe {
    async fn meet<R: Reader>(&mut self) -> Outcome {
        let line = format!("{}: {}", R::NAME, R::WIRING);
        if !self.0.contains(&line) {
            self.0.push(line);
        }
        Ok(())
    }
}

/// Introduces all that ask Redis each time, but for ours.
///
/// # Errors
///
/// - The visitor has had enough.
pub(crate) async fn introduce_remote(visitor: &mut impl Visitor) -> Outcome {
    visitor.meet::<Cached<false>>().await?;
    visitor.meet::<MultiTier<false>>().await?;
    visitor.meet::<Hitbox>().await?;
    visitor.meet::<Cachekit<false>>().await
}

/// Introduces all, but for ours, with the tier in this process where they have one.
///
/// # Errors
///
/// - The visitor has had enough.
pub(crate) async fn introduce_tiered(visitor: &mut impl Visitor) -> Outcome {
    visitor.meet::<Cached<false>>().await?;
    visitor.meet::<Moka>().await?;
    visitor.meet::<MultiTier<true>>().await?;
    visitor.meet::<Hitbox>().await?;
    visitor.meet::<Cachekit<true>>().await
}

/// Introduces all that ask Redis each time, but for ours, with the settings for services if there are some.
///
/// # Errors
///
/// - The visitor has had enough.
pub(crate) async fn introduce_hardened(visitor: &mut impl Visitor) -> Outcome {
    visitor.meet::<Cached<false>>().await?;
    visitor.meet::<Cached<true>>().await?;
    visitor.meet::<MultiTier<false>>().await?;
    visitor.meet::<Hitbox>().await?;
    visitor.meet::<Cachekit<false>>().await
}

/// Returns the URL of the server on a port of this machine.
fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}")
}
