//! The `$filter` of this provider's lists.

use uuid::Uuid;

use arm::ArmError;

/// One of the terms between `and`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Term {
    /// `atScope()`: what holds at the scope, set there or above.
    AtScope,
    /// `atScopeAndBelow()`
    AtScopeAndBelow,
    /// `asTarget()`: what concerns the caller.
    AsTarget,
    /// `assignedTo('…')`: what a principal has, itself or through groups.
    AssignedTo(Uuid),
    /// `name eq '…'`; the name in lower case.
    Equals(String, String),
}

/// Reads a `$filter`; without one there are no terms.
///
/// # Errors
/// 400 where it says what this provider does not know.
pub(super) fn read(filter: Option<&String>) -> Result<Vec<Term>, ArmError> {
    let Some(filter) = filter.map(|text| text.trim()).filter(|text| !text.is_empty()) else { return Ok(Vec::new()) };
    // No name or id has ` and ` in it; a role's name may.
    let mut terms = Vec::new();
    let mut rest = filter;
    loop {
        let (term, after) = cut(rest);
        terms.push(one(term.trim()).ok_or_else(|| invalid(filter))?);
        match after {
            Some(after) => rest = after,
            None => return Ok(terms),
        }
    }
}

/// Cuts at the first ` and ` outside of quotes.
fn cut(text: &str) -> (&str, Option<&str>) {
    let mut quoted = false;
    for (at, letter) in text.char_indices() {
        if letter == '\'' {
            quoted = !quoted;
        } else if !quoted && text[at..].get(..5).is_some_and(|word| word.eq_ignore_ascii_case(" and ")) {
            return (&text[..at], Some(&text[at + 5..]));
        }
    }
    (text, None)
}

fn one(term: &str) -> Option<Term> {
    let folded = term.to_ascii_lowercase();
    match folded.as_str() {
        "atscope()" => return Some(Term::AtScope),
        "atscopeandbelow()" => return Some(Term::AtScopeAndBelow),
        "astarget()" => return Some(Term::AsTarget),
        _ => {}
    }
    if let Some(inner) = folded.strip_prefix("assignedto(").and_then(|rest| rest.strip_suffix(')')) {
        return Uuid::parse_str(inner.trim().trim_matches('\'')).ok().map(Term::AssignedTo);
    }
    let at = folded.find(" eq ")?;
    let (name, value) = (folded[..at].trim(), term[at + 4..].trim());
    let bare = match value.strip_prefix('\'') {
        Some(rest) => rest.strip_suffix('\'')?.replace("''", "'"),
        None => value.to_owned(),
    };
    let word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
    word.then(|| Term::Equals(name.to_owned(), bare))
}

/// The refusal of a filter. Words and code are ours: Azure's are not known.
pub(super) fn invalid(filter: &str) -> ArmError {
    ArmError::bad_request("InvalidFilter", format!("The filter '{filter}' is not valid."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(filter: &str) -> Result<Vec<Term>, ArmError> {
        read(Some(&filter.to_owned()))
    }

    #[test]
    fn what_the_clients_send_is_read() {
        let id = "4d97b98b-1d4f-4787-a291-c67834d212e7";
        let uuid = id.parse().unwrap();
        assert_eq!(terms("").unwrap(), []);
        assert_eq!(terms("atScope()").unwrap(), [Term::AtScope]);
        let both = format!("atScope() and assignedTo('{id}')");
        assert_eq!(terms(&both).unwrap(), [Term::AtScope, Term::AssignedTo(uuid)]);
        let role = |name: &str| Term::Equals("rolename".into(), name.into());
        assert_eq!(terms("roleName eq 'Network Contributor'").unwrap(), [role("Network Contributor")]);
        assert_eq!(terms("roleName eq 'Read and write o''s'").unwrap(), [role("Read and write o's")]);
        assert_eq!(terms(&format!("principalId eq {id}")).unwrap(), [Term::Equals("principalid".into(), id.into())]);
        for bad in ["atScope", "roleName eq 'x", "assignedTo('x')", "a or b", "x eq", "atScope() and"] {
            assert_eq!(terms(bad).unwrap_err().code(), "InvalidFilter", "{bad}");
        }
    }
}
