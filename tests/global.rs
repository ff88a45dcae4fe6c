//! The global manager: each scenario runs in a process of its own, with an environment of its own.
//!
//! This is a test binary without the usual harness. It starts itself once for each scenario, with the scenario's name in a
//! variable, and reports as the harness does.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it is a test, and its own harness"
)]

#[path = "it/support.rs"]
#[expect(dead_code, unreachable_pub, reason = "the other tests need the rest of it")]
mod support;

#[cfg(feature = "tls")]
use std::fs;
use std::{
    env, io,
    process::{Command, ExitCode, Output},
    sync::Barrier,
    thread,
};

#[cfg(feature = "tls")]
use redis_manager::Config;
use redis_manager::{HealthState, Lookup, RedisManager, redis_manager};
use support::RedisServer;
#[cfg(feature = "tls")]
use support::certificates::Authority;
use tokio::runtime::{Builder, Runtime};

/// What runs in a process of its own, in which environment, and what that process must have logged, and how often.
struct Scenario {
    name: &'static str,
    run: fn(),
    environment: fn(&RedisServer) -> Vec<(&'static str, String)>,
    logged: &'static [(&'static str, usize)],
}

const SCENARIO: &str = "GLOBAL_TEST_SCENARIO";

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "without_any_variable_it_is_disabled",
        run: without_any_variable_it_is_disabled,
        environment: |_| vec![],
        logged: &[("WARN", 0), ("ERROR", 0)],
    },
    Scenario {
        name: "variables_without_the_switch_leave_it_disabled_and_say_so_once",
        run: without_any_variable_it_is_disabled,
        environment: |server| vec![("REDIS_URL", server.url())],
        logged: &[("Redis stays disabled", 1), ("WARN", 1)],
    },
    Scenario {
        name: "many_threads_at_once_build_one_manager",
        run: many_threads_at_once_build_one_manager,
        environment: enabled,
        logged: &[("Redis is enabled", 1)],
    },
    Scenario {
        name: "tests_with_runtimes_of_their_own_share_it_and_all_work",
        run: tests_with_runtimes_of_their_own_share_it_and_all_work,
        environment: enabled,
        logged: &[("Redis is enabled", 1), ("unavailable", 0)],
    },
    Scenario {
        name: "a_mistake_is_logged_once_and_leaves_it_disabled_with_the_reason",
        run: a_mistake_leaves_it_disabled_with_the_reason,
        environment: |_| vec![("ENABLE_REDIS", "true".into()), ("REDIS_PORT", "99999".into())],
        logged: &[("REDIS_PORT", 1), ("ERROR", 1)],
    },
    Scenario {
        name: "a_misspelt_variable_is_warned_about_once",
        run: the_password_reaches_the_server,
        environment: |server| {
            let mut environment = enabled(server);
            environment.push(("REDIS_MAX_CONECTIONS", "5".into()));
            environment
        },
        logged: &[("is REDIS_MAX_CONNECTIONS meant?", 1), ("WARN", 1)],
    },
    Scenario {
        name: "the_parts_are_read_like_the_url",
        run: the_password_reaches_the_server,
        environment: |server| {
            vec![
                ("ENABLE_REDIS", "Yes".into()),
                ("REDIS_HOST", "127.0.0.1".into()),
                ("REDIS_PORT", server.port().to_string()),
                ("REDIS_DB", "1".into()),
                ("REDIS_PASSWORD", PASSWORD.into()),
                ("REDIS_KEY_PREFIX", "app:".into()),
            ]
        },
        logged: &[("WARN", 0), (PASSWORD, 0)],
    },
    #[cfg(feature = "tls")]
    Scenario {
        name: "without_a_ca_file_whom_the_machine_trusts_is_trusted",
        run: whom_the_machine_trusts_is_trusted,
        environment: |server| {
            let roots = server.socket().with_file_name("roots.pem");
            let program = env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
            vec![
                ("SSL_CERT_FILE", roots.to_str().unwrap().to_owned()),
                ("REDIS_SERVER", program),
                ("PATH", env::var("PATH").unwrap_or_default()),
            ]
        },
        logged: &[],
    },
];

/// Every character that a URL or a shell takes for something else.
const PASSWORD: &str = "se@sa:me/op#en% now";

