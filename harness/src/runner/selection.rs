//! Which scenarios a user means.

use std::collections::BTreeSet;

use super::error::{NearMatches, RunnerError};
use super::list::Scenario;

/// How many near matches are named.
const NEAR: usize = 5;
/// How much of a filter a name must share to be near.
const ALIKE: f64 = 0.5;

/// The scenarios that any of `filters` selects; all of them without a filter. A filter is, in this order, the name of a
/// scenario, the name of a suite, or a part of `<suite>::<name>`.
///
/// # Errors
/// When a filter selects nothing: with names that are like it.
pub fn select(scenarios: Vec<Scenario>, filters: &[String]) -> Result<Vec<Scenario>, RunnerError> {
    if scenarios.is_empty() {
        return Err(RunnerError::NoScenario);
    }
    if filters.is_empty() {
        return Ok(scenarios);
    }
    let names: Vec<String> = scenarios.iter().map(|scenario| scenario.id.to_string()).collect();
    let mut selected = BTreeSet::new();
    for filter in filters {
        let matches = |test: &dyn Fn(usize) -> bool| (0..scenarios.len()).filter(|at| test(*at)).collect::<Vec<_>>();
        let mut found = matches(&|at| names[at] == *filter);
        if found.is_empty() {
            found = matches(&|at| scenarios[at].id.suite() == filter);
        }
        if found.is_empty() {
            found = matches(&|at| names[at].contains(filter.as_str()));
        }
        if found.is_empty() {
            return Err(RunnerError::UnknownFilter { filter: filter.clone(), near: near(filter, &scenarios) });
        }
        selected.extend(found);
    }
    let wanted = |at: &usize| selected.contains(at);
    Ok(scenarios.into_iter().enumerate().filter(|(at, _)| wanted(at)).map(|(_, scenario)| scenario).collect())
}

/// Suites and scenarios that share most of the filter's letters in threes, the best first.
fn near(filter: &str, scenarios: &[Scenario]) -> NearMatches {
    let candidates: BTreeSet<String> =
        scenarios.iter().flat_map(|scenario| [scenario.id.suite().to_owned(), scenario.id.to_string()]).collect();
    let wanted = threes(filter);
    let mut alike: Vec<(f64, String)> = candidates
        .into_iter()
        .map(|name| (share(&wanted, &threes(&name)), name))
        .filter(|(share, _)| *share >= ALIKE)
        .collect();
    // Of two that share as much, the shorter one is nearer: the suite before all its scenarios.
    alike.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.len().cmp(&b.1.len())).then_with(|| a.1.cmp(&b.1)));
    NearMatches(alike.into_iter().take(NEAR).map(|(_, name)| name).collect())
}

fn threes(text: &str) -> BTreeSet<Vec<char>> {
    let letters: Vec<char> = text.to_lowercase().chars().map(|c| if c == '-' { '_' } else { c }).collect();
    letters.windows(letters.len().clamp(1, 3)).map(<[char]>::to_vec).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a name has few letters")]
fn share(wanted: &BTreeSet<Vec<char>>, name: &BTreeSet<Vec<char>>) -> f64 {
    if wanted.is_empty() {
        return 0.0;
    }
    wanted.intersection(name).count() as f64 / wanted.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ScenarioId;

    fn catalogue() -> Vec<Scenario> {
        ["custom_vnet::a_subnet_is_used", "custom_vnet::a_subnet_is_used_again", "drift::image", "zones::no_drift_here"]
            .map(|name| Scenario {
                id: name.parse::<ScenarioId>().unwrap(),
                source: None,
                ignored: false,
                executable: "/suite".into(),
            })
            .into()
    }

    fn selected(filters: &[&str]) -> Vec<String> {
        let filters: Vec<String> = filters.iter().map(ToString::to_string).collect();
        select(catalogue(), &filters).unwrap().iter().map(|scenario| scenario.id.to_string()).collect()
    }

    #[test]
    fn no_filter_selects_all() {
        assert_eq!(selected(&[]).len(), 4);
    }

    #[test]
    fn a_whole_name_selects_that_scenario_alone() {
        assert_eq!(selected(&["custom_vnet::a_subnet_is_used"]), ["custom_vnet::a_subnet_is_used"]);
    }

    #[test]
    fn the_name_of_a_suite_selects_the_suite_alone() {
        assert_eq!(selected(&["drift"]), ["drift::image"]);
    }

    #[test]
    fn a_part_of_a_name_selects_all_that_have_it_and_each_once() {
        assert_eq!(
            selected(&["_again", "subnet"]),
            ["custom_vnet::a_subnet_is_used", "custom_vnet::a_subnet_is_used_again"]
        );
        assert_eq!(selected(&["no_drift"]), ["zones::no_drift_here"]);
    }

    #[test]
    fn an_unknown_filter_is_met_with_names_like_it() {
        let near = |filter: &str| match select(catalogue(), &["drift".to_owned(), filter.to_owned()]) {
            Err(RunnerError::UnknownFilter { filter: told, near }) => {
                assert_eq!(told, filter);
                near.0
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(near("custom-vnt")[0], "custom_vnet");
        assert_eq!(near("a_subnett_is_used")[0], "custom_vnet::a_subnet_is_used");
        assert_eq!(near("xyzzy"), Vec::<String>::new());
        assert_eq!(near("é"), Vec::<String>::new());
    }

    #[test]
    fn no_scenario_at_all_is_an_error() {
        assert!(matches!(select(Vec::new(), &[]), Err(RunnerError::NoScenario)));
    }
}
