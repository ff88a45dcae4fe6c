//! What an error says of the command, once the command is gone.

use crate::{command::Command, error::Error, key};

/// Its name, and what stands for its first key in logs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    operation: &'static str,
    key_hash: Option<u32>,
}

impl Context {
    pub(super) fn of(command: &Command) -> Self {
        Self {
            operation: command.name(),
            key_hash: command.key().map(key::key_hash),
        }
    }

    /// Returns what stands for the first key; 0 without one.
    pub(super) fn key_hash(&self) -> u32 {
        self.key_hash.unwrap_or_default()
    }

    pub(super) fn explain(&self, error: Error) -> Error {
        error.during(self.operation, self.key_hash)
    }
}