fn enabled(server: &RedisServer) -> Vec<(&'static str, String)> {
    let encoded = "se%40sa%3Ame%2Fop%23en%25%20now";
    let url = format!("redis://:{encoded}@127.0.0.1:{}/1", server.port());
    vec![
        ("ENABLE_REDIS", "true".into()),
        ("REDIS_URL", url),
        ("REDIS_KEY_PREFIX", "app:".into()),
    ]
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn without_any_variable_it_is_disabled() {
    let redis = redis_manager();
    assert_eq!(redis.health().state, HealthState::Disabled);
    assert!(!redis.is_enabled());
    runtime().block_on(async {
        assert!(!redis.set("k", "v").await);
        assert!(matches!(redis.lookup("k").await, Lookup::Unavailable(_)));
    });
}

fn many_threads_at_once_build_one_manager() {
    let barrier = Barrier::new(16);
    let address = || {
        barrier.wait();
        let redis: &'static RedisManager = redis_manager();
        runtime().block_on(async { assert!(redis.set("k", "v").await) });
        std::ptr::from_ref(redis) as usize
    };
    let addresses: Vec<usize> = thread::scope(|scope| {
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(address)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(addresses.iter().all(|address| *address == addresses[0]));
}

fn tests_with_runtimes_of_their_own_share_it_and_all_work() {
    let test = |name: usize| {
        for round in 0..20 {
            runtime().block_on(async {
                let key = format!("{name}:{round}");
                assert!(redis_manager().set(&key, round).await, "{key}");
                assert_eq!(redis_manager().get(&key).await, Some(round.to_string()), "{key}");
            });
        }
    };
    test(0);
    thread::scope(|scope| {
        for name in 1..5 {
            scope.spawn(move || test(name));
        }
    });
}

fn a_mistake_leaves_it_disabled_with_the_reason() {
    let health = redis_manager().health();
    assert_eq!(health.state, HealthState::Disabled);
    assert!(health.reason.unwrap().starts_with("REDIS_PORT: "));
    assert!(!redis_manager().is_enabled());
    runtime().block_on(async { assert_eq!(redis_manager().get("k").await, None) });
}

fn the_password_reaches_the_server() {
    runtime().block_on(async {
        assert!(redis_manager().set("k", "v").await, "{:?}", redis_manager().health());
        assert_eq!(redis_manager().get("k").await.as_deref(), Some("v"));
    });
}

/// Here `SSL_CERT_FILE` says whom the machine trusts; elsewhere its own files do.
#[cfg(feature = "tls")]
fn whom_the_machine_trusts_is_trusted() {
    let roots = env::var("SSL_CERT_FILE").unwrap();
    let authority = Authority::new();
    let server = authority.server();
    let redis = RedisManager::new(Config::from_url(format!("rediss://localhost:{}", server.port()))).unwrap();
    runtime().block_on(async {
        assert!(!redis.initialize().await);
        let reason = redis.health().reason.unwrap();
        assert!(reason.contains("no certificates to trust"), "{reason}");
        let broken = "-----BEGIN CERTIFICATE-----\nc2VzYW1l\n-----END CERTIFICATE-----\n";
        let trusted = fs::read_to_string(authority.file()).unwrap();
        fs::write(roots, [broken, &trusted].concat()).unwrap();
        assert!(redis.initialize().await, "{:?}", redis.health());
        assert!(redis.set("k", "v").await);
    });
}

fn main() -> ExitCode {
    if let Ok(name) = env::var(SCENARIO) {
        tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(io::stdout)
            .init();
        let scenario = SCENARIOS
            .iter()
            .find(|scenario| scenario.name == name)
            .expect("a known scenario");
        (scenario.run)();
        return ExitCode::SUCCESS;
    }
    let filter = env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
        .unwrap_or_default();
    let chosen: Vec<_> = SCENARIOS
        .iter()
        .filter(|scenario| scenario.name.contains(&filter))
        .collect();
    println!("\nrunning {} tests", chosen.len());
    let failed = chosen.iter().filter(|scenario| !passes(scenario)).count();
    let passed = chosen.len() - failed;
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    let filtered = SCENARIOS.len() - chosen.len();
    println!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out\n"
    );
    ExitCode::from(u8::from(failed > 0))
}

fn passes(scenario: &Scenario) -> bool {
    let server = RedisServer::start();
    server.command(&["CONFIG", "SET", "requirepass", PASSWORD]);
    let Output { status, stdout, stderr } = Command::new(env::current_exe().unwrap())
        .env_clear()
        .env(SCENARIO, scenario.name)
        .envs((scenario.environment)(&server))
        .output()
        .unwrap();
    let logs = String::from_utf8_lossy(&stdout);
    let count = |part: &str| logs.lines().filter(|line| line.contains(part)).count();
    let wrong: Vec<_> = scenario
        .logged
        .iter()
        .filter(|(part, times)| count(part) != *times)
        .collect();
    let ok = status.success() && wrong.is_empty();
    println!(
        "test global::{} ... {}",
        scenario.name,
        if ok { "ok" } else { "FAILED" }
    );
    if !ok {
        println!(
            "{status}; logged otherwise than expected: {wrong:?}\n{logs}{}",
            String::from_utf8_lossy(&stderr)
        );
    }
    ok
}
