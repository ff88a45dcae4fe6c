//! Asks a server what it can, all in one round trip.
//!
//! Any question may be refused, and any answer hidden: then that stays unknown, or is told by the version, and otherwise found out by trying. All words that are
//! sent are ASCII, because a server repeats them in an error, and no answer is a list whose first element a user can choose. `COMMAND INFO` is not asked: its
//! answer has maps in sets, and on what fred cannot read it drops the connection.

use std::collections::HashSet;

use super::{boxes::Outcome, failure::Failure, knowledge};
use crate::{
    capabilities::{Capabilities, Flavour, ServerMode, ServerVersion, Support},
    command::{Call, Command},
    error::{Error, ErrorKind},
    reply::Reply,
};

/// What was found out.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) capabilities: Capabilities,
    /// Which of the [names](knowledge::names) the server has, if it tells its commands.
    pub(super) commands: Option<HashSet<&'static str>>,
    pub(super) refusals: Refusals,
}

/// What the server would not be asked.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    pub(super) info: Option<Error>,
    pub(super) command: Option<Error>,
    pub(super) eval: Option<Error>,
}

/// Makes the questions. Whether tracking is permitted is left to the near cache where there is one.
pub(super) fn questions(is_tracked: bool) -> Vec<Command> {
    let mut questions = vec![
        // With the protocol that is spoken already: some servers take none for RESP2, and would change to it.
        Call::new("HELLO").number(3),
        Call::new("INFO").arg("server"),
        // Of Redis 7. For older servers the version has to do.
        Call::new("COMMAND LIST"),
        Call::new("EVAL").arg("return 1").number(0),
    ];
    // It is off. Whoever may switch it off may also switch it on.
    questions.extend((!is_tracked).then(|| Call::new("CLIENT TRACKING").arg("OFF")));
    questions.into_iter().map(Command::from).collect()
}

/// Reads the answers, in the order of the questions.
///
/// # Errors
///
/// - One is missing, or the server does not serve at the moment: it is to be asked again.
pub(super) fn read(answers: Vec<Outcome>) -> Result<Found, Failure> {
    let mut answers = answers.into_iter().map(answered);
    let mut next = || answers.next().transpose();
    let (hello, info, commands, eval, tracking) = (next()?, next()?, next()?, next()?, next()?);
    let mut refusals = Refusals::default();
    let mut capabilities = Capabilities {
        resp3: Support::Yes,
        ..Capabilities::default()
    };
    if let Some(Ok(hello)) = hello {
        read_hello(&mut capabilities, &hello);
    }
    match info {
        Some(Ok(Reply::Bytes(info))) => read_info(&mut capabilities, &String::from_utf8_lossy(&info)),
        Some(Err(error)) => refusals.info = Some(error),
        _ => {}
    }
    tell_by_version(&mut capabilities);
    let commands = match commands {
        Some(Ok(Reply::Array(names))) if !names.is_empty() => {
            let names: HashSet<_> = names.iter().filter_map(small).collect();
            let asked = knowledge::names();
            Some(
                asked
                    .filter(|name| names.contains(&name.to_ascii_lowercase()))
                    .collect(),
            )
        }
        Some(Err(error)) => {
            refusals.command = Some(error);
            None
        }
        _ => None,
    };
    if let Some(commands) = &commands {
        tell_by_commands(&mut capabilities, commands);
    }
    (capabilities.scripts, refusals.eval) = permitted(eval);
    capabilities.tracking = permitted(tracking).0;
    Ok(Found {
        capabilities,
        commands,
        refusals,
    })
}

/// A refusal is an answer too.
fn answered(outcome: Outcome) -> Result<Result<Reply, Error>, Failure> {
    match outcome {
        Ok(reply) => Ok(Ok(reply)),
        Err(Failure::Replied(error)) => Ok(Err(error)),
        Err(failure) => Err(failure),
    }
}

/// Reads whether something may be done, from what came of doing it.
fn permitted(answer: Option<Result<Reply, Error>>) -> (Support, Option<Error>) {
    match answer {
        Some(Ok(_)) => (Support::Yes, None),
        Some(Err(error)) => match error.kind() {
            ErrorKind::Auth | ErrorKind::Unsupported | ErrorKind::Server => (Support::No, Some(error)),
            _ => (Support::Unknown, None),
        },
        None => (Support::Unknown, None),
    }
}

