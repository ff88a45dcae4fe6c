//! The road to the server. The only rooms that name `fred`.
//!
//! A call passes through them from top to bottom, and its answer back:
//!
//! - [`call`]: one road for every command, whoever answers; the span and the error's context;
//! - [`topology`]: which server is asked;
//! - [`node`]: one server, and one supervised link for each runtime that uses it;
//! - [`ledger`]: its counts and its outages;
//! - [`link`]: the heartbeat, and one generation of connections after the other;
//! - [`gate`]: may a call pass, and what became of those that did; holds the breaker;
//! - [`generation`]: connections that live and die together, and the permits to use them;
//! - [`places`]: how many calls may be in flight;
//! - [`connection`]: one connection, proven, never reconnecting;
//! - [`house`]: a runtime for links that serve several of the caller's;
//! - [`wire`]: commands and replies in the client library's words;
//! - [`failure`]: what its errors mean, and the server's;
//! - [`guard`]: reply shapes that the client library would misread never reach it.

pub(crate) mod call;
mod connection;
mod failure;
mod gate;
mod generation;
mod guard;
mod house;
mod ledger;
mod link;
pub(crate) mod node;
mod places;
pub(crate) mod topology;
mod wire;
