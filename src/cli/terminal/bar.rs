//! The progress bar: bytes done, rate and time left, on standard error.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::args::{CommonArgs, When};
use crate::report::Progress;

/// A bar on a terminal; silent in a pipe and under `--quiet`.
pub struct Bar {
    bar: ProgressBar,
}

impl Bar {
    /// A bar as the options ask for it, drawn at the first [`Progress::begin`].
    pub fn new(common: &CommonArgs) -> Bar {
        let wanted = match common.progress {
            When::Always => true,
            When::Never => false,
            When::Auto => stderr().is_terminal() && !common.quiet,
        };
        let target = match (wanted, common.progress) {
            (false, _) => ProgressDrawTarget::hidden(),
            // indicatif itself draws nothing off a terminal, unless it is told the size of one.
            (true, When::Always) if !stderr().is_terminal() => {
                ProgressDrawTarget::term_like(Box::new(super::plain_terminal::PlainTerminal))
            }
            (true, _) => ProgressDrawTarget::stderr(),
        };
        Bar { bar: ProgressBar::with_draw_target(None, target) }
    }
}

impl Progress for Bar {
    fn begin(&self, what: &str, total_bytes: u64) {
        const WHOLE: &str =
            "{msg:<9} {bar:30} {bytes:>10} of {total_bytes}  {bytes_per_sec}  {eta} left";
        const NARROW: &str = "{wide_msg} {percent:>3} %  {bytes_per_sec}  {eta} left";
        let width = terminal_size::terminal_size_of(stderr()).map(|(width, _)| width.0);
        let template = if width.is_some_and(|width| width < 100) { NARROW } else { WHOLE };
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("=> ");
        self.bar.set_style(style);
        self.bar.set_message(what.to_owned());
        self.bar.set_length(total_bytes);
        self.bar.reset();
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    fn advance(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
