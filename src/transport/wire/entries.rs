//! The steps of the read-through cache, each a script at one key.
//!
//! `KEYS`: the key. Numbers in an envelope are compared as their bytes, and times are the server's.

#[cfg(test)]
mod behaviour;

use bytes::Bytes;
use once_cell::sync::Lazy;

use crate::{
    command::{EntryAct, EntryFill, Seen, Tell, version},
    envelope::header::{FIXED, ID, Kind, LEASE, MAGIC, STALE, TOUCHED, UNTIL},
    ttl::Ttl,
};

/// Where the kind stands.
const KIND: usize = MAGIC.len();

/// What stands for nothing but a lease.
const AWAITED: u8 = Kind::Awaited as u8;

/// Up to here there was a value, if only the loader's word that there is none.
const LAST_LOADED: u8 = Kind::NotFound as u8;

/// The longest text of a version: a letter, sixteen digits, a colon, and a time to live.
const LONGEST_VERSION: usize = 1 + 16 + 1 + 19;

// Lease and end are written together.
const _: () = assert!(UNTIL == LEASE + 8);

/// `ARGV`: where what was seen stands, and what it is; the envelope, its time to live in milliseconds; if somebody is told, the command and the channel.
static FILL: Lazy<String> = Lazy::new(|| {
    of_envelope(
        "if at(ARGV[1], 8) ~= ARGV[2] then return 0 end \
         local set = redis.pcall('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) \
         if set.err then return set end \
         if ARGV[5] then redis.call(ARGV[5], ARGV[6], '1') end \
         return 1",
    )
});

/// The same at each of many keys, as if it were the only one. `ARGV`: for each the same four; nobody is told.
static FILL_MANY: Lazy<String> = Lazy::new(|| {
    let fill = &*FILL;
    format!(
        "local function fill(KEYS, ARGV) {fill} end \
         local filled = {{}} \
         for i, key in ipairs(KEYS) do \
         local from = 4 * i - 3 \
         filled[i] = fill({{key}}, {{ARGV[from], ARGV[from + 1], ARGV[from + 2], ARGV[from + 3]}}) \
         end \
         return filled"
    )
});

/// `ARGV`: the lease, its time to live in milliseconds, what was seen, what is put where nothing is.
static TAKE_LEASE: Lazy<String> = Lazy::new(|| {
    of_envelope(&format!(
        "local time = redis.call('TIME') \
         local now = time[1] * 1000 + math.floor(time[2] / 1000) \
         local held = at({LEASE}, 8) \
         if held ~= ARGV[1] then \
         local left = (tonumber(at({UNTIL}, 16)) or 0) - now \
         if held ~= string.rep('\\0', 8) and left > 0 then return left end \
         local is_nothing = at({KIND}, 1) == '\\{AWAITED}' and ARGV[3] == '' \
         if at({ID}, 8) ~= ARGV[3] and not is_nothing then return -1 end \
         end \
         if head == '' then redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[2]) end \
         local till = string.format('%016d', math.min(now + ARGV[2], 2 ^ 53)) \
         redis.call('SETRANGE', KEYS[1], {LEASE}, ARGV[1] .. till) \
         local life = redis.call('PTTL', KEYS[1]) \
         if life >= 0 and life < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end \
         return 0"
    ))
});

/// `ARGV`: the lease; if somebody is told, the command and the channel: also if it was another's by then, since who waits can try now.
static RELEASE: Lazy<String> = Lazy::new(|| {
    of_envelope(&format!(
        "local is_this = at({LEASE}, 8) == ARGV[1] \
         if is_this and at({KIND}, 1) == '\\{AWAITED}' then redis.call('DEL', KEYS[1]) \
         elseif is_this then redis.call('SETRANGE', KEYS[1], {LEASE}, string.rep('\\0', 8) .. string.rep('0', 16)) end \
         if ARGV[2] then redis.call(ARGV[2], ARGV[3], '1') end \
         return is_this and 1 or 0"
    ))
});

