//! What a lab comes to cost.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Lab;
use crate::history::History;
use crate::process::own_cpu_time;
use crate::report::Costs;

impl Lab {
    /// CPU time of the lab's processes so far, and the cluster time that went by since the lab's beginning. This process
    /// counts where it is the scenario's alone, under a runner: with `cargo test` it is that of many.
    pub(crate) fn costs(&self) -> Costs {
        let own = if self.progress.is_read() { own_cpu_time() } else { None };
        costs(&self.history, self.site.cpu_time(), own)
    }
}

fn costs(history: &History, processes: BTreeMap<String, Duration>, own: Option<Duration>) -> Costs {
    let records = history.since(0);
    let went_by = records.first().and_then(|first| history.now().duration_since(first.at).try_into().ok());
    let mut costs = Costs::over(went_by.unwrap_or_default());
    let own = own.map(|own| (Costs::OWN_PROCESS.to_owned(), own));
    for (process, used) in processes.into_iter().chain(own) {
        costs.add(&process, used);
    }
    costs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::LabClock;
    use crate::history::Event;

    #[test]
    fn cluster_time_is_the_labs_and_this_process_counts_where_it_is_told() {
        // A lab that begins in another year is not a year long.
        let Ok(clock) = LabClock::movable(Some("2030-03-02T08:00:00Z".parse().unwrap())) else {
            return eprintln!("skipped: time cannot be moved here");
        };
        let history = History::new(clock.clone(), None).unwrap();
        history.record(Event::Step { text: "begin".to_owned() });
        clock.page().unwrap().advance(Duration::from_secs(900));
        let seconds = |(name, seconds): (&str, u64)| (name.to_owned(), Duration::from_secs(seconds));
        let used: BTreeMap<_, _> = [("karpenter", 2), ("karpenter-2", 1)].map(seconds).into();

        let of_many = costs(&history, used.clone(), None);
        assert_eq!(of_many.processes(), [("karpenter", Duration::from_secs(3))]);
        let took = of_many.cluster_time().as_secs();
        assert!((900..960).contains(&took), "{took} s");

        let own = costs(&history, used, Some(Duration::from_secs(5)));
        assert_eq!(own.processes()[0], ("catnap", Duration::from_secs(5)));
    }
}
