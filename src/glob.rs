//! Patterns as Redis matches them: `*`, `?`, `[a-z]`, `[^a]`, and `\` before what is meant as it stands.

/// Says whether the whole text matches.
///
/// After a mismatch it goes back to the last `*` only, so that it takes pattern × text steps at most.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        match one(&pattern[p.min(pattern.len())..], text[t]) {
            Some(used) => {
                p += used;
                t += 1;
            }
            None => {
                let Some((after, from)) = star else { return false };
                star = Some((after, from + 1));
                (p, t) = (after, from + 1);
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Matches one byte, and returns how much of the pattern that took.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', meant, ..] => (*meant == byte).then_some(2),
        [b'[', rest @ ..] => {
            let (is_in, used) = class(rest, byte);
            is_in.then_some(used + 1)
        }
        [meant, ..] => (*meant == byte).then_some(1),
    }
}

/// Reads a class up to its `]`, and says whether the byte is in it. A class without an end goes to the end of the pattern.
fn class(class: &[u8], byte: u8) -> (bool, usize) {
    let is_negated = class.first() == Some(&b'^');
    let mut at = usize::from(is_negated);
    let mut is_in = false;
    while at < class.len() && class[at] != b']' {
        match &class[at..] {
            [b'\\', meant, ..] => {
                is_in |= *meant == byte;
                at += 2;
            }
            [from, b'-', to, ..] if *to != b']' => {
                let (low, high) = (from.min(to), from.max(to));
                is_in |= (*low..=*high).contains(&byte);
                at += 3;
            }
            [meant, ..] => {
                is_in |= *meant == byte;
                at += 1;
            }
            [] => {}
        }
    }
    (is_in != is_negated, (at + 1).min(class.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text, is_match) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("user:*", "user:7", true),
            ("user:*", "users", false),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-b]llo", "hbllo", true),
            ("h[b-a]llo", "hallo", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("[a", "a", true),
            ("*\\", "\\", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                is_match,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = "a*".repeat(50) + "b";
        assert!(!matches(pattern.as_bytes(), "a".repeat(5_000).as_bytes()));
    }
}
