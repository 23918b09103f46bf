//! Patterns of actions: `Microsoft.Network/*`, `*/read`, `Microsoft.Network/virtualNetworks/subnets/join/action`.

use std::fmt;

/// A pattern that actions are held against, without regard to case. `*` stands for any characters, also slashes and
/// none. `/*/` stands for a single slash too: `userAssignedIdentities/*/assign/action` of the role Managed Identity
/// Operator is there for the action `userAssignedIdentities/assign/action`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionPattern {
    text: String,
    shape: Shape,
}

/// The usual shapes are told apart once, so that requests are not held against them letter by letter.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    Everything,
    Exactly(String),
    /// `a*`
    Prefix(String),
    /// `*a`
    Suffix(String),
    /// Any other: what lies between the stars.
    Pieces(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Star,
    /// `/*/`: one slash, or two with anything between. `/*/*/` is there for the same texts.
    Gap,
}

impl ActionPattern {
    /// Reads a pattern; every text is one.
    pub fn new(text: &str) -> Self {
        let folded = text.to_ascii_lowercase();
        let shape = match (folded.as_str(), folded.matches('*').count()) {
            ("*", _) => Shape::Everything,
            (_, 0) => Shape::Exactly(folded),
            (_, 1) if folded.ends_with('*') => Shape::Prefix(folded.trim_end_matches('*').to_owned()),
            (_, 1) if folded.starts_with('*') => Shape::Suffix(folded.trim_start_matches('*').to_owned()),
            _ => Shape::Pieces(pieces(&folded)),
        };
        Self { text: text.to_owned(), shape }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// An action, given in lower case, matches.
    pub fn matches(&self, folded: &str) -> bool {
        match &self.shape {
            Shape::Everything => true,
            Shape::Exactly(text) => text == folded,
            Shape::Prefix(text) => folded.starts_with(text.as_str()),
            Shape::Suffix(text) => folded.ends_with(text.as_str()),
            Shape::Pieces(pieces) => pieces_match(pieces, folded),
        }
    }
}

impl fmt::Display for ActionPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn pieces(folded: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = folded;
    while let Some(star) = rest.find('*') {
        let gap = rest[..star].ends_with('/') && rest[star + 1..].starts_with('/');
        let text = if gap { &rest[..star - 1] } else { &rest[..star] };
        if !text.is_empty() {
            pieces.push(Piece::Text(text.to_owned()));
        }
        rest = &rest[star + if gap { 2 } else { 1 }..];
        pieces.push(if gap { Piece::Gap } else { Piece::Star });
        if gap {
            // The slash that closes one gap may open the next, and each of them may be there for nothing at all.
            rest = rest.trim_start_matches("*/");
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest.to_owned()));
    }
    pieces
}

fn pieces_match(pieces: &[Piece], text: &str) -> bool {
    // The places in the text that the pieces so far can end at. Linear in pieces × text, whatever the pattern.
    let mut places = vec![false; text.len() + 1];
    places[0] = true;
    for piece in pieces {
        let mut next = vec![false; text.len() + 1];
        match piece {
            Piece::Text(wanted) => {
                for (place, _) in places.iter().enumerate().filter(|(_, reached)| **reached) {
                    if text.as_bytes()[place..].starts_with(wanted.as_bytes()) {
                        next[place + wanted.len()] = true;
                    }
                }
            }
            Piece::Star => {
                if let Some(first) = places.iter().position(|reached| *reached) {
                    next[first..].fill(true);
                }
            }
            Piece::Gap => {
                let mut opened = false;
                for (place, byte) in text.bytes().enumerate().filter(|(_, byte)| *byte == b'/') {
                    debug_assert_eq!(byte, b'/');
                    if places[place] || opened {
                        next[place + 1] = true;
                    }
                    opened |= places[place];
                }
            }
        }
        places = next;
    }
    places[text.len()]
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Obviously right, and slow: letter by letter, each `/*/` once as it stands and once as `/`.
    pub(crate) fn slowly(pattern: &str, action: &str) -> bool {
        fn plain(pattern: &[u8], text: &[u8]) -> bool {
            match (pattern.first(), text.first()) {
                (None, None) => true,
                (Some(b'*'), _) => plain(&pattern[1..], text) || (!text.is_empty() && plain(pattern, &text[1..])),
                (Some(p), Some(t)) => p.eq_ignore_ascii_case(t) && plain(&pattern[1..], &text[1..]),
                _ => false,
            }
        }
        if plain(pattern.as_bytes(), action.as_bytes()) {
            return true;
        }
        let starts: Vec<usize> = (0..pattern.len()).filter(|at| pattern[*at..].starts_with("/*/")).collect();
        starts.iter().any(|at| slowly(&format!("{}/{}", &pattern[..*at], &pattern[at + 3..]), action))
    }

    fn matches(pattern: &str, action: &str) -> bool {
        ActionPattern::new(pattern).matches(&action.to_ascii_lowercase())
    }

    #[test]
    fn stars_stand_for_any_characters_and_slashes() {
        let join = "Microsoft.Network/virtualNetworks/subnets/join/action";
        for pattern in ["*", join, "microsoft.network/*", "*/join/ACTION", "Microsoft.*/virtualNetworks/*/action"] {
            assert!(matches(pattern, join), "{pattern}");
        }
        for pattern in ["*/read", "Microsoft.Network", "Microsoft.Net/*", "Microsoft.Network/*/read", ""] {
            assert!(!matches(pattern, join), "{pattern}");
        }
    }

    #[test]
    fn a_star_between_slashes_may_stand_for_nothing_at_all() {
        let pattern = "Microsoft.ManagedIdentity/userAssignedIdentities/*/assign/action";
        assert!(matches(pattern, "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"));
        assert!(matches(pattern, "Microsoft.ManagedIdentity/userAssignedIdentities/x/assign/action"));
        assert!(!matches(pattern, "Microsoft.ManagedIdentity/userAssignedIdentitiesassign/action"));
        assert!(matches("Microsoft.Authorization/*/Write", "Microsoft.Authorization/roleAssignments/write"));
        for action in ["a/b", "a/x/b", "a/x/y/b"] {
            assert!(matches("a/*/*/b", action), "{action}");
        }
        assert!(!matches("a/*/*/b", "ab"));
    }

    proptest! {
        #[test]
        fn quick_and_slow_agree(pattern in "[ab/*]{0,9}", action in "[ab/]{0,9}") {
            prop_assert_eq!(matches(&pattern, &action), slowly(&pattern, &action), "{} {}", pattern, action);
        }
    }
}
