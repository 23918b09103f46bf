//! A run on a terminal: one line per running scenario, a bar for all of them; what has ended scrolls by above.

use std::collections::HashMap;
use std::time::Duration;

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::event::{Reporter, RunEvent, Untold};
use super::palette::Palette;
use super::plain;
use super::progress::Line;
use super::scenario::ScenarioId;

/// How often clocks on the screen move on.
const TICK: Duration = Duration::from_millis(200);

/// Shows a run on the terminal that is our standard output.
#[derive(Debug)]
pub struct Live {
    screen: MultiProgress,
    terminal: Term,
    palette: Palette,
    total: Option<ProgressBar>,
    running: HashMap<ScenarioId, Running>,
    scenarios: usize,
    finished: usize,
}

#[derive(Debug)]
struct Running {
    bar: ProgressBar,
    step: String,
    counts: Option<(usize, usize)>,
}

impl Live {
    /// A display in the colours of `palette`.
    #[must_use]
    pub fn new(palette: Palette) -> Self {
        let terminal = Term::stdout();
        let target = ProgressDrawTarget::term(terminal.clone(), 10);
        Self {
            screen: MultiProgress::with_draw_target(target),
            terminal,
            palette,
            total: None,
            running: HashMap::new(),
            scenarios: 0,
            finished: 0,
        }
    }

    fn scroll(&self, text: &str) {
        let _ = self.screen.println(text);
    }

    fn start(&mut self, id: &ScenarioId) {
        let bar = ProgressBar::new_spinner().with_style(style("{elapsed:>5} {wide_msg}"));
        let bar = match &self.total {
            Some(total) => self.screen.insert_before(total, bar),
            None => self.screen.add(bar),
        };
        bar.enable_steady_tick(TICK);
        let running = Running { bar, step: "starting".to_owned(), counts: None };
        running.bar.set_message(self.message(id, &running));
        self.running.insert(id.clone(), running);
    }

    fn told(&mut self, id: &ScenarioId, line: &Line) {
        let Some(running) = self.running.get_mut(id) else { return };
        match line {
            Line::Step { text } => running.step = text.lines().next().unwrap_or_default().to_owned(),
            Line::Counts { nodes, pods, .. } => running.counts = Some((*nodes, *pods)),
            Line::Fact { .. } | Line::Attachment { .. } | Line::Costs(_) | Line::Verdict { .. } => return,
        }
        let running = &self.running[id];
        running.bar.set_message(self.message(id, running));
    }

    /// What stands behind the clock. The name gives way before the step does.
    fn message(&self, id: &ScenarioId, running: &Running) -> String {
        let columns = usize::from(self.terminal.size().1);
        let counts = counts(running.counts);
        let name = shortened(&id.to_string(), (columns / 2).saturating_sub(16).max(24));
        format!("{} {} {}", self.palette.faint(&counts), self.palette.heading(&name), running.step)
    }
}

impl Reporter for Live {
    fn hear(&mut self, event: &RunEvent) -> Result<(), Untold> {
        match event {
            RunEvent::Planned { plan } => {
                self.scenarios = plan.scenarios.len();
                self.scroll(&plain::planned(plan));
                let total = self.screen.add(ProgressBar::new(self.scenarios as u64));
                total.set_style(style("{elapsed:>5} [{bar:30}] {pos}/{len} {msg}").progress_chars("=> "));
                total.enable_steady_tick(TICK);
                self.total = Some(total);
            }
            RunEvent::Started { scenario } => self.start(scenario),
            RunEvent::Told { scenario, told } => self.told(scenario, told),
            RunEvent::Finished { report } => {
                if let Some(running) = self.running.remove(&report.id) {
                    running.bar.finish_and_clear();
                    self.screen.remove(&running.bar);
                }
                self.finished += 1;
                self.scroll(&plain::finished(self.palette, report, self.finished, self.scenarios));
                if let Some(total) = &self.total {
                    total.set_position(self.finished as u64);
                }
            }
            RunEvent::Notice { text } => self.scroll(text),
            RunEvent::Ended { .. } => {
                for (_, running) in self.running.drain() {
                    running.bar.finish_and_clear();
                }
                if let Some(total) = self.total.take() {
                    total.finish_and_clear();
                }
            }
        }
        Ok(())
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// Of one width, so that names stand below each other.
fn counts(counts: Option<(usize, usize)>) -> String {
    match counts {
        Some((nodes, pods)) => {
            let text = format!("{nodes} node{} {pods} pod{}", plural(nodes), plural(pods));
            format!("{text:<16}")
        }
        None => " ".repeat(16),
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn shortened(name: &str, width: usize) -> String {
    if name.chars().count() <= width {
        return name.to_owned();
    }
    name.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_of_one_width() {
        assert_eq!(counts(Some((1, 2))), "1 node 2 pods   ");
        assert_eq!(counts(Some((2, 1))), "2 nodes 1 pod   ");
        assert_eq!(counts(None).len(), counts(Some((3, 17))).len());
    }

    #[test]
    fn a_long_name_is_cut_at_its_end() {
        assert_eq!(shortened("custom_vnet::a", 14), "custom_vnet::a");
        assert_eq!(shortened("custom_vnet::ab", 14), "custom_vnet::…");
    }
}
