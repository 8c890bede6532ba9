//! The tables on a terminal, drawn again after every interval.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table as Widget};

use super::fetch::{Asker, Shot};
use super::figures::Figures;
use super::plain::widths;
use super::tables::{self, Table};

/// Between two columns.
const GAP: u16 = 2;
/// A title, the names of the columns.
const ABOVE_ROWS: usize = 2;
/// From this width on there are two columns of tables.
const WIDE: u16 = 130;

/// Shows it until somebody presses q.
pub async fn live(asker: &Asker, first: Vec<Shot>, every: Duration) -> anyhow::Result<()> {
    let mut terminal =
        ratatui::try_init().context("this terminal cannot be drawn on; use --once")?;
    let done = draw(&mut terminal, asker, first, every).await;
    ratatui::restore();
    done
}

async fn draw(
    terminal: &mut ratatui::DefaultTerminal,
    asker: &Asker,
    mut before: Vec<Shot>,
    every: Duration,
) -> anyhow::Result<()> {
    let mut tables = Vec::new();
    loop {
        let due = Instant::now() + every;
        // Waits for keys in a thread's own time: the runtime has others.
        if tokio::task::block_in_place(|| asked_to_leave(terminal, &tables, every, due))? {
            return Ok(());
        }
        let after = asker.ask().await;
        tables = tables::of(&Figures::between(&before, &after));
        before = after;
    }
}

/// Draws, and again where the terminal changes its size, until it is due to ask again.
fn asked_to_leave(
    terminal: &mut ratatui::DefaultTerminal,
    tables: &[Table],
    every: Duration,
    due: Instant,
) -> anyhow::Result<bool> {
    loop {
        terminal.draw(|frame| show(frame, tables, every))?;
        if !event::poll(due.saturating_duration_since(Instant::now()))? {
            return Ok(false);
        }
        if let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            let interrupted =
                key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
            if interrupted || [KeyCode::Char('q'), KeyCode::Esc].contains(&key.code) {
                return Ok(true);
            }
        }
    }
}

/// The whole screen.
pub fn show(frame: &mut Frame<'_>, tables: &[Table], every: Duration) {
    let [above, below] =
        Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(frame.area());
    let said = if tables.is_empty() {
        "asking …"
    } else {
        "q leaves"
    };
    let head = format!("rapport top, every {every:?}; {said}");
    frame.render_widget(Paragraph::new(head).style(Modifier::BOLD), above);
    if below.width < WIDE {
        stack(frame, below, tables);
        return;
    }
    let [left, right] = Layout::horizontal([Constraint::Fill(3), Constraint::Fill(2)]).areas(below);
    let middle = tables
        .iter()
        .position(|table| table.title == "projections")
        .unwrap_or(tables.len());
    let (writes, reads) = tables.split_at(middle);
    stack(frame, left, writes);
    stack(frame, right, reads);
}

/// One table below the other, as far as there is room.
fn stack(frame: &mut Frame<'_>, area: Rect, tables: &[Table]) {
    let height = |table: &Table| {
        let rows = table.rows.len() + ABOVE_ROWS;
        Constraint::Length(u16::try_from(rows).unwrap_or(u16::MAX))
    };
    let areas = Layout::vertical(tables.iter().map(height)).split(area);
    for (table, area) in tables.iter().zip(areas.iter()) {
        frame.render_widget(widget(table), *area);
    }
}

fn widget(table: &Table) -> Widget<'_> {
    let rows = table.rows.iter().map(|row| {
        let style = if row.bad {
            Style::new().fg(Color::Red)
        } else {
            Style::new()
        };
        Row::new(row.cells.iter().map(|cell| Cell::from(cell.as_str()))).style(style)
    });
    let columns = widths(table)
        .into_iter()
        .map(|width| Constraint::Length(u16::try_from(width).unwrap_or(u16::MAX)));
    let names = Row::new(table.columns.iter().copied()).style(Modifier::DIM);
    Widget::new(rows, columns)
        .header(names)
        .column_spacing(GAP)
        .block(
            Block::new()
                .borders(Borders::TOP)
                .title(table.title.as_str())
                .title_style(Modifier::BOLD),
        )
}
