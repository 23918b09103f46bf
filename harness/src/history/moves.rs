//! How a lab's time was moved on: in which stretches, and what ended each of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{AzureEvent, Change, Event, Record};

/// Moves between two things that happened. The first of them are short, so each stretch begins anew with those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stretch {
    /// When it was over, in cluster time.
    pub end: Timestamp,
    /// By how much time was moved in all.
    pub moved: Duration,
    /// In how many moves.
    pub moves: u32,
    /// What happened then, by its kind: `Event NodeNotReady`, `PUT networkInterfaces`; `None` where nobody waited any more.
    pub ended_by: Option<String>,
}

/// The stretches of a history, in their order.
#[must_use]
pub fn stretches(records: &[Arc<Record>]) -> Vec<Stretch> {
    let mut stretches = Vec::new();
    let mut news = None;
    for record in records {
        match record.event {
            Event::Clock { seconds, moves } => {
                let moved = Duration::try_from_secs_f64(seconds).unwrap_or_default();
                stretches.push(Stretch { end: record.at, moved, moves, ended_by: news.take() });
            }
            // What comes after it within the same moment is its consequence.
            _ if news.is_none() && record.event.is_news() => news = Some(kind(&record.event)),
            _ => {}
        }
    }
    stretches
}

/// How often what ended a stretch, the most frequent first.
#[must_use]
pub fn what_ended(stretches: &[Stretch]) -> Vec<(&str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for stretch in stretches {
        if let Some(what) = &stretch.ended_by {
            *counts.entry(what).or_default() += 1;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|(one, first), (other, second)| second.cmp(first).then(one.cmp(other)));
    counts
}

fn kind(event: &Event) -> String {
    match event {
        Event::Step { .. } => "a step of the scenario".to_owned(),
        Event::Boot { stage, .. } => format!("a machine: {stage:?}"),
        Event::Process { name, .. } => format!("the process {name}"),
        Event::Kube { kind, change, object } => match (kind.as_str(), change) {
            ("Event", _) => format!("Event {}", object["reason"].as_str().unwrap_or_default()),
            (_, Change::Applied) => format!("a change of a {kind}"),
            (_, Change::Deleted) => format!("the end of a {kind}"),
        },
        Event::Azure { what: AzureEvent::Request(entry) } => {
            let segments: Vec<&str> = entry.path.split('/').filter(|segment| !segment.is_empty()).collect();
            let resource_type = segments.len().checked_sub(2).map_or("", |at| segments[at]);
            format!("{} {resource_type}", entry.method)
        }
        Event::Azure { what: AzureEvent::Resource(resource) } => format!("Azure: {}", resource.resource_type),
        Event::Azure { .. } => "Azure".to_owned(),
        Event::Assertion { .. } | Event::Provisioner { .. } | Event::Clock { .. } => "something else".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn a_stretch_is_ended_by_the_first_news_after_it_and_by_nothing_that_recurs() {
        let kube = |kind: &str, object: Value| Event::Kube {
            kind: kind.to_owned(),
            change: Change::Applied,
            object: Arc::new(object),
        };
        let moved = |moves| Event::Clock { seconds: 90.0, moves };
        let events = [
            kube("Pod", json!({})),
            moved(7),
            kube("Lease", json!({})),
            kube("Event", json!({ "reason": "NodeNotReady" })),
            kube("Node", json!({})),
            moved(3),
            kube("Event", json!({ "reason": "NodeNotReady" })),
            moved(2),
            kube("Lease", json!({})),
            moved(1),
        ];
        let at = Timestamp::UNIX_EPOCH;
        let record = |(sequence, event)| Arc::new(Record { sequence, at, wall: at, event });
        let records: Vec<_> = (1..).zip(events).map(record).collect();
        let found = stretches(&records);
        let ends: Vec<_> = found.iter().map(|one| (one.moves, one.ended_by.as_deref())).collect();
        assert_eq!(
            ends,
            [
                (7, Some("a change of a Pod")),
                (3, Some("Event NodeNotReady")),
                (2, Some("Event NodeNotReady")),
                (1, None)
            ]
        );
        assert_eq!(found[0].moved, Duration::from_secs(90));
        assert_eq!(what_ended(&found), [("Event NodeNotReady", 2), ("a change of a Pod", 1)]);
    }
}
