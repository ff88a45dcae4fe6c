//! A real `redis-server`.

use std::{
    env,
    io::{self, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use redis_manager::{Config, RedisManager};

use crate::{Outcome, arguments::Arguments};

/// A `redis-server` on a free port of the loopback interface, killed when dropped.
#[derive(Debug)]
pub(crate) struct RedisServer {
    /// The program to start.
    program: PathBuf,
    /// Where it listens, whether it runs or not.
    port: u16,
    /// The process, while there is one.
    child: Option<Child>,
}

/// How long to wait for a server to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Below the ports that the kernel gives to outgoing connections, so that none of them can take the port of a server that is
/// down (or connect to itself there).
const PORTS: std::ops::Range<u16> = 20_000..30_000;

impl RedisServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    ///
    /// - It cannot be started, or does not answer in time.
    pub(crate) fn start(arguments: &Arguments) -> Outcome<Self> {
        let mut server = Self::absent(&arguments.server)?;
        server.spawn()?;
        first_answer(server.port)?;
        Ok(server)
    }

    /// Chooses a port and starts nothing.
    ///
    /// # Errors
    ///
    /// - No port is free.
    pub(crate) fn absent(program: &Path) -> Outcome<Self> {
        Ok(Self {
            program: program.to_owned(),
            port: free_port()?,
            child: None,
        })
    }

    /// Starts the server on its port without waiting for it.
    ///
    /// # Errors
    ///
    /// - The program cannot be started.
    pub(crate) fn spawn(&mut self) -> Outcome {
        self.kill()?;
        let child = Command::new(&self.program)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .current_dir(env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", self.program.display()))?;
        self.child = Some(child);
        Ok(())
    }

    /// SIGKILL.
    ///
    /// # Errors
    ///
    /// - The process cannot be waited for.
    pub(crate) fn kill(&mut self) -> Outcome {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// SIGSTOP: it hangs, and the kernel goes on accepting connections for it.
    ///
    /// # Errors
    ///
    /// - It does not run.
    pub(crate) fn stop(&self) -> Outcome {
        self.signal(Signal::SIGSTOP)
    }

    /// SIGCONT.
    ///
    /// # Errors
    ///
    /// - It does not run.
    pub(crate) fn resume(&self) -> Outcome {
        self.signal(Signal::SIGCONT)
    }

    /// Returns where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Makes a manager of the server with default settings.
    ///
    /// # Errors
    ///
    /// - None is expected.
    pub(crate) fn manager(&self) -> Outcome<RedisManager> {
        let url = format!("redis://127.0.0.1:{}", self.port);
        Ok(RedisManager::new(Config::from_url(url))?)
    }

    /// Sends a signal to the process.
    fn signal(&self, signal: Signal) -> Outcome {
        let child = self.child.as_ref().ok_or("the server does not run")?;
        Ok(kill(Pid::from_raw(child.id().try_into()?), signal)?)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("bench: the server on port {} may be left behind: {error}", self.port);
        }
    }
}

/// Asks until somebody on that port answers `PING`, and returns when that was. Blocks the thread.
///
/// # Errors
///
/// - Nobody answers in time.
pub(crate) fn first_answer(port: u16) -> Outcome<Instant> {
    let began = Instant::now();
    loop {
        match ping(port) {
            Ok(()) => return Ok(Instant::now()),
            Err(_) if began.elapsed() < PATIENCE => sleep(Duration::from_millis(1)),
            Err(error) => return Err(format!("the server on port {port} does not answer: {error}").into()),
        }
    }
}

/// Asks once, without any client library.
fn ping(port: u16) -> io::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_millis(100)))?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    if &answer == b"+PONG\r\n" {
        Ok(())
    } else {
        Err(io::Error::other("it is no Redis"))
    }
}

/// Finds a port that nobody listens on; another one in each process and at each call.
fn free_port() -> Outcome<u16> {
    use std::sync::atomic::{AtomicU32, Ordering};

    static CALLS: AtomicU32 = AtomicU32::new(0);
    let width = u32::from(PORTS.end - PORTS.start);
    for _ in 0..width {
        let step = std::process::id().wrapping_mul(97) + CALLS.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + u16::try_from(step % width)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no port is free".into())
}
