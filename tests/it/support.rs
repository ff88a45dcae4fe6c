//! Real servers, and a real network that can fail.

use std::{
    env, fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use redis_manager::{Capabilities, Config, RedisManager};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener as AsyncListener, TcpStream as AsyncStream},
    task::JoinHandle,
};

// By its path, since tests/global.rs takes this file in from elsewhere.
#[cfg(feature = "tls")]
#[path = "support/certificates.rs"]
pub mod certificates;

#[path = "support/checks.rs"]
pub mod checks;

/// A `redis-server` on a free port of the loopback interface, killed when dropped.
pub struct RedisServer {
    port: u16,
    arguments: Vec<String>,
    directory: TempDir,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with further arguments, as `redis-server` takes them.
    pub fn start_with(arguments: &[&str]) -> Self {
        let mut server = Self::absent(arguments);
        server.restart();
        server
    }

    /// Reserves a port, which the arguments may name as `{port}`, and starts nothing.
    pub fn absent(arguments: &[&str]) -> Self {
        logs::be_undecided();
        let port = free_port();
        let with_port = |argument: &&str| argument.replace("{port}", &port.to_string());
        Self {
            port,
            arguments: arguments.iter().map(with_port).collect(),
            directory: tempfile::tempdir().unwrap(),
            child: None,
        }
    }

    /// Starts the server on its port, with its arguments, and waits until it answers.
    pub fn restart(&mut self) {
        self.spawn();
        wait_until("redis-server answers", || self.answers());
    }

    /// Starts the server without waiting for it.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let program = program();
        let log = fs::File::create(self.directory.path().join("log")).unwrap();
        let child = Command::new(&program)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .args(["--unixsocket", self.socket().to_str().unwrap()])
            .args(&self.arguments)
            .current_dir(self.directory.path())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program} cannot be started ({error}); scripts/test.sh installs it"));
        self.child = Some(child);
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGSTOP: it hangs, and the kernel goes on accepting connections for it.
    pub fn stop(&self) {
        kill(self.pid(), Signal::SIGSTOP).unwrap();
    }

    /// SIGCONT.
    pub fn resume(&self) {
        kill(self.pid(), Signal::SIGCONT).unwrap();
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn manager(&self) -> RedisManager {
        RedisManager::new(Config::from_url(self.url())).unwrap()
    }

    /// Sends a command past the crate, on a connection of its own, and returns the reply as it came: `+OK`, `:1`, `-ERR …`, or
    /// the text of a bulk string.
    pub fn command(&self, words: &[&str]) -> String {
        self.commands(&[words]).pop().unwrap()
    }

    /// Sends commands one after the other on one connection.
    pub fn commands(&self, commands: &[&[&str]]) -> Vec<String> {
        self.try_commands(commands).unwrap()
    }

    fn try_commands(&self, commands: &[&[&str]]) -> std::io::Result<Vec<String>> {
        let mut stream = UnixStream::connect(self.socket())?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        commands.iter().map(|words| exchange(&mut stream, words)).collect()
    }

    /// The commands that it has executed, with how often, but for those that belong to a connection or were asked by a test.
    pub fn executed(&self) -> Vec<String> {
        const OF_A_CONNECTION: [&str; 7] = ["hello", "client|", "ping", "info", "select", "auth", "config|"];
        let statistics = self.command(&["INFO", "commandstats"]);
        let commands = statistics.lines().filter_map(|line| line.strip_prefix("cmdstat_"));
        commands
            .filter(|line| !OF_A_CONNECTION.iter().any(|command| line.starts_with(command)))
            .map(|line| line.split(',').next().unwrap_or_default().to_owned())
            .collect()
    }

    /// Forgets what was executed so far. What a server is asked in the background is asked for by [`is_surveyed`].
    pub fn forget_executed(&self) {
        assert_eq!(self.command(&["CONFIG", "RESETSTAT"]), "+OK");
    }

    /// Whether the server turns new clients away.
    pub fn is_full(&self) -> bool {
        !matches!(self.try_commands(&[&["PING"]]), Ok(replies) if replies == ["+PONG"])
    }

    fn answers(&self) -> bool {
        self.try_commands(&[&["PING"]]).is_ok()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.as_ref().expect("the server runs").id().try_into().unwrap())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn exchange(stream: &mut UnixStream, words: &[&str]) -> std::io::Result<String> {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request += &format!("${}\r\n{word}\r\n", word.len());
    }
    stream.write_all(request.as_bytes())?;
    let line = read_line(stream)?;
    let Some(length) = line.strip_prefix('$') else {
        return Ok(line);
    };
    let Ok(length) = length.parse::<usize>() else {
        return Ok("(nil)".to_owned());
    };
    let mut body = vec![0; length + 2];
    stream.read_exact(&mut body)?;
    body.truncate(length);
    Ok(String::from_utf8_lossy(&body).into_owned())
}

fn read_line(stream: &mut UnixStream) -> std::io::Result<String> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    line.truncate(line.len() - 2);
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// A TCP proxy before a server. It can stall, swallow, and cut what passes through it.
pub struct Proxy {
    address: SocketAddr,
    mode: Arc<AtomicU8>,
    cuts: Arc<AtomicU64>,
    accepted: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

const FLOWING: u8 = 0;
/// Nothing passes, in no direction; what waits passes when it flows again.
const STALLED: u8 = 1;
/// What the server says is thrown away.
const SWALLOWING: u8 = 2;
/// What the server says is replaced by what no server says.
const GARBLING: u8 = 3;

impl Proxy {
    pub async fn before(server: &RedisServer) -> Self {
        let listener = AsyncListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (mode, cuts, accepted) = <(Arc<AtomicU8>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()));
        Self {
            address: listener.local_addr().unwrap(),
            task: tokio::spawn(serve(
                listener,
                upstream,
                Arc::clone(&mode),
                Arc::clone(&cuts),
                Arc::clone(&accepted),
            )),
            mode,
            cuts,
            accepted,
        }
    }

