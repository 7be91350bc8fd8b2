//! A drawing: elements of SVG in a text, with a size.

use std::fmt::{self, Write};

/// How wide drawings are.
pub(super) const WIDTH: f64 = 1200.0;

const STYLE: &str = "text{font:12px system-ui,-apple-system,'Segoe UI','DejaVu Sans',Arial,sans-serif;fill:#24292f}\
.small{font-size:11px;fill:#57606a}.title{font-size:15px;font-weight:600}.in{font-size:11px;fill:#fff}\
.right{text-anchor:end}.mid{text-anchor:middle}.bars{fill:none}";

/// Where a text stands relative to its point, and how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Face {
    Plain,
    Title,
    Small,
    SmallMiddle,
    PlainRight,
    Inside,
}

impl Face {
    fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Title => "title",
            Self::Small => "small",
            Self::SmallMiddle => "small mid",
            Self::PlainRight => "right",
            Self::Inside => "in mid",
        }
    }
}

/// Elements with the height they take.
#[derive(Debug, Default)]
pub(super) struct Drawing {
    body: String,
    height: f64,
}

impl Drawing {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// It reaches down to here.
    pub(super) fn reach(&mut self, bottom: f64) {
        self.height = self.height.max(bottom);
    }

    pub(super) fn rectangle(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), fill: &str) {
        let (x, y, width, height) = (Short(x), Short(y), Short(width.max(0.0)), Short(height));
        let fill = Escaped(fill);
        self.push(format_args!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{fill}\"/>\n"));
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), stroke: &str) {
        let ((x1, y1), (x2, y2)) = ((Short(from.0), Short(from.1)), (Short(to.0), Short(to.1)));
        let stroke = Escaped(stroke);
        self.push(format_args!("<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" stroke=\"{stroke}\"/>\n"));
    }

    /// Horizontal bars of one colour and thickness, each from a point over a length.
    pub(super) fn bars(&mut self, bars: &[(f64, f64, f64)], thickness: f64, stroke: &str) {
        if bars.is_empty() {
            return;
        }
        let (thickness, stroke) = (Short(thickness), Escaped(stroke));
        self.push(format_args!("<path class=\"bars\" stroke=\"{stroke}\" stroke-width=\"{thickness}\" d=\""));
        for (x, y, length) in bars {
            self.push(format_args!("M{} {}h{}", Short(*x), Short(*y), Short(length.max(0.4))));
        }
        self.push(format_args!("\"/>\n"));
    }

    pub(super) fn text(&mut self, (x, y): (f64, f64), face: Face, text: &str) {
        let (x, y, text) = (Short(x), Short(y), Escaped(text));
        match face.class() {
            "" => self.push(format_args!("<text x=\"{x}\" y=\"{y}\">{text}</text>\n")),
            class => self.push(format_args!("<text x=\"{x}\" y=\"{y}\" class=\"{class}\">{text}</text>\n")),
        }
    }

    /// Another drawing over this one.
    pub(super) fn cover(&mut self, over: &Self) {
        self.body.push_str(&over.body);
        self.reach(over.height);
    }

    /// Another drawing below this one.
    #[must_use]
    pub(super) fn above(mut self, below: &Self) -> Self {
        let at = Short(self.height);
        self.push(format_args!("<g transform=\"translate(0 {at})\">\n"));
        self.body.push_str(&below.body);
        self.push(format_args!("</g>\n"));
        Self { height: self.height + below.height, ..self }
    }

    /// The whole document.
    pub(super) fn document(self, title: &str) -> String {
        let (width, height, title) = (Short(WIDTH), Short(self.height), Escaped(title));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
             <defs><pattern id=\"wait\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" fill=\"#fff\"/>\
             <rect width=\"2.5\" height=\"6\" fill=\"#8c959f\"/></pattern></defs>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{}</svg>\n",
            self.body
        )
    }

    fn push(&mut self, what: fmt::Arguments<'_>) {
        self.body.write_fmt(what).expect("a text takes everything");
    }
}

/// A length with at most two decimals, and none where they are zeros.
struct Short(f64);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.2}", self.0);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        f.write_str(if text == "-0" { "0" } else { text })
    }
}

/// Text as XML wants it; control characters, which XML cannot hold at all, are left out.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => {}
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// Red is kept for misroutes.
pub(super) const MISROUTE: &str = "#d1001f";
/// An agent outside the workload, or nobody we know.
pub(super) const OTHER_AGENT: &str = "#c4cad1";
/// The fill of a wait for an assignment.
pub(super) const WAIT: &str = "url(#wait)";

/// Colours that are told apart, none of them red; beyond these they come again, lighter.
const COLOURS: [&str; 12] = [
    "#0b61a4", "#1a7f37", "#9a6700", "#6f42c1", "#0e7490", "#b35900", "#4d7c0f", "#3730a3", "#86198f", "#57534e",
    "#0f766e", "#7c5c2e",
];
const LIGHTER: [&str; 12] = [
    "#5aa2dd", "#5fc27e", "#d4a72c", "#b18bf0", "#4fc0d8", "#f0a04b", "#98c951", "#8a85e8", "#cf6fd8", "#a8a29e",
    "#45bcae", "#c6a36b",
];

/// The colour of an agent.
pub(super) fn colour(agent: Option<u32>) -> &'static str {
    let Some(agent) = agent else { return OTHER_AGENT };
    let place = agent as usize % (COLOURS.len() * 2);
    COLOURS.get(place).or_else(|| LIGHTER.get(place - COLOURS.len())).copied().unwrap_or(OTHER_AGENT)
}
