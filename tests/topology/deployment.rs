//! Sentinel and Cluster, each with real processes on the loopback interface, which end with it.

mod cluster;
mod node;
mod reply;
mod sentinels;
mod slot;

pub use cluster::Cluster;
pub use reply::Reply;
pub use sentinels::{Sentinels, Shape};
pub use slot::slot_of;
