//! Claims against scenarios.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::claim::{Claim, Claims, claims_of};
use super::results::LastResult;

/// A claim and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The claim.
    #[serde(flatten)]
    pub claim: Claim,
    /// The scenarios that name it, each with what it came to last.
    pub scenarios: Vec<Proof>,
    /// Why it has none.
    pub reason: Option<String>,
}

/// A scenario that names a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// Its name, without its cases.
    pub scenario: String,
    /// The worst of what its cases came to last; `None` where it was not run yet.
    pub result: Option<String>,
}

impl Row {
    /// Whether a scenario that names it passed when it was run last.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.scenarios.iter().any(|proof| proof.result.as_deref() == Some("passed"))
    }
}

/// Which claims are covered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// A row for each claim, in the order of the list.
    pub rows: Vec<Row>,
    /// What is wrong: claims with neither scenario nor reason, with both, scenarios that name what is no claim.
    pub problems: Vec<String>,
}

/// From bad to good: what a function with cases came to is what the worst of them did.
const WORST_FIRST: [&str; 5] = ["failed", "could not run", "known fault", "skipped", "passed"];

impl Coverage {
    /// Holds `scenarios` (name and doc comment) and what they came to last against the claims.
    pub fn of<'a>(
        claims: &Claims,
        scenarios: impl IntoIterator<Item = (String, Option<&'a str>)>,
        last: &BTreeMap<String, LastResult>,
    ) -> Self {
        let mut problems = BTreeSet::new();
        let mut proofs: BTreeMap<&str, BTreeMap<String, Option<usize>>> = BTreeMap::new();
        for (name, doc) in scenarios {
            let function = function_of(&name);
            let rank = last.get(&name).map(|last| rank(&last.result));
            for id in claims_of(doc.unwrap_or_default()) {
                let Some(claim) = claims.get(id) else {
                    problems.insert(format!("{function} names {id}, which is no claim of suites/claims.yaml"));
                    continue;
                };
                let proof = proofs.entry(&claim.id).or_default().entry(function.clone());
                let known = proof.or_insert(rank);
                // One case that was not run leaves open what the function comes to.
                *known = known.zip(rank).map(|(known, rank)| known.min(rank));
            }
        }
        let rows: Vec<Row> = claims
            .claims
            .iter()
            .map(|claim| Row {
                claim: claim.clone(),
                scenarios: (proofs.remove(claim.id.as_str()).into_iter().flatten())
                    .map(|(scenario, rank)| Proof { scenario, result: rank.map(|rank| WORST_FIRST[rank].to_owned()) })
                    .collect(),
                reason: claims.reasons.get(&claim.id).cloned(),
            })
            .collect();
        for row in &rows {
            let id = &row.claim.id;
            match (row.scenarios.first(), &row.reason) {
                (None, None) => {
                    problems.insert(format!(
                        "{id} has no scenario: name it in the doc comment of one, or say in suites/uncovered.yaml why not"
                    ));
                }
                (Some(proof), Some(_)) => {
                    problems.insert(format!(
                        "{id} has a scenario, {}, and a reason in suites/uncovered.yaml for having none",
                        proof.scenario
                    ));
                }
                _ => {}
            }
        }
        for id in claims.reasons.keys().filter(|id| claims.get(id).is_none()) {
            problems.insert(format!("suites/uncovered.yaml has a reason for {id}, which is no claim"));
        }
        Self { rows, problems: problems.into_iter().collect() }
    }

    /// Of the claims that can be tested: how many there are, how many have a scenario, how many one that passed last.
    #[must_use]
    pub fn count(&self) -> (usize, usize, usize) {
        let testable = self.rows.iter().filter(|row| row.claim.is_testable());
        testable.fold((0, 0, 0), |(all, covered, proven), row| {
            (all + 1, covered + usize::from(!row.scenarios.is_empty()), proven + usize::from(row.is_proven()))
        })
    }
}

/// rstest makes a module of a function with cases: `suite::function::case_1_name`.
fn function_of(scenario: &str) -> String {
    match scenario.rsplit_once("::") {
        Some((function, case)) if case.starts_with("case_") => function.to_owned(),
        _ => scenario.to_owned(),
    }
}

