//! The documents are well formed, hold what they should, and stay small.

use super::{StrategyBar, comparison_svg, svg, timeline_svg};
use crate::{NumberTimeline, Span, SpanKind, Timeline};

const SECOND: u64 = 1_000_000_000;

fn span(kind: SpanKind, from_ns: u64, to_ns: u64) -> Span {
    Span { kind, from_ns, to_ns }
}

/// Sessions of `agents` agents in turn on each number, with 16 dials at once, as a backlog of 1 000 calls gives.
fn backlog(numbers: u32, agents: u32, calls: u32) -> Timeline {
    let per_session = calls / agents;
    let mut timeline = Timeline::default();
    for number in 0..numbers {
        let (mut spans, mut now) = (vec![], 0);
        let mut before = None;
        for agent in (0..agents).filter(|agent| agent % numbers == number) {
            spans.push(span(SpanKind::Wait, now, now + SECOND / 4));
            spans.push(span(SpanKind::Assigned { agent: before }, now, now + SECOND / 8));
            let opened = now + SECOND / 8;
            now += SECOND / 4;
            for first in (0..per_session).step_by(16) {
                for call in first..(first + 16).min(per_session) {
                    let misrouted = agent == 1 && call == 20;
                    let kind = SpanKind::Dial { call: agent * per_session + call, agent, misrouted };
                    spans.push(span(kind, now, now + SECOND / 4 - u64::from(call % 16) * SECOND / 200));
                }
                now += SECOND / 4;
            }
            spans.push(span(SpanKind::Assigned { agent: Some(agent) }, opened, now + SECOND / 8));
            before = Some(agent);
        }
        spans.sort_by_key(|span| span.from_ns);
        timeline.end_ns = timeline.end_ns.max(now);
        timeline.numbers.push(NumberTimeline { number, spans });
    }
    timeline
}

fn bars() -> Vec<StrategyBar> {
    let bar = |strategy: &str, makespan_s, requests_per_call, misroutes| StrategyBar {
        strategy: strategy.into(),
        makespan_s,
        requests_per_call,
        misroutes,
    };
    vec![
        bar("script", 47.0, 3.0, 891.0),
        bar("mutex", 750.0, 3.0, 0.0),
        bar("cached", 500.25, 2.013, 0.0),
        bar("partyline", 21.25, 1.025, 0.0),
    ]
}

/// Each tag is closed in its turn, and no text holds what XML would take for a tag.
fn assert_well_formed(document: &str) {
    let mut open = Vec::new();
    for piece in document.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').expect("each tag ends");
        assert!(!text.contains('>'), "{text}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let name = tag.split([' ', '/', '\n']).find(|name| !name.is_empty()).expect("a name");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "in {tag}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert_eq!(open, [""; 0]);
    assert!(document.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
}

#[test]
fn a_timeline_shows_agents_dials_waits_and_misroutes() {
    let document = timeline_svg(&backlog(2, 12, 1_000));
    assert_well_formed(&document);
    for expected in ["number 1", "number 2", "agent 12", "url(#wait)", "misrouted dial (1)", "another agent"] {
        assert!(document.contains(expected), "{expected}");
    }
    let misroute = document.lines().find(|line| line.contains("class=\"bars\" stroke=\"#d1001f\""));
    assert_eq!(misroute.map(|line| line.matches('M').count()), Some(1));
    assert!(document.len() < 60_000, "{} bytes for 1 000 calls", document.len());
}

#[test]
fn nothing_is_drawn_outside_the_picture() {
    let document = svg(&backlog(4, 50, 1_000), &bars());
    let height: f64 = attribute(&document, "height").expect("a height");
    for element in document.split('<').filter(|element| element.starts_with("rect x") || element.starts_with("text x"))
    {
        let (x, y): (f64, f64) = (attribute(element, "x").expect("x"), attribute(element, "y").expect("y"));
        assert!((0.0..=1200.0).contains(&x) && (0.0..=height).contains(&y), "{element}");
    }
}

fn attribute(element: &str, name: &str) -> Option<f64> {
    element.split(&format!(" {name}=\"")).nth(1)?.split('"').next()?.parse().ok()
}

#[test]
fn names_are_escaped() {
    let strategy = "<script>alert(\"1\")</script> & 'co'\u{1}".to_owned();
    let bar = StrategyBar { strategy, makespan_s: 1.0, requests_per_call: 1.0, misroutes: 0.0 };
    let document = comparison_svg(&[bar]);
    assert_well_formed(&document);
    assert!(document.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;co&#39;</text>"));
}

#[test]
fn the_comparison_tells_every_figure() {
    let document = comparison_svg(&bars());
    assert_well_formed(&document);
    for figure in ["script", "mutex", "cached", "partyline", "750 s", "21.25 s", "2.013", "1.025", "891"] {
        assert!(document.contains(&format!(">{figure}<")), "{figure}");
    }
}

#[test]
fn an_empty_run_is_a_picture_too() {
    let nothing = Timeline::default();
    assert_well_formed(&timeline_svg(&nothing));
    assert_eq!(svg(&nothing, &[]), timeline_svg(&nothing));
    let zero = StrategyBar { strategy: "idle".into(), makespan_s: f64::NAN, requests_per_call: 0.0, misroutes: 0.0 };
    assert_well_formed(&svg(&nothing, &[zero]));
}
