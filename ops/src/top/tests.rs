//! What is shown of fixed answers.

use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::fetch::Shot;
use super::figures::Figures;
use super::{plain, scrape, screen, tables};

const BEFORE: &str = include_str!("tests/before.prom");
const AFTER: &str = include_str!("tests/after.prom");
const READY: &str = include_str!("tests/ready.json");

fn shot(url: &str, at: Instant, text: &str) -> Shot {
    let ready: serde_json::Value = serde_json::from_str(READY).unwrap();
    Shot {
        url: url.to_owned(),
        at,
        samples: scrape::read(text),
        projections: serde_json::from_value(ready["projections"].clone()).unwrap(),
        problem: None,
    }
}

/// Two seconds of one process, and another that has died meanwhile.
fn figures() -> Figures {
    let begun = Instant::now();
    let later = begun + Duration::from_secs(2);
    let before = [
        shot("http://127.0.0.1:8000", begun, BEFORE),
        shot("http://127.0.0.1:8001", begun, BEFORE),
    ];
    let dead = Shot {
        problem: Some("nothing can be reached".to_owned()),
        ..shot("http://127.0.0.1:8001", later, "")
    };
    let after = [shot("http://127.0.0.1:8000", later, AFTER), dead];
    Figures::between(&before, &after)
}

fn drawn(width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let tables = tables::of(&figures());
    terminal
        .draw(|frame| screen::show(frame, &tables, Duration::from_secs(2)))
        .unwrap();
    terminal.backend().to_string()
}

#[test]
fn text_says_what_the_screen_says() {
    insta::assert_snapshot!(plain::text(&tables::of(&figures())));
}

#[test]
fn a_narrow_terminal_has_one_column() {
    insta::assert_snapshot!(drawn(90, 40));
}

#[test]
fn a_wide_terminal_has_two() {
    insta::assert_snapshot!(drawn(150, 24));
}

#[test]
fn a_process_that_began_anew_has_done_what_it_shows() {
    let begun = Instant::now();
    let later = begun + Duration::from_secs(1);
    let line = |count: u32| {
        format!("rapport_commands_total{{category=\"lead\",outcome=\"done\"}} {count}\n")
    };
    let before = [shot("http://a", begun, &line(100))];
    let after = [shot("http://a", later, &line(7))];
    let figures = Figures::between(&before, &after);
    assert!((figures.categories[0].commands - 7.0).abs() < f64::EPSILON);
}