/// `HELLO` is what no server with RESP3 hides, and no access rule forbids.
fn read_hello(capabilities: &mut Capabilities, hello: &Reply) {
    if let Some(server) = text(hello.field("server")) {
        capabilities.flavour = match &*server {
            "redis" => Flavour::Redis,
            "valkey" => Flavour::Valkey,
            "keydb" => Flavour::KeyDb,
            _ => Flavour::Other(server),
        };
    }
    capabilities.version = text(hello.field("version")).and_then(|version| ServerVersion::parse(&version));
    capabilities.mode = mode(text(hello.field("mode")).as_deref());
    if let Some(Reply::Array(modules)) = hello.field("modules") {
        let names = modules.iter().filter_map(|module| text(module.field("name")));
        capabilities.modules = Some(names.collect());
    }
}

fn read_info(capabilities: &mut Capabilities, info: &str) {
    let line = |name: &str| {
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        lines.find_map(|(key, value)| (key == name).then(|| value.trim()))
    };
    let own = |flavour: Flavour, version: &str| (flavour, ServerVersion::parse(version));
    let found = if let Some(version) = line("valkey_version") {
        own(Flavour::Valkey, version)
    } else if let Some(version) = line("dragonfly_version") {
        own(Flavour::Other("dragonfly".to_owned()), version)
    } else {
        let program = line("executable").and_then(|path| path.rsplit('/').next());
        let flavour = match program {
            Some(program) if program.starts_with("keydb") => Flavour::KeyDb,
            _ if capabilities.flavour == Flavour::Unknown && line("redis_version").is_some() => Flavour::Redis,
            _ => std::mem::take(&mut capabilities.flavour),
        };
        own(flavour, line("redis_version").unwrap_or_default())
    };
    capabilities.flavour = found.0;
    capabilities.version = found.1.or(capabilities.version);
    if capabilities.mode == ServerMode::Unknown {
        capabilities.mode = mode(line("redis_mode").or_else(|| line("server_mode")));
    }
}

/// Tells by the version what the server may not say itself.
fn tell_by_version(capabilities: &mut Capabilities) {
    let Some(version) = capabilities.version else { return };
    let version = (version.major, version.minor);
    // Redis has never had that version.
    if capabilities.flavour == Flavour::Redis && version == (6, 3) {
        capabilities.flavour = Flavour::KeyDb;
    }
    let since = |redis, valkey| {
        let since = match capabilities.flavour {
            Flavour::Redis => redis,
            Flavour::Valkey => valkey,
            _ => None,
        };
        since.map_or(Support::Unknown, |since| Support::from(version >= since))
    };
    let of_both = |version| since(Some(version), Some(version));
    let has_json = |modules: &Vec<String>| modules.iter().any(|module| module.eq_ignore_ascii_case("ReJSON"));
    let told = Capabilities {
        getex: of_both((6, 2)),
        sintercard: of_both((7, 0)),
        read_only_scripts: of_both((7, 0)),
        functions: of_both((7, 0)),
        sharded_pubsub: of_both((7, 0)),
        zrank_with_score: of_both((7, 2)),
        field_expiry: since(Some((7, 4)), Some((9, 0))),
        msetex: since(Some((8, 4)), None),
        json: match &capabilities.modules {
            Some(modules) if has_json(modules) => Support::Yes,
            _ => Support::Unknown,
        },
        ..capabilities.clone()
    };
    *capabilities = told;
}

/// Tells by the commands that the server has.
fn tell_by_commands(capabilities: &mut Capabilities, commands: &HashSet<&'static str>) {
    let has = |name| Support::from(commands.contains(name));
    capabilities.getex = has("GETEX");
    capabilities.sintercard = has("SINTERCARD");
    capabilities.read_only_scripts = has("EVAL_RO");
    capabilities.functions = has("FCALL");
    capabilities.sharded_pubsub = has("SSUBSCRIBE");
    capabilities.msetex = has("MSETEX");
    capabilities.field_expiry = has("HPEXPIRE");
    capabilities.json = has("JSON.GET");
}