    pub fn manager(&self) -> RedisManager {
        RedisManager::new(Config::from_url(self.url())).unwrap()
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// A black hole: connections are accepted, nothing passes.
    pub fn stall(&self) {
        self.mode.store(STALLED, Ordering::SeqCst);
    }

    /// Requests pass, replies are lost.
    pub fn swallow_replies(&self) {
        self.mode.store(SWALLOWING, Ordering::SeqCst);
    }

    /// Requests pass, replies come as garbage.
    pub fn garble_replies(&self) {
        self.mode.store(GARBLING, Ordering::SeqCst);
    }

    /// Everything passes again.
    pub fn restore(&self) {
        self.mode.store(FLOWING, Ordering::SeqCst);
    }

    /// Cuts all connections; new ones are accepted.
    pub fn cut(&self) {
        self.cuts.fetch_add(1, Ordering::SeqCst);
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn serve(
    listener: AsyncListener,
    upstream: SocketAddr,
    mode: Arc<AtomicU8>,
    cuts: Arc<AtomicU64>,
    accepted: Arc<AtomicU64>,
) {
    while let Ok((client, _)) = listener.accept().await {
        accepted.fetch_add(1, Ordering::SeqCst);
        let (mode, cuts) = (Arc::clone(&mode), Arc::clone(&cuts));
        tokio::spawn(async move {
            if let Ok(server) = AsyncStream::connect(upstream).await {
                relay(client, server, &mode, &cuts).await;
            }
        });
    }
}

async fn relay(client: AsyncStream, server: AsyncStream, mode: &AtomicU8, cuts: &AtomicU64) {
    let began = cuts.load(Ordering::SeqCst);
    let (mut client_reads, mut client_writes) = client.into_split();
    let (mut server_reads, mut server_writes) = server.into_split();
    let cut = async {
        while cuts.load(Ordering::SeqCst) == began {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let requests = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = client_reads.read(&mut buffer).await {
            while mode.load(Ordering::SeqCst) == STALLED {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            if server_writes.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    };
    let replies = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = server_reads.read(&mut buffer).await {
            while mode.load(Ordering::SeqCst) == STALLED {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let said = match mode.load(Ordering::SeqCst) {
                SWALLOWING => continue,
                GARBLING => &b"\0garbage\r\n"[..],
                _ => &buffer[..count],
            };
            if client_writes.write_all(said).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = cut => {}
        () = requests => {}
        () = replies => {}
    }
}

/// The server program to test against.
pub fn program() -> String {
    env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Waits for a condition, without a runtime.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for a condition and returns how long that took.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) -> Duration {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < PATIENCE, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}

/// What a call may take on a busy machine beyond its deadline.
pub const SLACK: Duration = Duration::from_secs(2);
/// The deadline of a call, unless told otherwise.
pub const DEADLINE: Duration = Duration::from_millis(500);

/// Waits until the cache answers, and returns how long that took.
pub async fn is_back(redis: &RedisManager) -> Duration {
    eventually("the cache is back", || redis.set("probe", 1).into_future()).await
}

/// Waits until the server was asked what it can, which happens in the background, and returns that.
pub async fn is_surveyed(redis: &RedisManager) -> Capabilities {
    eventually("the server was asked what it can", || async {
        redis.capabilities().resp3.is_yes()
    })
    .await;
    redis.capabilities()
}

/// Waits until calls are refused, and returns how long that took.
pub async fn is_refusing(redis: &RedisManager) -> Duration {
    eventually("calls are refused", || async {
        redis.get("probe").await.is_none() && !redis.is_enabled()
    })
    .await
}

/// Far longer than anything may take on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(30);

pub mod logs {
    //! What was logged on this thread.

    use std::{
        io,
        sync::{Arc, Mutex, Once},
    };

    use tracing::{
        Event, Metadata, Subscriber,
        span::{Attributes, Id, Record},
        subscriber::{DefaultGuard, Interest},
    };
    use tracing_subscriber::fmt::MakeWriter;

    /// Collects what is logged while it lives, on the thread that made it: use it with a `current_thread` runtime.
    pub struct Logs {
        buffer: Buffer,
        _guard: DefaultGuard,
    }

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Logs {
        /// Collects events of this level and more important ones, and spans when they close.
        pub fn collect(level: tracing::Level) -> Self {
            be_undecided();
            let buffer = Buffer::default();
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(level)
                .with_ansi(false)
                .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
                .with_writer(buffer.clone())
                .finish();
            Self {
                buffer,
                _guard: tracing::subscriber::set_default(subscriber),
            }
        }

        pub fn text(&self) -> String {
            String::from_utf8(self.buffer.0.lock().unwrap().clone()).unwrap()
        }

        /// How many lines contain this.
        pub fn count(&self, part: &str) -> usize {
            self.text().lines().filter(|line| line.contains(part)).count()
        }
    }

    /// Makes tracing ask whoever collects on a thread, each time. Otherwise it may remember, for all threads, that nobody was
    /// interested when a line was reached first.
    pub fn be_undecided() {
        static ONCE: Once = Once::new();
        // A test process with another subscriber of its own has decided otherwise.
        ONCE.call_once(|| drop(tracing::subscriber::set_global_default(Undecided)));
    }

    struct Undecided;

    impl Subscriber for Undecided {
        fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
            Interest::sometimes()
        }

        fn enabled(&self, _: &Metadata<'_>) -> bool {
            false
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {}
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Buffer {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }
}
