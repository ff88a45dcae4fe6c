//! The road to the server. The only rooms that name `fred`.
//!
//! A call passes through them from top to bottom, and its answer back:
//!
//! - [`call`]: one road for every command, whoever answers; the span and the error's context;
//! - [`asking`]: the same for a command that is built already, without a box where it waits for nothing;
//! - [`topology`]: which server is asked;
//! - [`node`]: one server, and one supervised link for each runtime that uses it;
//! - [`ledger`]: its counts and its outages;
//! - [`link`]: the heartbeat, and one generation of connections after the other;
//! - [`tracking`]: the near cache of a server, and the connection on which the server tells of changes;
//! - [`gate`]: may a call pass, and what became of those that did; holds the breaker;
//! - [`generation`]: connections that live and die together, and the permits to use them;
//! - [`nearby`]: the same road where there is a near cache;
//! - [`pipeline`]: many commands, one after the other without waiting for answers;
//! - [`session`]: what one caller asks on a connection of its own;
//! - [`blocking`]: commands that wait at the server;
//! - [`private`]: such connections;
//! - [`large`]: which keys had large values;
//! - [`batch`]: concurrent reads, and concurrent writes, in one round trip;
//! - [`boxes`]: boxes for the client library's futures, used again and again;
//! - [`places`]: how many calls may be in flight;
//! - [`connection`]: one connection, proven, never reconnecting;
//! - [`context`]: what an error says of its command;
//! - [`pubsub`]: listening to what is published, whoever brings it;
//! - [`exchange`]: the same where a server does;
//! - [`guest`]: a client of the caller's;
//! - [`house`]: a runtime for links that serve several of the caller's;
//! - [`wire`]: commands and replies in the client library's words;
//! - [`failure`]: what its errors mean, and the server's;
//! - [`witness`]: lists that could be misread, on a connection where a token proves that they were not;
//! - [`knowledge`]: which commands the server has;
//! - [`clustered`]: the same road where there is a cluster;
//! - [`importing`]: the connection for slots that are being moved to a node;
//! - [`guard`]: reply shapes that the client library would misread never reach it.

pub(crate) mod asking;
mod batch;
pub(crate) mod blocking;
mod boxes;
pub(crate) mod call;
mod clustered;
mod connection;
mod context;
mod exchange;
mod failure;
mod gate;
mod generation;
mod guard;
pub(crate) mod guest;
mod house;
mod importing;
mod knowledge;
mod large;
mod ledger;
mod link;
mod nearby;
pub(crate) mod node;
mod pipeline;
mod places;
mod private;
mod pubsub;
pub(crate) mod session;
pub(crate) mod topology;
mod tracking;
mod wire;
mod witness;
