//! Pictures of a run as SVG: light, self-contained, readable in any browser.
//!
//! [`timeline_svg`] shows what each number did, [`comparison_svg`] sets strategies side by side, and [`svg`] puts both into
//! one document. The text is escaped, nothing is loaded from elsewhere, and no script is in it.

mod canvas;
mod comparison;
mod timeline;

use crate::Timeline;

pub use comparison::StrategyBar;

/// What each number did: a lane per number with who was assigned, the dials as thin bars below, the waits for an
/// assignment hatched, and misroutes in red.
pub fn timeline_svg(timeline: &Timeline) -> String {
    timeline::drawing(timeline).document("What each number did")
}

/// Strategies side by side: makespan, requests per call, misroutes.
pub fn comparison_svg(bars: &[StrategyBar]) -> String {
    comparison::drawing(bars).document("Strategies compared")
}

/// Both in one document; where there is nothing to compare, the timeline alone.
pub fn svg(timeline: &Timeline, bars: &[StrategyBar]) -> String {
    if bars.is_empty() {
        return timeline_svg(timeline);
    }
    timeline::drawing(timeline).above(&comparison::drawing(bars)).document("A simulated run")
}

#[cfg(test)]
mod tests;
