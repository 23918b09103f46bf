//! The comparison operators.

use super::Value;

/// An operator: what is compared, how, and how many of several values must agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Comparison {
    pub(crate) quantifier: Option<Quantifier>,
    pub(crate) test: Test,
    /// `StringNotEquals` and the like.
    pub(crate) negated: bool,
}

/// `For{left}Of{right}Values:`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quantifier {
    pub(crate) all_of_left: bool,
    pub(crate) all_of_right: bool,
}

/// What one value on the left and one on the right must fulfil.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Test {
    Text(TextTest, Case),
    Number(Order),
    Moment(Order),
    Id,
    Truth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextTest {
    Equals,
    StartsWith,
    /// With `*` and `?`, which a backslash makes ordinary.
    Like,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    Matters,
    Ignored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    /// By name, in any case: `ForAnyOfAnyValues:StringEqualsIgnoreCase`.
    pub(super) fn named(name: &str) -> Option<Self> {
        let folded = name.to_ascii_lowercase();
        let (quantifier, operator) = match folded.split_once(':') {
            Some((quantifier, operator)) => (Some(Quantifier::named(quantifier)?), operator),
            None => (None, folded.as_str()),
        };
        let (test, negated) = test_named(operator)?;
        Some(Self { quantifier, test, negated })
    }

    /// A literal can stand on a side of this comparison.
    pub(super) fn takes(self, value: &Value) -> bool {
        match self.test {
            Test::Text(..) => value.text().is_some(),
            Test::Number(_) => matches!(value, Value::Number(_)),
            Test::Moment(_) => value.moment().is_some(),
            Test::Id => value.id().is_some(),
            Test::Truth => value.truth().is_some(),
        }
    }

    /// The values on both sides agree as the operator says.
    pub(super) fn holds(self, left: &[Value], right: &[Value]) -> bool {
        let one = |l: &Value, r: &Value| self.test.holds(l, r).is_some_and(|held| held != self.negated);
        let quantifier = self.quantifier.unwrap_or(Quantifier { all_of_left: false, all_of_right: false });
        let over_right = |l: &Value| {
            if quantifier.all_of_right { right.iter().all(|r| one(l, r)) } else { right.iter().any(|r| one(l, r)) }
        };
        if quantifier.all_of_left { left.iter().all(over_right) } else { left.iter().any(over_right) }
    }
}

impl Quantifier {
    fn named(folded: &str) -> Option<Self> {
        let (all_of_left, all_of_right) = match folded {
            "foranyofanyvalues" => (false, false),
            "forallofanyvalues" => (true, false),
            "foranyofallvalues" => (false, true),
            "forallofallvalues" => (true, true),
            _ => return None,
        };
        Some(Self { all_of_left, all_of_right })
    }
}

fn test_named(folded: &str) -> Option<(Test, bool)> {
    let (kind, rest) = ["string", "numeric", "datetime", "guid", "bool"]
        .into_iter()
        .find_map(|kind| Some((kind, folded.strip_prefix(kind)?)))?;
    let (negated, rest) = rest.strip_prefix("not").map_or((false, rest), |rest| (true, rest));
    if kind == "string" {
        let (case, rest) = rest.strip_suffix("ignorecase").map_or((Case::Matters, rest), |rest| (Case::Ignored, rest));
        let test = match rest {
            "equals" => TextTest::Equals,
            "startswith" => TextTest::StartsWith,
            "like" => TextTest::Like,
            _ => return None,
        };
        return Some((Test::Text(test, case), negated));
    }
    let order = match rest {
        "equals" => Order::Equal,
        // There is no `NumericNotLessThan`.
        _ if negated => return None,
        "lessthan" => Order::Less,
        "lessthanequals" => Order::LessOrEqual,
        "greaterthan" => Order::Greater,
        "greaterthanequals" => Order::GreaterOrEqual,
        _ => return None,
    };
    let test = match (kind, order) {
        ("numeric", order) => Test::Number(order),
        ("datetime", order) => Test::Moment(order),
        ("guid", Order::Equal) => Test::Id,
        ("bool", Order::Equal) => Test::Truth,
        _ => return None,
    };
    Some((test, negated))
}

impl Test {
    /// `None` where a value is not of the kind that is compared: then neither the operator nor its negation holds.
    fn holds(self, left: &Value, right: &Value) -> Option<bool> {
        Some(match self {
            Self::Text(test, case) => {
                let (left, right) = (left.text()?, right.text()?);
                match case {
                    Case::Matters => test.holds(left, right),
                    Case::Ignored => test.holds(&left.to_lowercase(), &right.to_lowercase()),
                }
            }
            Self::Number(order) => order.holds(&left.number()?, &right.number()?),
            Self::Moment(order) => order.holds(&left.moment()?, &right.moment()?),
            Self::Id => left.id()? == right.id()?,
            Self::Truth => left.truth()? == right.truth()?,
        })
    }
}

