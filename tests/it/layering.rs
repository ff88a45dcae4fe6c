//! The architecture, read from the sources: imports point down, and few rooms name the outside.

use std::{collections::BTreeMap, fs, path::Path};

/// The rooms, from top to bottom. A room imports from layers below its own, and from itself.
const LAYERS: [&[&str]; 14] = [
    &["lib"],
    &["global"],
    &["cache"],
    &["cached", "entities", "manager", "testing"],
    &["cache_store"],
    &["service"],
    &["transport"],
    &["embedded", "near"],
    &["journal", "messages"],
    &["command", "reply", "typed_key"],
    &[
        "attached",
        "breaker",
        "capabilities",
        "chance",
        "config",
        "glob",
        "key",
        "metrics",
        "ttl",
        "value",
    ],
    &["envelope"],
    &["codec"],
    &["error"],
];

/// Who may name what comes from outside.
const OUTSIDE: [(&str, &[&str]); 11] = [
    ("fred", &["transport", "manager.rs", "service.rs"]),
    ("rustls", &["transport"]),
    ("rustls_native_certs", &["transport"]),
    ("serde_json", &["codec"]),
    ("rmp_serde", &["codec"]),
    ("lz4_flex", &["envelope"]),
    ("ring", &["envelope"]),
    ("base64", &["envelope"]),
    ("quick_cache", &["near"]),
    ("redis_manager_macros", &["cached"]),
    ("tokio", &["cache", "transport", "manager", "testing"]),
];

/// Names that say nothing about what is in a room.
const VAGUE: [&str; 9] = [
    "common", "helper", "helpers", "inner", "misc", "type", "types", "util", "utils",
];

const MAX_LINES: usize = 500;

/// One file of `src`, without comments and without its tests.
struct Room {
    /// As `transport/link.rs`.
    file: String,
    /// As `["transport", "link"]`.
    path: Vec<String>,
    code: String,
    lines: usize,
}

fn rooms() -> Vec<Room> {
    let mut rooms = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut rooms);
    rooms.sort_by(|a, b| a.file.cmp(&b.file));
    assert!(rooms.len() > 20, "the sources are found");
    rooms
}

fn collect(folder: &Path, parent: &[String], rooms: &mut Vec<Room>) {
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let mut path = parent.to_vec();
        path.push(file.file_stem().unwrap().to_str().unwrap().to_owned());
        if file.is_dir() {
            collect(&file, &path, rooms);
        } else if file.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&file).unwrap();
            rooms.push(Room {
                file: format!("{}.rs", path.join("/")),
                path,
                code: code(&source),
                lines: source.lines().count(),
            });
        }
    }
}

