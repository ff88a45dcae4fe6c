//! Asks a server what it can, all in one round trip.
//!
//! Any question may be refused, and any answer hidden: then that stays unknown, and is found out by trying. All words that are sent are ASCII, because a
//! server repeats them in an error, and no answer is a list whose first element a user can choose.

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
    /// The names of the commands that the server was asked for and has, if it has answered.
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

/// Commands that some servers lack, beside the doubtful ones.
const NEWER: [&str; 8] = [
    "GETEX",
    "SINTERCARD",
    "ZRANK",
    "EVAL_RO",
    "FCALL",
    "SSUBSCRIBE",
    "MSETEX",
    OF_KEYDB,
];

/// Only KeyDB has it, which otherwise says of itself that it is Redis.
const OF_KEYDB: &str = "KEYDB.CRON";

/// Returns the names of the commands that the server is asked for.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NEWER.into_iter().chain(knowledge::DOUBTFUL)
}

/// Makes the questions. Whether tracking is permitted is left to the near cache where there is one.
pub(super) fn questions(is_tracked: bool) -> Vec<Command> {
    let names = names().map(str::to_ascii_lowercase);
    let mut questions = vec![
        // With the protocol that is spoken already: some servers take none for RESP2, and would change to it.
        Call::new("HELLO").number(3),
        Call::new("INFO").arg("server"),
        Call::new("COMMAND INFO").args(names),
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
    let entries = match commands {
        Some(Ok(Reply::Array(entries))) if !entries.is_empty() => Some(entries),
        Some(Err(error)) => {
            refusals.command = Some(error);
            None
        }
        _ => None,
    };
    match &entries {
        Some(entries) => read_commands(&mut capabilities, entries),
        None => guess(&mut capabilities),
    }
    (capabilities.scripts, refusals.eval) = permitted(eval);
    capabilities.tracking = permitted(tracking).0;
    Ok(Found {
        capabilities,
        commands: entries.map(|entries| names().filter(|name| entry(&entries, name).is_some()).collect()),
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
    if let Some(server) = text(field(hello, "server")) {
        capabilities.flavour = match &*server {
            "redis" => Flavour::Redis,
            "valkey" => Flavour::Valkey,
            "keydb" => Flavour::KeyDb,
            _ => Flavour::Other(server),
        };
    }
    capabilities.version = text(field(hello, "version")).and_then(|version| ServerVersion::parse(&version));
    capabilities.mode = mode(text(field(hello, "mode")).as_deref());
    if let Some(Reply::Array(modules)) = field(hello, "modules") {
        let names = modules.iter().filter_map(|module| text(field(module, "name")));
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

fn read_commands(capabilities: &mut Capabilities, entries: &[Reply]) {
    let has = |name| Support::from(entry(entries, name).is_some());
    capabilities.getex = has("GETEX");
    capabilities.sintercard = has("SINTERCARD");
    capabilities.read_only_scripts = has("EVAL_RO");
    capabilities.functions = has("FCALL");
    capabilities.sharded_pubsub = has("SSUBSCRIBE");
    capabilities.msetex = has("MSETEX");
    capabilities.field_expiry = has("HPEXPIRE");
    capabilities.json = has("JSON.GET");
    // With the option it takes more words than three: then the server tells their least number, as a negative one.
    capabilities.zrank_with_score = match entry(entries, "ZRANK").and_then(|entry| entry.get(1)) {
        Some(Reply::Integer(words)) => Support::from(*words < 0),
        _ => Support::Unknown,
    };
    if has(OF_KEYDB).is_yes() {
        capabilities.flavour = Flavour::KeyDb;
    }
}

/// Tells by the version what the server does not say.
fn guess(capabilities: &mut Capabilities) {
    let Some(version) = capabilities.version else { return };
    let has_since = |redis, valkey| {
        let since = match capabilities.flavour {
            Flavour::Redis => redis,
            Flavour::Valkey => valkey,
            _ => None,
        };
        since.map_or(Support::Unknown, |since| {
            Support::from((version.major, version.minor) >= since)
        })
    };
    let of_both = |since| has_since(Some(since), Some(since));
    let guessed = Capabilities {
        getex: of_both((6, 2)),
        sintercard: of_both((7, 0)),
        read_only_scripts: of_both((7, 0)),
        functions: of_both((7, 0)),
        sharded_pubsub: of_both((7, 0)),
        zrank_with_score: of_both((7, 2)),
        field_expiry: has_since(Some((7, 4)), Some((9, 0))),
        msetex: has_since(Some((8, 4)), None),
        ..capabilities.clone()
    };
    *capabilities = guessed;
}

fn mode(text: Option<&str>) -> ServerMode {
    match text {
        Some("standalone") => ServerMode::Standalone,
        Some("cluster") => ServerMode::Cluster,
        Some("sentinel") => ServerMode::Sentinel,
        _ => ServerMode::Unknown,
    }
}

/// Finds what `COMMAND INFO` says of a command, by its name: a server may leave out what it does not know.
fn entry<'r>(entries: &'r [Reply], name: &str) -> Option<&'r [Reply]> {
    entries.iter().find_map(|entry| match entry {
        Reply::Array(entry) => match entry.first() {
            Some(Reply::Bytes(found)) if found.eq_ignore_ascii_case(name.as_bytes()) => Some(&**entry),
            _ => None,
        },
        _ => None,
    })
}

/// Finds a field of a map, also if that comes as a flat list.
fn field<'r>(map: &'r Reply, name: &str) -> Option<&'r Reply> {
    let is_name = |reply: &Reply| matches!(reply, Reply::Bytes(found) if found == name);
    match map {
        Reply::Map(pairs) => pairs.iter().find_map(|(key, value)| is_name(key).then_some(value)),
        Reply::Array(words) => words
            .chunks_exact(2)
            .find_map(|pair| is_name(&pair[0]).then_some(&pair[1])),
        _ => None,
    }
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

    fn commands(entries: &[(&str, i64)]) -> Outcome {
        let entry = |(name, words): &(&str, i64)| Reply::Array(vec![bytes(name), Reply::Integer(*words)]);
        let mut replies: Vec<_> = entries.iter().map(entry).collect();
        replies.push(Reply::Nil);
        Ok(Reply::Array(replies))
    }

    fn found(answers: impl IntoIterator<Item = Outcome>) -> Found {
        read(answers.into_iter().collect()).unwrap()
    }

    fn of(answers: impl IntoIterator<Item = Outcome>) -> Capabilities {
        found(answers).capabilities
    }

    #[test]
    fn everything_is_asked_in_small_letters_and_ascii() {
        let questions = questions(false);
        assert_eq!(questions.len(), 5);
        assert_eq!(super::questions(true).len(), 4);
        let Command::Call(call) = &questions[2] else {
            panic!("no call");
        };
        assert!(call.args.iter().any(|arg| &arg.bytes()[..] == b"json.get"));
        let is_plain = |byte: &u8| byte.is_ascii_lowercase() || matches!(byte, b'.' | b'_');
        assert!(call.args.iter().all(|arg| arg.bytes().iter().all(is_plain)));
    }

    #[test]
    fn a_redis_that_says_everything_is_known() {
        let entries = [("getex", -2), ("zrank", 3), ("json.get", -2), ("HPEXPIRE", -6)];
        let found = found([
            hello("redis", "7.0.15"),
            info(&[
                "redis_version:7.0.15",
                "redis_mode:standalone",
                "executable:/usr/bin/redis-server",
            ]),
            commands(&entries),
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
        let rest = || [commands(&[("zrank", -3)]), Ok(Reply::Integer(1))];
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
        let keydb = of([
            hello("redis", "6.3.4"),
            no_permission(),
            commands(&[("keydb.cron", -6)]),
        ]);
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
        assert_eq!(
            capabilities.json,
            Support::Unknown,
            "no version tells of modules' commands"
        );
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
        assert_eq!((nothing.version, nothing.getex), (None, Support::Unknown));
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