/// `ARGV`: the identity, the time, the time to live in milliseconds.
static TOUCH: Lazy<String> = Lazy::new(|| {
    of_envelope(&format!(
        "if at({ID}, 8) ~= ARGV[1] then return 0 end \
         redis.call('SETRANGE', KEYS[1], {TOUCHED}, ARGV[2]) \
         redis.call('PEXPIRE', KEYS[1], ARGV[3]) \
         return 1"
    ))
});

/// `ARGV`: the new identity; what is put where nothing is, and its time to live in milliseconds. What is no value gets a new identity too, and no
/// lease stays, so that what is being loaded is not stored there.
static EXPIRE: Lazy<String> = Lazy::new(|| {
    of_envelope(&format!(
        "if head == '' then \
         if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end \
         return 0 \
         end \
         redis.call('SETRANGE', KEYS[1], {ID}, ARGV[1]) \
         redis.call('SETRANGE', KEYS[1], {LEASE}, string.rep('\\0', 8) .. string.rep('0', 16)) \
         if string.byte(at({KIND}, 1)) > {LAST_LOADED} then return 0 end \
         redis.call('SETRANGE', KEYS[1], {STALE}, '\\1') \
         return 1"
    ))
});

/// `ARGV`: the version that is put where none is, its time to live in milliseconds. One that lives longer than it was to has its whole time to live
/// lengthened as much, so that its age stays what it is. One that somebody made live for ever is older than anything.
static MARK: Lazy<String> = Lazy::new(|| {
    after_reading(
        LONGEST_VERSION + 1,
        "local version, whole = string.match(head, '^([cr]' .. string.rep('[0-9a-f]', 16) .. '):(%d+)$') \
         if not version or #whole > 19 then \
         redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) \
         return string.sub(ARGV[1], 1, 17) .. ':0' \
         end \
         local left = redis.call('PTTL', KEYS[1]) \
         if left < 0 then return version .. string.format(':%.0f', 2 ^ 53) end \
         if left < tonumber(ARGV[2]) then \
         local longer = string.format(':%.0f', whole + ARGV[2] - left) \
         redis.call('SET', KEYS[1], version .. longer, 'PX', ARGV[2]) \
         end \
         return version .. string.format(':%.0f', math.max(whole - left, 0))",
    )
});

/// Returns the script of an act, and its arguments.
pub(super) fn script(act: EntryAct) -> (&'static str, Vec<Bytes>) {
    match act {
        EntryAct::Fill {
            seen,
            envelope,
            ttl,
            tell,
        } => {
            let arguments = filling(seen, envelope, ttl).into_iter();
            (&FILL, arguments.chain(telling(tell)).collect())
        }
        EntryAct::Lease {
            lease,
            ttl,
            seen,
            placeholder,
        } => {
            let seen = seen.map_or_else(Bytes::new, number);
            (&TAKE_LEASE, vec![number(lease), millis(ttl), seen, placeholder])
        }
        EntryAct::Release { lease, tell } => (&RELEASE, [number(lease)].into_iter().chain(telling(tell)).collect()),
        EntryAct::Touch { id, at, ttl } => {
            let at = Bytes::copy_from_slice(&at.to_be_bytes());
            (&TOUCH, vec![number(id), at, millis(ttl)])
        }
        EntryAct::Expire { id, removed, ttl } => (&EXPIRE, vec![number(id), removed, millis(ttl)]),
        EntryAct::Mark { id, ttl } => (&MARK, vec![version('c', id, ttl), millis(ttl)]),
    }
}

/// Returns the script for many, its keys and its arguments.
pub(super) fn script_for_many(fills: Vec<EntryFill>) -> (&'static str, Vec<Bytes>, Vec<Bytes>) {
    let (mut keys, mut arguments) = (Vec::with_capacity(fills.len()), Vec::with_capacity(4 * fills.len()));
    for EntryFill {
        key,
        seen,
        envelope,
        ttl,
    } in fills
    {
        keys.push(key);
        arguments.extend(filling(seen, envelope, ttl));
    }
    (&FILL_MANY, keys, arguments)
}

fn filling(seen: Seen, envelope: Bytes, ttl: Ttl) -> [Bytes; 4] {
    let [place, seen] = whereabouts(seen);
    [place, seen, envelope, millis(ttl)]
}