impl TextTest {
    fn holds(self, left: &str, right: &str) -> bool {
        match self {
            Self::Equals => left == right,
            Self::StartsWith => left.starts_with(right),
            Self::Like => like(left, right),
        }
    }
}

impl Order {
    fn holds<T: Ord>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// `*` is any characters, `?` is one, a backslash takes their meaning away.
fn like(text: &str, pattern: &str) -> bool {
    enum Letter {
        Star,
        One,
        Exactly(char),
    }
    let mut letters = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        letters.push(match c {
            '*' => Letter::Star,
            '?' => Letter::One,
            '\\' if rest.peek().is_some_and(|next| matches!(next, '*' | '?' | '\\')) => {
                Letter::Exactly(rest.next().unwrap_or('\\'))
            }
            c => Letter::Exactly(c),
        });
    }
    // Places that the letters so far can end at; linear in text × pattern.
    let text: Vec<char> = text.chars().collect();
    let mut places = vec![false; text.len() + 1];
    places[0] = true;
    for letter in letters {
        let mut next = vec![false; text.len() + 1];
        match letter {
            Letter::Star => {
                if let Some(first) = places.iter().position(|reached| *reached) {
                    next[first..].fill(true);
                }
            }
            Letter::One => next[1..].copy_from_slice(&places[..text.len()]),
            Letter::Exactly(wanted) => {
                for (at, c) in text.iter().enumerate() {
                    next[at + 1] = places[at] && *c == wanted;
                }
            }
        }
        places = next;
    }
    places[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[&str]) -> Vec<Value> {
        values.iter().map(|text| Value::Text((*text).to_owned())).collect()
    }

    fn numbers(values: &[i64]) -> Vec<Value> {
        values.iter().map(|number| Value::Number(*number)).collect()
    }

    fn holds(left: &[Value], operator: &str, right: &[Value]) -> bool {
        Comparison::named(operator).unwrap_or_else(|| panic!("{operator}")).holds(left, right)
    }

    /// The examples of Microsoft's page on the format of conditions.
    #[test]
    fn the_documented_examples_come_out_as_documented() {
        for (left, operator, right, expected) in [
            (&["red", "blue"][..], "ForAnyOfAnyValues:StringEquals", &["blue", "green"][..], true),
            (&["red", "blue"], "ForAnyOfAnyValues:StringEquals", &["orange", "green"], false),
            (&["red", "blue"], "ForAllOfAnyValues:StringEquals", &["orange", "red", "blue"], true),
            (&["red", "blue"], "ForAllOfAnyValues:StringEquals", &["red", "green"], false),
            (&["abcd"], "StringLike", &["a*c?"], true),
            (&["abcd"], "StringLike", &["A*C?"], false),
            (&["abcd"], "StringLikeIgnoreCase", &["A*C?"], true),
            (&["abcd"], "StringLike", &["a*c"], false),
            (&["a*"], "StringLike", &[r"a\*"], true),
            (&["ab"], "StringLike", &[r"a\*"], false),
        ] {
            assert_eq!(holds(&texts(left), operator, &texts(right)), expected, "{left:?} {operator} {right:?}");
        }
        for (left, operator, right, expected) in [
            (&[10, 20][..], "ForAnyOfAllValues:NumericLessThan", &[15, 18][..], true),
            (&[10, 20], "ForAllOfAllValues:NumericLessThan", &[5, 15, 18], false),
            (&[10, 20], "ForAllOfAllValues:NumericLessThan", &[25, 30], true),
            (&[10, 20], "ForAllOfAllValues:NumericLessThan", &[15, 25, 30], false),
        ] {
            assert_eq!(holds(&numbers(left), operator, &numbers(right)), expected, "{left:?} {operator} {right:?}");
        }
    }

    #[test]
    fn ids_moments_and_truths_are_compared_as_what_they_are() {
        let id = "4d97b98b-1d4f-4787-a291-c67834d212e7";
        let full = format!("/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/{}", id.to_uppercase());
        assert!(holds(&texts(&[&full]), "ForAnyOfAnyValues:GuidEquals", &texts(&[id])));
        assert!(!holds(&texts(&[&full]), "GuidNotEquals", &texts(&[id])));
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-01T02:00:00.5+01:00");
        assert!(holds(&texts(&[late]), "DateTimeGreaterThan", &texts(&[early])));
        assert!(holds(&[Value::Bool(true)], "BoolNotEquals", &[Value::Bool(false)]));
        assert!(!holds(&texts(&["x"]), "NumericEquals", &numbers(&[1])), "a text is no number");
    }

    #[test]
    fn names_are_known_in_any_case_and_others_are_not() {
        assert!(Comparison::named("stringequals").is_some());
        for bad in [
            "",
            "Equals",
            "StringLessThan",
            "NumericNotLessThan",
            "NumericEqualsIgnoreCase",
            "GuidLessThan",
            "ForAnyOfValues:StringEquals",
            "ForAnyOfAnyValues:",
            "StringNotNotEquals",
        ] {
            assert!(Comparison::named(bad).is_none(), "{bad}");
        }
    }
}
