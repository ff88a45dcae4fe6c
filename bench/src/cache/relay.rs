//! A relay before a server that counts round trips: it need not be believed by whoever makes them.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    thread,
};

use crate::Outcome;

/// Passes on whatever comes, until it is dropped.
pub(super) struct Relay {
    /// Where it listens.
    port: u16,
    /// What it has seen.
    traffic: Arc<Traffic>,
}

/// What all connections have seen.
#[derive(Debug, Default)]
struct Traffic {
    /// How often a client wrote after having been answered, or at first.
    turns: AtomicU64,
    /// No more connections.
    is_over: AtomicBool,
}

/// How a heartbeat begins.
const HEARTBEAT: &[u8] = b"*2\r\n$4\r\nPING\r\n";

impl Relay {
    /// Passes on to a port of this machine.
    ///
    /// # Errors
    ///
    /// - No port is free.
    pub(super) fn to(port: u16) -> Outcome<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let relay = Self {
            port: listener.local_addr()?.port(),
            traffic: Arc::default(),
        };
        let traffic = Arc::clone(&relay.traffic);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if traffic.is_over.load(SeqCst) {
                    break;
                }
                if let Err(error) = connect(client, port, &traffic) {
                    eprintln!("bench: a connection is not relayed: {error}");
                }
            }
        });
        Ok(relay)
    }

    /// Returns where it listens.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Returns how many round trips have begun.
    pub(super) fn turns(&self) -> u64 {
        self.traffic.turns.load(SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.traffic.is_over.store(true, SeqCst);
        // So that the listener wakes up and looks.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}

/// Relays one connection, on two threads that end with it.
fn connect(client: TcpStream, port: u16, traffic: &Arc<Traffic>) -> io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let is_answered = Arc::new(AtomicBool::new(true));
    let (requests, replies) = ((client.try_clone()?, server.try_clone()?), (server, client));
    let (asked, traffic) = (Arc::clone(&is_answered), Arc::clone(traffic));
    thread::spawn(move || {
        pass(requests, |bytes| {
            if !bytes.starts_with(HEARTBEAT) && asked.swap(false, SeqCst) {
                traffic.turns.fetch_add(1, SeqCst);
            }
        })
    });
    thread::spawn(move || pass(replies, |_| is_answered.store(true, SeqCst)));
    Ok(())
}

/// Passes on what comes from one to the other, once it was noted.
fn pass((mut from, mut to): (TcpStream, TcpStream), note: impl Fn(&[u8])) -> io::Result<()> {
    let mut buffer = [0; 1 << 16];
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        let bytes = buffer.get(..length).unwrap_or_default();
        note(bytes);
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    from.shutdown(Shutdown::Both)?;
    to.shutdown(Shutdown::Both)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers each byte with itself.
    fn echo() -> Outcome<u16> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut copy = stream.try_clone()?;
                io::copy(&mut stream, &mut copy)?;
            }
            io::Result::Ok(())
        });
        Ok(port)
    }

    #[test]
    fn a_turn_begins_when_a_client_writes_after_an_answer() -> Outcome {
        let relay = Relay::to(echo()?)?;
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port()))?;
        let mut answer = [0; 3];
        for turns in 1..=2 {
            client.write_all(b"one")?;
            client.read_exact(&mut answer)?;
            assert_eq!((answer, relay.turns()), (*b"one", turns));
        }
        Ok(())
    }

    #[test]
    fn heartbeats_are_no_turns() -> Outcome {
        let relay = Relay::to(echo()?)?;
        let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port()))?;
        let mut answer = [0; HEARTBEAT.len()];
        client.write_all(HEARTBEAT)?;
        client.read_exact(&mut answer)?;
        assert_eq!(relay.turns(), 0);
        Ok(())
    }
}
