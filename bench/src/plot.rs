//! A picture of the figures: panels of bars, as SVG.
//!
//! Written by hand, since it is a few rectangles and texts: the picture has to follow the reader's light or dark background by a media
//! query in a style sheet of its own, which plotting crates do not write.

use std::{
    fmt::Write,
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
};

use crate::{Outcome, arguments::Arguments, machine::Machine};

/// Bars that belong together. The first bar is ours.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    /// What is shown.
    pub(crate) title: String,
    /// What the numbers count.
    pub(crate) unit: &'static str,
    /// How the lengths of the bars follow the numbers.
    pub(crate) scale: Scale,
    /// Who reached what.
    pub(crate) bars: Vec<Bar>,
}

/// What one reached.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    /// Who.
    pub(crate) name: &'static str,
    /// What.
    pub(crate) value: f64,
    /// What is written instead of the number.
    pub(crate) label: Option<&'static str>,
}

/// How the length of a bar follows its number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    /// In proportion.
    Linear,
    /// The same length for each power of ten.
    Logarithmic,
}

/// What is to be drawn.
static PANELS: Mutex<Vec<Panel>> = Mutex::new(Vec::new());

/// The class of our bar, and its colour for viewers that know no style sheets.
const OURS: (&str, &str) = ("ours", "#e8590c");

/// The same of all others.
const PEER: (&str, &str) = ("peer", "#7d8590");

/// Readable on both backgrounds. A viewer that knows no style sheets takes what stands at each text and bar.
const STYLE: &str = "text { font: 12px system-ui, sans-serif; fill: #1f2328; }\n\
    .title { font-weight: 600; }\n\
    .ours { fill: #d9480f; }\n\
    .peer { fill: #8c959f; }\n\
    @media (prefers-color-scheme: dark) {\n\
    text { fill: #e6edf3; }\n\
    .ours { fill: #ff8a4c; }\n\
    .peer { fill: #6e7681; }\n\
    }\n";

/// Panels side by side.
const COLUMNS: usize = 2;

/// The width of a panel, its margin included.
const WIDTH: usize = 460;

/// The room for names.
const NAMES: usize = 130;

/// The length of the longest bar. The rest of the width is for numbers.
const LONGEST: f64 = 230.0;

/// The height of a bar and the gap below it.
const LINE: usize = 18;

/// Room above the bars of a panel, and below.
const HEAD: usize = 36;

/// Adds a panel.
pub(crate) fn add(panel: Panel) {
    PANELS.lock().unwrap_or_else(PoisonError::into_inner).push(panel);
}

/// Draws all panels.
///
/// # Errors
///
/// - The suite, or the part of it that was measured, has no panels.
/// - The file cannot be written.
pub(crate) fn write(path: &Path, arguments: &Arguments, machine: &Machine) -> Outcome {
    let panels = PANELS.lock().unwrap_or_else(PoisonError::into_inner);
    if panels.is_empty() {
        return Err("there is nothing to draw: only contenders that were compared are drawn".into());
    }
    let caption = format!(
        "{}: {}, {} cores, {}",
        arguments.suite.name(),
        machine.processor,
        machine.cores,
        machine.date
    );
    let text = draw(&panels, &caption)?;
    fs::write(path, text).map_err(|error| format!("{} cannot be written: {error}", path.display()).into())
}

/// Returns the whole picture.
fn draw(panels: &[Panel], caption: &str) -> Result<String, std::fmt::Error> {
    let mut drawn = String::new();
    let mut top = 0;
    for row in panels.chunks(COLUMNS) {
        for (column, panel) in row.iter().enumerate() {
            panel.draw(&mut drawn, column * WIDTH, top)?;
        }
        top += row.iter().map(Panel::height).max().unwrap_or_default();
    }
    let (width, height) = (COLUMNS * WIDTH, top + HEAD);
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
         <style>\n{STYLE}</style>\n{drawn}"
    );
    write_text(&mut picture, 10, top + HEAD / 2, "", caption)?;
    picture.push_str("</svg>\n");
    Ok(picture)
}