/// Lets a script begin with so many bytes of what is at the key, as `head`; what is no string counts as nothing. Any other error comes back as the
/// command replied it: raised, it would tell of the script.
fn after_reading(len: usize, body: &str) -> String {
    let last = len - 1;
    format!(
        "local head = redis.pcall('GETRANGE', KEYS[1], 0, {last}) \
         if type(head) == 'table' then \
         if not string.find(head.err, 'WRONGTYPE', 1, true) then return head end \
         head = '' \
         end \
         {body}"
    )
}

/// Lets a script begin with the first bytes of an envelope as `head`, of which `at` gives so many from a place on. What is none of ours counts as
/// nothing, and nothing is empty.
fn of_envelope(body: &str) -> String {
    let (magic, len) = (MAGIC.map(|byte| format!("\\{byte:03}")).concat(), MAGIC.len());
    let ours = format!(
        "if #head < {FIXED} or string.sub(head, 1, {len}) ~= '{magic}' then head = '' end \
         local function at(place, length) return string.sub(head, place + 1, place + length) end \
         {body}"
    );
    after_reading(FIXED, &ours)
}

/// Returns where what was seen stands, and what it is. Where nothing was seen, nothing may stand even at the very beginning.
fn whereabouts(seen: Seen) -> [Bytes; 2] {
    let (place, seen) = match seen {
        Seen::Nothing => (0, Bytes::new()),
        Seen::Content(id) => (ID, number(id)),
        Seen::Lease(lease) => (LEASE, number(lease)),
    };
    [place.to_string().into(), seen]
}

fn telling(tell: Option<Tell>) -> impl Iterator<Item = Bytes> {
    tell.into_iter().flat_map(|Tell { channel, is_sharded }| {
        let command: &[u8] = if is_sharded { b"SPUBLISH" } else { b"PUBLISH" };
        [Bytes::from_static(command), channel]
    })
}

fn number(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

fn millis(ttl: Ttl) -> Bytes {
    ttl.as_millis().to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ttl() -> Ttl {
        Ttl::from_millis(5).unwrap()
    }

    fn fill(seen: Seen, tell: Option<Tell>) -> Vec<Bytes> {
        let (_, arguments) = script(EntryAct::Fill {
            seen,
            envelope: "e".into(),
            ttl: ttl(),
            tell,
        });
        arguments
    }

    #[test]
    fn scripts_look_where_the_header_says() {
        let (script, _) = script(EntryAct::Expire {
            id: 1,
            removed: "r".into(),
            ttl: ttl(),
        });
        assert!(script.contains("'GETRANGE', KEYS[1], 0, 48)"), "{script}");
        assert!(script.contains(r"~= '\253\114\099\001'"), "{script}");
        assert!(script.contains("'SETRANGE', KEYS[1], 8, ARGV[1])"), "{script}");
        assert!(script.contains(r"'SETRANGE', KEYS[1], 48, '\1')"), "{script}");
    }

    #[test]
    fn what_was_seen_is_told_with_its_place() {
        assert_eq!(fill(Seen::Nothing, None), ["0", "", "e", "5"]);
        assert_eq!(fill(Seen::Content(7), None)[..2], ["8", "\0\0\0\0\0\0\0\x07"]);
        assert_eq!(fill(Seen::Lease(1), None)[..2], ["16", "\0\0\0\0\0\0\0\x01"]);
    }

    #[test]
    fn who_is_told_stands_last() {
        for (is_sharded, command) in [(false, "PUBLISH"), (true, "SPUBLISH")] {
            let tell = Tell {
                channel: "c".into(),
                is_sharded,
            };
            assert_eq!(fill(Seen::Nothing, Some(tell.clone()))[4..], [command, "c"]);
            let release = EntryAct::Release {
                lease: 1,
                tell: Some(tell),
            };
            assert_eq!(script(release).1[1..], [command, "c"]);
        }
    }

    #[test]
    fn a_version_is_marked_with_its_text() {
        let (_, arguments) = script(EntryAct::Mark { id: 0xab, ttl: ttl() });
        assert_eq!(arguments, ["c00000000000000ab:5", "5"]);
        assert_eq!(version('c', u64::MAX, Ttl::MAX).len(), LONGEST_VERSION);
    }
}