fn rank(result: &str) -> usize {
    WORST_FIRST.iter().position(|word| *word == result).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::coverage::Enforcer;
    use crate::source::SuiteSource;

    fn claims(ids: &[&str], reasons: &[&str]) -> Claims {
        let claim = |id: &&str| Claim {
            id: (*id).to_owned(),
            suite: "s".into(),
            source: "001".into(),
            by: vec![Enforcer::Prov],
            claim: "It is so.".into(),
        };
        Claims {
            claims: ids.iter().map(claim).collect(),
            reasons: reasons.iter().map(|id| ((*id).to_owned(), "no road".to_owned())).collect(),
        }
    }

    fn last(results: &[(&str, &str)]) -> BTreeMap<String, LastResult> {
        let result = |(scenario, result): &(&str, &str)| LastResult {
            scenario: (*scenario).to_owned(),
            result: (*result).to_owned(),
            message: String::new(),
            started: jiff::Timestamp::UNIX_EPOCH,
            facts: BTreeMap::new(),
            seconds: None,
            costs: None,
        };
        results.iter().map(|entry| (entry.0.to_owned(), result(entry))).collect()
    }

    fn of(claims: &Claims, scenarios: &[(&'static str, &'static str)], results: &[(&str, &str)]) -> Coverage {
        Coverage::of(claims, scenarios.iter().map(|(name, doc)| ((*name).to_owned(), Some(*doc))), &last(results))
    }

    #[test]
    fn a_claim_needs_a_scenario_or_a_reason_and_not_both() {
        let claims = claims(&["AA-01", "AA-02", "AA-03"], &["AA-02", "AA-03"]);
        let coverage = of(&claims, &[("s::three", "AA-03: three")], &[]);
        assert_eq!(coverage.problems.len(), 2, "{:?}", coverage.problems);
        assert!(coverage.problems[0].starts_with("AA-01 has no scenario"), "{:?}", coverage.problems);
        assert!(coverage.problems[1].starts_with("AA-03 has a scenario, s::three"), "{:?}", coverage.problems);
        assert_eq!(coverage.count(), (3, 1, 0));
    }

    #[test]
    fn a_scenario_that_names_no_claim_is_named() {
        let coverage = of(&claims(&["AA-01"], &["AA-01"]), &[("s::one", "AA-10: one")], &[]);
        assert_eq!(coverage.problems, ["s::one names AA-10, which is no claim of suites/claims.yaml"]);
    }

    /// Held against the sources, because the suites are not built for this test.
    #[test]
    fn every_claim_has_a_scenario_or_a_reason() {
        let scenarios: Vec<_> = SuiteSource::all_of_this_build()
            .into_iter()
            .flat_map(|(suite, source)| {
                source.scenarios.into_iter().map(move |(name, source)| (format!("{suite}::{name}"), source.doc))
            })
            .collect();
        let named = scenarios.iter().map(|(name, doc)| (name.clone(), Some(doc.as_str())));
        let coverage = Coverage::of(&Claims::of_this_build().unwrap(), named, &BTreeMap::new());
        assert!(coverage.problems.is_empty(), "{}", coverage.problems.join("\n"));
    }

    #[test]
    fn every_known_fault_is_told_of_and_shown() {
        let shown: BTreeSet<String> =
            SuiteSource::all_of_this_build().into_values().flat_map(|suite| suite.known_faults).collect();
        let findings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../suites/FINDINGS.md");
        let findings = std::fs::read_to_string(findings).unwrap();
        let told = findings.lines().filter_map(|line| line.strip_prefix("## `")?.split('`').next());
        let told: BTreeSet<String> = told.map(str::to_owned).collect();
        assert_eq!(shown, told, "scenarios (left) and suites/FINDINGS.md (right)");
    }

    #[test]
    fn a_function_is_proven_when_all_of_its_cases_passed() {
        let claims = claims(&["AA-01"], &[]);
        let scenarios = [("s::one::case_1_a", "AA-01: one"), ("s::one::case_2_b", "AA-01: one")];
        let proven = |results: &[(&str, &str)]| of(&claims, &scenarios, results).rows[0].is_proven();
        assert!(proven(&[("s::one::case_1_a", "passed"), ("s::one::case_2_b", "passed")]));
        assert!(!proven(&[("s::one::case_1_a", "passed")]));
        assert!(!proven(&[("s::one::case_1_a", "passed"), ("s::one::case_2_b", "failed")]));
    }
}
