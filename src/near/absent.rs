//! What stands for the near cache in a build without it: a type that has no values, so that the compiler leaves out whatever would use one.

use std::time::Instant;

use bytes::Bytes;

use super::{Condition, Moment, Reason, Ticket};
use crate::{config::NearSettings, metrics::Metrics};

/// Nothing: the feature `near-cache` is off.
#[derive(Debug)]
pub(crate) enum Near {}

/// Nothing is held.
#[derive(Debug)]
pub(crate) enum Held {}

impl Held {
    pub(crate) fn as_slice(&self) -> Option<&[u8]> {
        match *self {}
    }

    pub(crate) fn into_bytes(self) -> Option<Bytes> {
        match self {}
    }
}

impl Near {
    pub(crate) fn new(_: NearSettings) -> Option<Self> {
        None
    }

    pub(crate) fn live(&self) -> Option<Moment> {
        match *self {}
    }

    pub(crate) fn live_at(&self, _: Instant) -> Option<Moment> {
        match *self {}
    }

    pub(crate) fn get(&self, _: Moment, _: &[u8]) -> Option<Held> {
        match *self {}
    }

    pub(crate) fn get_all(&self, _: Moment, _: &[Bytes]) -> Option<Vec<Held>> {
        match *self {}
    }

    pub(crate) fn ticket(&self, _: &[u8]) -> Option<Ticket> {
        match *self {}
    }

    pub(crate) fn store(&self, _: Ticket, _: &[u8], _: Option<Bytes>, _: Option<i64>) {
        match *self {}
    }

    pub(crate) fn may_be_stale(&self) -> bool {
        match *self {}
    }

    pub(crate) fn stale(&self, _: &[u8]) -> Option<Held> {
        match *self {}
    }

    pub(crate) fn empty(&self, _: Reason) {
        match *self {}
    }

    pub(crate) fn explain(&self, _: &str) {
        match *self {}
    }

    pub(crate) fn forget(&self, _: &[u8]) {
        match *self {}
    }

    pub(crate) fn begin_outage(&self) {
        match *self {}
    }

    pub(crate) fn end_outage(&self) {
        match *self {}
    }

    pub(crate) fn close(&self, _: Reason) {
        match *self {}
    }

    pub(crate) fn tell(&self) {
        match *self {}
    }

    pub(crate) fn condition(&self) -> Condition {
        match *self {}
    }

    pub(crate) fn count(&self, _: &mut Metrics) {
        match *self {}
    }
}
