//! The token with which a machine asks to become a node.

use std::fmt;

use rand::Rng;

/// A bootstrap token, `<id>.<secret>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapToken {
    id: String,
    secret: String,
}

impl BootstrapToken {
    /// Draws a token.
    pub fn draw(random: &mut impl Rng) -> Self {
        let mut text = |length: usize| -> String {
            const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
            (0..length).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect()
        };
        Self { id: text(6), secret: text(16) }
    }

    /// The public half, part of the name of its Secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The other half.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

impl fmt::Display for BootstrapToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.id, self.secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn a_token_has_the_form_that_kubernetes_asks_for_and_comes_from_its_seed() {
        let draw = || BootstrapToken::draw(&mut rand_chacha::ChaCha8Rng::seed_from_u64(7)).to_string();
        assert!(regex::Regex::new("^[a-z0-9]{6}[.][a-z0-9]{16}$").unwrap().is_match(&draw()));
        assert_eq!(draw(), draw());
    }
}
