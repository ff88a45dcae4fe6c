//! The honest face: every call says what happened.

mod hashes;
mod keys;
mod strings;

pub(crate) use strings::SetOptions;

use crate::{
    codec,
    command::{Command, Reply},
    config::Settings,
    error::Result,
    key::Prefix,
    transport::call::{Question, Road},
};

/// The operations, each a `Result`.
#[derive(Debug)]
pub(crate) struct Service {
    road: Road,
}

impl Service {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            road: Road::new(settings),
        }
    }

    pub(crate) fn road(&self) -> &Road {
        &self.road
    }

    fn call<Q: Question, T>(
        &self,
        build: impl FnOnce(&Prefix) -> Result<Q>,
        read: impl FnOnce(Reply) -> Result<T>,
    ) -> impl Future<Output = Result<T>> {
        self.road.call(build, read)
    }
}
