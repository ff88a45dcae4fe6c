//! What a command under way may be changing.

use std::{mem, sync::Arc};

use bytes::Bytes;

use super::Near;
use crate::command::Command;

/// Keys that the near cache has to forget once the command's answer is here, whatever it says, and also if nobody waits for it any more. Dropping
/// it forgets them.
#[derive(Debug)]
pub(crate) struct Owed {
    near: Arc<Near>,
    keys: Vec<Bytes>,
}

impl Owed {
    /// Notes the keys of those commands that may change some.
    pub(crate) fn by<'c>(near: &Arc<Near>, commands: impl IntoIterator<Item = &'c Command>) -> Option<Self> {
        let mut keys = Vec::new();
        for command in commands {
            if !command.only_reads() {
                command.each_key(|key| keys.push(key.clone()));
            }
        }
        let near = || Arc::clone(near);
        (!keys.is_empty()).then(|| Self { near: near(), keys })
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        for key in mem::take(&mut self.keys) {
            self.near.forget(&key);
        }
    }
}
