//! What stands for the near cache in a build without it: a type that has no values, so that the compiler leaves out whatever would use one.

use bytes::Bytes;

use super::{Condition, Moment, Reason, Ticket};
use crate::{config::NearSettings, metrics::Metrics};

/// Nothing: the feature `near-cache` is off.
#[derive(Debug)]
pub(crate) enum Near {}

impl Near {
    pub(crate) fn new(_: NearSettings) -> Option<Self> {
        None
    }

    pub(crate) fn live(&self) -> Option<Moment> {
        match *self {}
    }

    pub(crate) fn get(&self, _: Moment, _: &[u8]) -> Option<Option<Bytes>> {
        match *self {}
    }

    pub(crate) fn get_all(&self, _: Moment, _: &[Bytes]) -> Option<Vec<Option<Bytes>>> {
        match *self {}
    }

    pub(crate) fn ticket(&self, _: &[u8]) -> Option<Ticket> {
        match *self {}
    }

    pub(crate) fn store(&self, _: Ticket, _: &[u8], _: Option<Bytes>, _: i64) {
        match *self {}
    }

    pub(crate) fn may_be_stale(&self) -> bool {
        match *self {}
    }

    pub(crate) fn stale(&self, _: &[u8]) -> Option<Option<Bytes>> {
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

    pub(crate) fn close(&self) {
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