fn mode(text: Option<&str>) -> ServerMode {
    match text {
        Some("standalone") => ServerMode::Standalone,
        Some("cluster") => ServerMode::Cluster,
        Some("sentinel") => ServerMode::Sentinel,
        _ => ServerMode::Unknown,
    }
}

fn small(name: &Reply) -> Option<String> {
    text(Some(name)).map(|name| name.to_ascii_lowercase())
}

/// Reads a name: short, and of one line.
fn text(reply: Option<&Reply>) -> Option<String> {
    const LONGEST: usize = 64;
    let Some(Reply::Bytes(bytes)) = reply else { return None };
    let text = String::from_utf8_lossy(bytes);
    let text: String = text
        .chars()
        .filter(|letter| !letter.is_control())
        .take(LONGEST)
        .collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Reply {
        Reply::Bytes(text.to_owned().into())
    }

    fn refused(kind: ErrorKind, message: &'static str) -> Outcome {
        Err(Failure::Replied(Error::new(kind, message)))
    }

    fn no_permission() -> Outcome {
        refused(ErrorKind::Auth, "NOPERM this user has no permissions")
    }

    fn hello(server: &str, version: &str) -> Outcome {
        Ok(Reply::Map(vec![
            (bytes("server"), bytes(server)),
            (bytes("version"), bytes(version)),
            (bytes("proto"), Reply::Integer(3)),
            (bytes("mode"), bytes("standalone")),
            (
                bytes("modules"),
                Reply::Array(vec![Reply::Map(vec![
                    (bytes("name"), bytes("ReJSON")),
                    (bytes("ver"), Reply::Integer(20_000)),
                ])]),
            ),
        ]))
    }

    fn info(lines: &[&str]) -> Outcome {
        Ok(bytes(&format!("# Server\r\n{}\r\n", lines.join("\r\n"))))
    }

    fn commands(names: &[&str]) -> Outcome {
        Ok(Reply::Array(names.iter().copied().map(bytes).collect()))
    }

    fn found(answers: impl IntoIterator<Item = Outcome>) -> Found {
        read(answers.into_iter().collect()).unwrap()
    }

    fn of(answers: impl IntoIterator<Item = Outcome>) -> Capabilities {
        found(answers).capabilities
    }

    #[test]
    fn tracking_is_asked_about_where_nobody_else_does() {
        let questions = questions(false);
        assert_eq!(questions.len(), 5);
        assert_eq!(super::questions(true).len(), 4);
    }

    #[test]
    fn a_redis_that_says_everything_is_known() {
        let names = ["getex", "zrank", "json.get", "HPEXPIRE", "config|get"];
        let found = found([
            hello("redis", "7.0.15"),
            info(&[
                "redis_version:7.0.15",
                "redis_mode:standalone",
                "executable:/usr/bin/redis-server",
            ]),
            commands(&names),
            Ok(Reply::Integer(1)),
            Ok(Reply::Ok),
        ]);
        let capabilities = found.capabilities;
        assert_eq!(capabilities.flavour, Flavour::Redis);
        assert_eq!(capabilities.version, ServerVersion::parse("7.0.15"));
        assert_eq!(capabilities.mode, ServerMode::Standalone);
        assert_eq!(capabilities.modules, Some(vec!["ReJSON".to_owned()]));
        assert_eq!(
            (capabilities.scripts, capabilities.tracking),
            (Support::Yes, Support::Yes)
        );
        assert_eq!((capabilities.getex, capabilities.json), (Support::Yes, Support::Yes));
        assert_eq!(
            (capabilities.msetex, capabilities.zrank_with_score),
            (Support::No, Support::No)
        );
        assert_eq!(capabilities.field_expiry, Support::Yes);
        let known = found.commands.unwrap();
        assert!(known.contains("JSON.GET") && !known.contains("MSETEX"));
        assert!(found.refusals.info.is_none() && found.refusals.command.is_none() && found.refusals.eval.is_none());
    }

    #[test]
    fn whose_software_it_is_shows_in_several_places() {
        let rest = || [commands(&["zrank"]), Ok(Reply::Integer(1))];
        let told = |hello: Outcome, lines: &[&str]| of([hello, info(lines)].into_iter().chain(rest()));
        let valkey = told(
            hello("redis", "7.2.4"),
            &[
                "redis_version:7.2.4",
                "server_name:valkey",
                "valkey_version:8.0.1",
                "server_mode:standalone",
            ],
        );
        assert_eq!(
            (valkey.flavour, valkey.version),
            (Flavour::Valkey, ServerVersion::parse("8.0.1"))
        );
        assert_eq!(
            (valkey.zrank_with_score, valkey.tracking),
            (Support::Yes, Support::Unknown)
        );
        let keydb = told(
            hello("redis", "6.3.4"),
            &["redis_version:6.3.4", "executable:/usr/local/bin/keydb-server"],
        );
        assert_eq!(
            (keydb.flavour, keydb.version),
            (Flavour::KeyDb, ServerVersion::parse("6.3.4"))
        );
        let dragonfly = told(
            hello("redis", "7.4.0"),
            &["redis_version:7.4.0", "dragonfly_version:df-v1.25.1"],
        );
        assert_eq!(dragonfly.flavour, Flavour::Other("dragonfly".to_owned()));
        assert_eq!(dragonfly.version, ServerVersion::parse("1.25.1"));
        let keydb = of([hello("redis", "6.3.4"), no_permission()]);
        assert_eq!(keydb.flavour, Flavour::KeyDb);
        let named = of([hello("Rudis\r\n", "0.1"), no_permission()]);
        assert_eq!(named.flavour, Flavour::Other("Rudis".to_owned()));
        let nameless = of([no_permission(), info(&["redis_version:6.2.1"])]);
        assert_eq!((nameless.flavour, nameless.modules), (Flavour::Redis, None));
    }

    #[test]
    fn what_is_hidden_is_told_by_the_version_or_not_at_all() {
        let hidden = |hello| {
            found([
                hello,
                no_permission(),
                no_permission(),
                no_permission(),
                no_permission(),
            ])
        };
        let found = hidden(hello("redis", "7.4.1"));
        let capabilities = &found.capabilities;
        assert_eq!(
            (capabilities.field_expiry, capabilities.msetex),
            (Support::Yes, Support::No)
        );
        assert_eq!(capabilities.json, Support::Yes, "by the module's name");
        assert_eq!(
            (capabilities.scripts, capabilities.tracking),
            (Support::No, Support::No)
        );
        assert!(found.commands.is_none());
        assert!(found.refusals.info.is_some() && found.refusals.command.is_some() && found.refusals.eval.is_some());
        let other = hidden(hello("dragonfly", "7.4.1")).capabilities;
        assert_eq!((other.field_expiry, other.getex), (Support::Unknown, Support::Unknown));
        let valkey = hidden(hello("valkey", "8.1.0")).capabilities;
        assert_eq!((valkey.field_expiry, valkey.msetex), (Support::No, Support::Unknown));
        let nothing = hidden(no_permission()).capabilities;
        assert_eq!(nothing.resp3, Support::Yes);
        assert_eq!(
            (nothing.version, nothing.getex, nothing.json),
            (None, Support::Unknown, Support::Unknown)
        );
    }

    #[test]
    fn nonsense_is_no_answer() {
        let nonsense = || Ok(Reply::Array(vec![]));
        let capabilities = of([nonsense(), nonsense(), nonsense()]);
        let expected = Capabilities {
            resp3: Support::Yes,
            ..Capabilities::default()
        };
        assert_eq!(capabilities, expected);
        assert_eq!(of([Ok(Reply::Integer(1)), Ok(Reply::Nil), Ok(Reply::Ok)]), expected);
        let lost = [hello("redis", "7.0.15"), Err(Failure::Timeout)];
        assert!(read(lost.into_iter().collect()).is_err());
    }

    #[test]
    fn an_error_of_the_moment_says_nothing_of_scripts() {
        let answers = |eval| of([no_permission(), no_permission(), no_permission(), eval]).scripts;
        assert_eq!(answers(refused(ErrorKind::OutOfMemory, "OOM")), Support::Unknown);
        assert_eq!(
            answers(refused(ErrorKind::Unsupported, "ERR unknown command 'EVAL'")),
            Support::No
        );
    }
}
