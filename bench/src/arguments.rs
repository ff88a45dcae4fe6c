//! What the command line asks for.

use std::path::PathBuf;

use crate::Outcome;

/// How to call this program.
const USAGE: &str = "usage: bench fallback|operations|throughput|near|outage|topology|cache [--quick] [--only PART] \
                     [--json FILE] [--plot FILE.svg] [--server PATH]";

/// What to measure, and how.
#[derive(Debug, PartialEq)]
pub(crate) struct Arguments {
    /// Which figures.
    pub(crate) suite: Suite,
    /// Whether to measure shorter and less often: enough to see that it runs.
    pub(crate) quick: bool,
    /// Only the part of the suite with this name.
    pub(crate) only: Option<String>,
    /// Where every figure is to be written, as JSON.
    pub(crate) json: Option<PathBuf>,
    /// Where a picture of the figures is to be drawn, as SVG.
    pub(crate) plot: Option<PathBuf>,
    /// The program `redis-server`.
    pub(crate) server: PathBuf,
}

/// Figures that belong together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Suite {
    /// What Redis' absence costs, and what the manager costs while Redis is there.
    Fallback,
    /// What single operations cost, against the client library and against each other.
    Operations,
    /// How much goes through, against every other client.
    Throughput,
    /// What the near cache answers, how fast, and how fresh.
    Near,
    /// What callers feel of an outage, against every other client.
    Outage,
    /// How Cluster and Sentinel are used, and what callers feel of their faults.
    Topology,
    /// What the read-through cache saves, costs and survives, against every other one.
    Cache,
}

impl Suite {
    /// Every suite.
    const ALL: [Self; 7] = [
        Self::Fallback,
        Self::Operations,
        Self::Throughput,
        Self::Near,
        Self::Outage,
        Self::Topology,
        Self::Cache,
    ];

    /// Returns its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fallback => "fallback",
            Self::Operations => "operations",
            Self::Throughput => "throughput",
            Self::Near => "near",
            Self::Outage => "outage",
            Self::Topology => "topology",
            Self::Cache => "cache",
        }
    }
}

impl Arguments {
    /// Reads the arguments that follow the program's name.
    ///
    /// # Errors
    ///
    /// - An argument is missing or unknown.
    pub(crate) fn parse(words: impl IntoIterator<Item = String>) -> Outcome<Self> {
        let mut words = words.into_iter();
        let name = words.next().ok_or(USAGE)?;
        let suite = Suite::ALL.into_iter().find(|suite| suite.name() == name).ok_or(USAGE)?;
        let mut arguments = Self {
            suite,
            quick: false,
            only: None,
            json: None,
            plot: None,
            server: "redis-server".into(),
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => arguments.quick = true,
                "--only" => arguments.only = Some(words.next().ok_or(USAGE)?),
                "--json" => arguments.json = Some(words.next().ok_or(USAGE)?.into()),
                "--plot" => arguments.plot = Some(words.next().ok_or(USAGE)?.into()),
                "--server" => arguments.server = words.next().ok_or(USAGE)?.into(),
                unknown => return Err(format!("{unknown} is unknown; {USAGE}").into()),
            }
        }
        Ok(arguments)
    }

    /// Returns one of two: for a full run, or for a quick one.
    pub(crate) fn either<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Says whether a part of the suite is asked for.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Outcome<Arguments> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_follow_the_suite_in_any_order() -> Outcome {
        let arguments = parse("fallback --server /opt/redis --json out.json --plot out.svg --quick")?;
        assert_eq!(arguments.suite, Suite::Fallback);
        assert!(arguments.quick && arguments.wants("hung"));
        assert_eq!(arguments.server, PathBuf::from("/opt/redis"));
        assert_eq!(arguments.json, Some("out.json".into()));
        assert_eq!(arguments.plot, Some("out.svg".into()));
        assert!(!parse("fallback --only memory")?.wants("hung"));
        Ok(())
    }

    #[test]
    fn each_suite_has_its_name() -> Outcome {
        for suite in Suite::ALL {
            assert_eq!(parse(suite.name())?.suite, suite);
        }
        Ok(())
    }

    #[test]
    fn what_is_missing_or_unknown_is_told_with_the_usage() {
        for line in ["", "fall", "fallback --server", "operations --fast"] {
            let told = parse(line).map_err(|error| error.to_string());
            assert!(told.is_err_and(|told| told.contains(USAGE)), "{line}");
        }
    }
}
