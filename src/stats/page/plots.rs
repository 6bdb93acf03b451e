//! Plots: bars that stand, and bars that lie. Places are percentages, so that a plot is as wide as
//! its card and its letters stay as they are.

use super::axis::{Amount, Tick, amounts};
use super::html::Html;

/// A bar that stands, perhaps of several pieces, from the bottom up.
#[derive(Debug)]
pub struct Bar {
    /// Where it starts and ends, from 0 to 1.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Its pieces: which of the series, and how much.
    pub pieces: Vec<(usize, u64)>,
    /// What is said of it when it is pointed at.
    pub title: String,
}

/// A plot of bars that stand.
#[derive(Debug)]
pub struct Standing {
    /// The plot's name on the page.
    pub id: &'static str,
    /// What it shows, for those who cannot see it.
    pub label: &'static str,
    /// What the bars measure.
    pub amount: Amount,
    /// The bars.
    pub bars: Vec<Bar>,
    /// The ticks below them.
    pub ticks: Vec<Tick>,
}

/// The classes of the series, and of pieces that are neither.
const SERIES: [&str; 8] = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"];

/// The class of a series.
pub fn series(number: usize) -> &'static str {
    SERIES.get(number).or(SERIES.last()).copied().unwrap_or_default()
}

impl Standing {
    /// The plot.
    pub fn draw(&self) -> Html {
        let sum = |bar: &Bar| bar.pieces.iter().map(|(_, much)| *much).fold(0, u64::saturating_add);
        let most = self.bars.iter().map(sum).max().unwrap_or(0);
        let (end, ys) = amounts(most, self.amount);
        let mut html = Html::default();
        html.raw("<div class=\"plot\" id=\"").text(self.id).raw("\"><div class=\"ys\">");
        // The longest label, unseen, makes the column as wide as it must be.
        let longest = ys.iter().map(|tick| &tick.label).max_by_key(|label| label.len());
        if let Some(longest) = longest {
            html.raw("<i aria-hidden=\"true\">").text(longest).raw("</i>");
        }
        for tick in &ys {
            html.raw("<span style=\"bottom:").percent(tick.at * 100.0).raw("\">");
            html.text(&tick.label).raw("</span>");
        }
        html.raw("</div><svg role=\"img\" aria-label=\"").text(self.label).raw("\">");
        for tick in &ys {
            html.raw(if tick.at == 0.0 { "<line class=\"base\"" } else { "<line" });
            let y = 100.0 - tick.at * 100.0;
            html.raw(" x1=\"0\" x2=\"100%\" y1=\"").percent(y).raw("\" y2=\"").percent(y);
            html.raw("\"/>");
        }
        for bar in &self.bars {
            html.part(bar.draw(end));
        }
        html.raw("</svg><div class=\"xs\">");
        for tick in &self.ticks {
            let class = match tick.at {
                ..0.06 => " class=\"first\"",
                0.94.. => " class=\"last\"",
                _ => "",
            };
            html.raw("<span").raw(class).raw(" style=\"left:").percent(tick.at * 100.0);
            html.raw("\">").text(&tick.label).raw("</span>");
        }
        html.raw("</div></div>");
        html
    }
}

impl Bar {
    fn draw(&self, end: f64) -> Html {
        let mut html = Html::default();
        html.raw("<g class=\"slot\"><title>").text(&self.title).raw("</title>");
        let mut below = 0.0;
        for (number, much) in &self.pieces {
            let height = *much as f64 / end * 100.0;
            // What is there can be seen, however little it is.
            let shown = height.max(0.3);
            html.raw("<rect class=\"mark ").text(series(*number)).raw("\" x=\"");
            html.percent(self.from * 100.0).raw("\" width=\"");
            html.percent((self.to - self.from) * 100.0).raw("\" y=\"");
            html.percent((100.0 - below - shown).max(0.0)).raw("\" height=\"").percent(shown);
            html.raw("\"/>");
            below += height;
        }
        html.raw("</g>");
        html
    }
}

/// A bar that lies, of one or two pieces.
#[derive(Debug)]
pub struct Row {
    /// What it is about.
    pub what: String,
    /// In small letters behind it.
    pub small: String,
    /// What is said of it when it is pointed at.
    pub title: String,
    /// The piece at the left.
    pub first: u64,
    /// The piece behind it, if there are to be two.
    pub second: Option<u64>,
    /// How much it is, in words.
    pub much: String,
    /// Whether `what` is bytes of a user's rather than a name.
    pub is_key: bool,
}

/// Bars that lie, below each other; the longest is as long as can be.
pub fn lying(id: &'static str, rows: &[Row]) -> Html {
    let whole = |row: &Row| row.first.saturating_add(row.second.unwrap_or(0));
    let most = rows.iter().map(whole).max().unwrap_or(0).max(1) as f64;
    let mut html = Html::default();
    html.raw("<div class=\"rows\" id=\"").text(id).raw("\">");
    for row in rows {
        html.raw(if row.is_key { "<div class=\"what key\"" } else { "<div class=\"what\"" });
        html.raw(" title=\"").text(&row.what).raw("\"><bdi>").text(&row.what).raw("</bdi>");
        if !row.small.is_empty() {
            html.raw(" <small>").text(&row.small).raw("</small>");
        }
        html.raw("</div><svg role=\"img\" aria-label=\"").text(&row.much).raw("\">");
        html.raw("<g class=\"slot\"><title>").text(&row.title).raw("</title>");
        html.raw("<rect class=\"track\" width=\"100%\" height=\"14\" rx=\"3\"/>");
        let first = row.first as f64 / most * 100.0;
        let classes = if row.second.is_some() { ["mark kept", "mark gone"] } else { ["mark", ""] };
        let mut start = 0.0;
        for (class, much) in classes
            .into_iter()
            .zip([first].into_iter().chain(row.second.map(|second| second as f64 / most * 100.0)))
        {
            html.raw("<rect class=\"").text(class).raw("\" height=\"14\" rx=\"3\" x=\"");
            html.percent(start).raw("\" width=\"").percent(much).raw("\"/>");
            start += much;
        }
        html.raw("</g></svg><div class=\"much\">").text(&row.much).raw("</div>");
    }
    html.raw("</div>");
    html
}

/// What the colours mean.
pub fn legend(entries: &[(&'static str, String)]) -> Html {
    let mut html = Html::default();
    html.raw("<div class=\"legend\">");
    for (class, what) in entries {
        html.raw("<span><svg aria-hidden=\"true\"><rect class=\"").text(class);
        html.raw("\" width=\"10\" height=\"10\" rx=\"2\"/></svg><bdi>").text(what);
        html.raw("</bdi></span>");
    }
    html.raw("</div>");
    html
}
