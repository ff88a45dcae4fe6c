//! Every figure in a file, for programs.

use std::{fs, path::Path};

use serde_json::{Map, Value, json};

use crate::{Outcome, arguments::Arguments, machine::Machine, report::Figure};

/// Writes all figures, and what they have to be read with.
///
/// # Errors
///
/// - The file cannot be written.
pub(crate) fn write(path: &Path, arguments: &Arguments, machine: &Machine, figures: &[Figure]) -> Outcome {
    let document = json!({
        "suite": arguments.suite.name(),
        "length": arguments.either("full", "quick"),
        "part": arguments.only,
        "machine": {
            "cores": machine.cores,
            "load_before": machine.load,
            "processor": machine.processor,
            "atomic_addition_ns": machine.atomic_nanos,
            "rustc": machine.rustc,
            "server": machine.server,
            "date": machine.date,
        },
        "figures": figures.iter().map(described).collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&document)?;
    fs::write(path, text + "\n").map_err(|error| format!("{} cannot be written: {error}", path.display()).into())
}

/// Returns one figure; a goal and a remark only where there are some.
fn described(figure: &Figure) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("name", json!(figure.name));
    put("median", json!(figure.median));
    put("min", json!(figure.min));
    put("max", json!(figure.max));
    if let Some((sign, bound)) = figure.goal.bound() {
        put("goal", json!(format!("{sign} {bound}")));
        put("reached", json!(figure.goal.is_reached(figure.median)));
    }
    if !figure.remark.is_empty() {
        put("remark", json!(figure.remark));
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Goal;

    #[test]
    fn a_figure_is_written_with_its_goal_and_whether_it_is_reached() {
        let figure = Figure {
            name: "get_ratio_64".to_owned(),
            median: 1.5,
            min: 1.25,
            max: 2.0,
            goal: Goal::AtLeast(2.0),
            remark: String::new(),
        };
        let expected = json!({
            "name": "get_ratio_64", "median": 1.5, "min": 1.25, "max": 2.0, "goal": ">= 2", "reached": false,
        });
        assert_eq!(described(&figure), expected);
    }
}
