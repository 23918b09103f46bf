//! What became of the clusters of a pool.

/// A cluster that was not lent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThrownAway {
    /// Who had it last.
    pub by: String,
    /// Why it was thrown away.
    pub why: String,
}

/// What became of the clusters of a pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// How many were made.
    pub made: usize,
    /// How often one was lent again.
    pub lent_again: usize,
    /// Those that could not be.
    pub thrown_away: Vec<ThrownAway>,
}