/// Cuts the tests off, which stand last, and the comments out.
fn code(source: &str) -> String {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = source.lines().map(|line| match line.find("//") {
        Some(comment) if !line[..comment].contains('"') => &line[..comment],
        _ => line,
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

impl Room {
    fn top(&self) -> &str {
        &self.path[0]
    }

    /// The modules that the file names, each by its path from the root of the crate.
    fn imports(&self) -> Vec<Vec<String>> {
        let parent = &self.path[..self.path.len() - 1];
        let mut found = Vec::new();
        for (prefix, base) in [("crate::", &[][..]), ("super::", parent), ("self::", &self.path[..])] {
            for (at, _) in self.code.match_indices(prefix) {
                let is_whole = !self.code[..at].ends_with(|c: char| c.is_alphanumeric() || "_:".contains(c));
                if is_whole {
                    expand(&self.code[at + prefix.len()..], base, &mut found);
                }
            }
        }
        found
    }

    /// Says whether a path of the code begins with this crate's name.
    fn names(&self, outside: &str) -> bool {
        self.code.match_indices(outside).any(|(at, _)| {
            let (before, after) = (&self.code[..at], &self.code[at + outside.len()..]);
            let is_within = |path: &str| path.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let begins = !is_within(before) && !before.strip_suffix("::").is_some_and(is_within);
            begins && (after.starts_with("::") || after.starts_with(" as "))
        })
    }
}

/// Reads `a::{b, c::d}` into paths, as far as it is a path.
fn expand(text: &str, base: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    if end > 0 {
        let path = [base, &[text[..end].to_owned()]].concat();
        if let Some(rest) = text[end..].strip_prefix("::") {
            return end + 2 + expand(rest, &path, found);
        }
        found.push(path);
        return end;
    }
    if !text.starts_with('{') {
        found.push(base.to_vec());
        return 0;
    }
    let mut at = 1;
    while let Some(next) = text[at..].find(|c: char| !c.is_whitespace() && c != ',') {
        at += next;
        if text[at..].starts_with('}') {
            return at + 1;
        }
        let read = expand(&text[at..], base, found);
        if read == 0 {
            return at;
        }
        at += read;
    }
    text.len()
}

fn layer(room: &str) -> Option<usize> {
    LAYERS.iter().position(|rooms| rooms.contains(&room))
}

fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn every_room_stands_in_a_layer() {
    let homeless = rooms().into_iter().filter(|room| layer(room.top()).is_none());
    let violations: Vec<_> = homeless
        .map(|room| format!("src/{} stands in no layer: say in LAYERS where it belongs", room.file))
        .collect();
    assert_none(&violations);
}

#[test]
fn imports_point_down() {
    let mut violations = Vec::new();
    for room in rooms() {
        let Some(own) = layer(room.top()) else { continue };
        for import in room.imports() {
            let Some(target) = import.first().filter(|target| *target != room.top()) else {
                continue;
            };
            match layer(target) {
                Some(layer) if layer > own => {}
                Some(_) => violations.push(format!(
                    "src/{} imports {}, but `{}` may import only from below itself",
                    room.file,
                    import.join("::"),
                    room.top()
                )),
                None if own == 0 => {}
                // An exported macro is expanded elsewhere, where only the root's names can be seen.
                None if room.code.contains("#[macro_export]") => {}
                None => violations.push(format!(
                    "src/{} imports `{target}` through the root: name the room where it lives",
                    room.file
                )),
            }
        }
    }
    assert_none(&violations);
}

/// Files of one folder import from each other in one direction only. (What they share with their parent is not looked at.)
#[test]
fn no_two_files_of_one_room_import_each_other() {
    let rooms = rooms();
    let mut imports: BTreeMap<&[String], Vec<&[String]>> = BTreeMap::new();
    for room in &rooms {
        let siblings = |import: &[String]| {
            let is_sibling = |other: &&Room| {
                other.path.len() == room.path.len()
                    && other.path != room.path
                    && other.path[..other.path.len() - 1] == room.path[..room.path.len() - 1]
                    && import.starts_with(&other.path)
            };
            rooms.iter().find(is_sibling).map(|other| &other.path[..])
        };
        let mut targets: Vec<_> = room.imports().iter().filter_map(|import| siblings(import)).collect();
        targets.sort();
        targets.dedup();
        imports.insert(&room.path, targets);
    }
    let mut violations = Vec::new();
    for (room, targets) in &imports {
        for target in targets {
            let way_back = way(target, room, &imports, &mut Vec::new());
            if let Some(way_back) = way_back.filter(|_| room < target) {
                let back: Vec<_> = way_back.iter().map(|room| room.join("/")).collect();
                violations.push(format!(
                    "src/{}.rs imports from {}, which leads back to it: {}",
                    room.join("/"),
                    target.join("/"),
                    back.join(" → ")
                ));
            }
        }
    }
    assert_none(&violations);
}

/// Finds how one room reaches another by imports.
fn way<'a>(
    from: &'a [String],
    to: &[String],
    imports: &BTreeMap<&'a [String], Vec<&'a [String]>>,
    seen: &mut Vec<&'a [String]>,
) -> Option<Vec<&'a [String]>> {
    if from == to {
        return Some(vec![from]);
    }
    if seen.contains(&from) {
        return None;
    }
    seen.push(from);
    let rest = imports
        .get(from)?
        .iter()
        .find_map(|next| way(next, to, imports, seen))?;
    Some([vec![from], rest].concat())
}

#[test]
fn few_rooms_name_the_outside() {
    let mut violations = Vec::new();
    for room in rooms() {
        for (outside, allowed) in OUTSIDE {
            let is_allowed = allowed
                .iter()
                .any(|allowed| *allowed == room.file || *allowed == room.top());
            if !is_allowed && room.names(outside) {
                let who = allowed.join(" and ");
                violations.push(format!("src/{} names {outside}, but only {who} may", room.file));
            }
        }
    }
    assert_none(&violations);
}

#[test]
fn the_faces_name_the_client_library_in_their_hatches_only() {
    let rooms = rooms();
    let naming = |file: &str| {
        let room = rooms.iter().find(|room| room.file == file).unwrap();
        let lines = room.code.lines().filter(|line| line.contains("fred"));
        lines.map(str::trim).collect::<Vec<_>>()
    };
    assert_eq!(
        naming("manager.rs"),
        ["pub fn client(&self) -> Option<fred::clients::Client> {"]
    );
    assert_eq!(
        naming("service.rs"),
        ["pub fn from_client(client: &fred::clients::Client) -> Result<Self> {"]
    );
}

#[test]
fn no_file_is_too_long_to_be_read_at_once() {
    let rooms = rooms();
    let long = rooms.iter().filter(|room| room.lines > MAX_LINES);
    let violations: Vec<_> = long
        .map(|room| {
            format!(
                "src/{} has {} lines, more than {MAX_LINES}: split it by noun",
                room.file, room.lines
            )
        })
        .collect();
    assert_none(&violations);
}

#[test]
fn every_file_is_named_by_what_is_in_it() {
    let mut violations = Vec::new();
    for room in rooms() {
        let name = room.path.last().unwrap().as_str();
        if name == "mod" {
            violations.push(format!(
                "src/{} is named mod.rs: name the file after its room",
                room.file
            ));
        } else if VAGUE.contains(&name) {
            violations.push(format!("src/{} has a name that says nothing", room.file));
        }
    }
    assert_none(&violations);
}

#[test]
fn the_reader_of_imports_understands_what_it_reads() {
    let room = |source: &str| Room {
        file: "transport/link.rs".to_owned(),
        path: vec!["transport".to_owned(), "link".to_owned()],
        code: code(source),
        lines: 0,
    };
    let source = "
        use std::fmt;
        use crate::{config::{Endpoint, Settings}, error::Error}; // crate::comment
        use super::{generation::Permit, node::Ledger};
        /// [`crate::documented`]
        pub(crate) fn f() -> crate::ttl::Ttl { format!(\"//{}\", serde_json::to_string(&1)) }
        #[cfg(test)]\nmod tests { use crate::manager; }";
    let mut imports: Vec<_> = room(source).imports().iter().map(|path| path.join("::")).collect();
    imports.sort();
    assert_eq!(
        imports,
        [
            "config::Endpoint",
            "config::Settings",
            "error::Error",
            "transport::generation::Permit",
            "transport::node::Ledger",
            "ttl::Ttl"
        ]
    );
    assert!(room(source).names("serde_json"));
    assert!(!room(source).names("fred"));
    assert!(!room("let x = alfred::fredo();").names("fred"));
    assert!(!room("use rustls::crypto::ring::sign;").names("ring"));
    assert!(room("let x = ::ring::sign();").names("ring"));
    assert!(!room("// fred is wrapped").names("fred"));
}
