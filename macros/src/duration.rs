//! Durations as people write them: `500ms`, `60s`, `5m`, `2h`, `7d`.

use std::time::Duration;

/// The units, in milliseconds.
const UNITS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Reads a duration; the error is a sentence without its subject, as `"60" has no unit: …`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    if number.is_empty() {
        return Err(format!(
            "`{text}` is no duration: write a whole number and its unit, as in \"60s\""
        ));
    }
    if unit.is_empty() {
        return Err(format!(
            "`{text}` has no unit: there are ms, s, m, h and d, as in \"{text}s\""
        ));
    }
    let Some((_, millis)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("`{text}` is no duration: the unit is one of ms, s, m, h and d"));
    };
    let whole = number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(*millis));
    match whole {
        Some(0) => Err(format!("`{text}` is no time at all: leave the option out")),
        Some(millis) => Ok(Duration::from_millis(millis)),
        None => Err(format!("`{text}` is too long")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_is_read() {
        let read = ["500ms", "60s", "5m", "2h", "7d"].map(parse);
        let millis = [500, 60_000, 300_000, 7_200_000, 604_800_000];
        assert_eq!(read, millis.map(|millis| Ok(Duration::from_millis(millis))));
    }

    #[test]
    fn what_is_no_duration_is_told_why() {
        for (text, why) in [
            ("", "is no duration"),
            ("s", "is no duration"),
            ("60", "has no unit"),
            ("1.5h", "the unit is one of"),
            ("60 s", "the unit is one of"),
            ("60S", "the unit is one of"),
            ("1h30m", "the unit is one of"),
            ("-1s", "is no duration"),
            ("0s", "no time at all"),
            ("٣s", "is no duration"),
            ("18446744073709551615d", "too long"),
            ("99999999999999999999s", "too long"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text:?}: {error}");
        }
    }
}