impl Panel {
    /// Returns how much room it takes.
    fn height(&self) -> usize {
        HEAD + self.bars.len() * LINE
    }

    /// Returns how long a bar is.
    fn length(&self, value: f64) -> f64 {
        let most = self.bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
        let share = match self.scale {
            Scale::Linear => value / most,
            Scale::Logarithmic => value.max(0.0).ln_1p() / most.ln_1p(),
        };
        if share.is_finite() { LONGEST * share } else { 0.0 }
    }

    /// Draws it where it belongs.
    fn draw(&self, picture: &mut String, left: usize, top: usize) -> std::fmt::Result {
        let scale = match self.scale {
            Scale::Linear => "",
            Scale::Logarithmic => ", logarithmic",
        };
        let title = format!("{} ({}{scale})", self.title, self.unit);
        write_text(picture, left + 10, top + 20, "title", &title)?;
        for (number, bar) in self.bars.iter().enumerate() {
            let (start, line) = (left + NAMES, top + HEAD - 6 + number * LINE);
            let (class, colour) = if number == 0 { OURS } else { PEER };
            let length = self.length(bar.value);
            write_text(picture, left + 10, line + 11, "", bar.name)?;
            writeln!(
                picture,
                "<rect class=\"{class}\" fill=\"{colour}\" x=\"{start}\" y=\"{line}\" width=\"{length:.1}\" height=\"{}\"/>",
                LINE - 4
            )?;
            // No picture is as wide as what a `usize` holds.
            let end = start + length as usize + 6;
            let label = bar.label.map_or_else(|| short(bar.value), str::to_owned);
            write_text(picture, end, line + 11, "", &label)?;
        }
        Ok(())
    }
}

/// Writes a text, with a colour for viewers that know no style sheets.
fn write_text(picture: &mut String, x: usize, y: usize, class: &str, text: &str) -> std::fmt::Result {
    let class = if class.is_empty() {
        String::new()
    } else {
        format!(" class=\"{class}\"")
    };
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(
        picture,
        "<text{class} x=\"{x}\" y=\"{y}\" fill=\"#7d8590\">{text}</text>"
    )
}

/// Writes a number as people say it.
fn short(value: f64) -> String {
    match value {
        millions if millions >= 1e6 => format!("{:.2} M", millions / 1e6),
        thousands if thousands >= 1e4 => format!("{:.0} k", thousands / 1e3),
        thousands if thousands >= 1e3 => format!("{:.1} k", thousands / 1e3),
        ones if ones >= 100.0 => format!("{ones:.0}"),
        ones => format!("{ones:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(name: &'static str, value: f64) -> Bar {
        Bar {
            name,
            value,
            label: None,
        }
    }

    fn panel(scale: Scale) -> Panel {
        Panel {
            title: "get, 512 tasks".to_owned(),
            unit: "calls/s",
            scale,
            bars: vec![bar("ours", 2_000_000.0), bar("a < b", 500_000.0)],
        }
    }

    #[test]
    fn the_longest_bar_is_ours_and_the_other_in_proportion() -> Outcome {
        let picture = draw(&[panel(Scale::Linear)], "here & now")?;
        assert!(picture.contains("class=\"ours\" fill=\"#e8590c\" x=\"130\" y=\"30\" width=\"230.0\""));
        assert!(picture.contains("class=\"peer\" fill=\"#7d8590\" x=\"130\" y=\"48\" width=\"57.5\""));
        for text in [
            "2.00 M",
            "500 k",
            "a &lt; b",
            "here &amp; now",
            "prefers-color-scheme: dark",
        ] {
            assert!(picture.contains(text), "{text}");
        }
        Ok(())
    }

    #[test]
    fn a_logarithmic_bar_is_longer_than_in_proportion() {
        let panel = panel(Scale::Logarithmic);
        assert!(panel.length(500_000.0) > 200.0 && panel.length(2_000_000.0) <= LONGEST);
        assert!(panel.length(0.0).abs() < f64::EPSILON);
    }
}
